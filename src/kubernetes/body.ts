/** Bodies of answers, within bounds: a server may go on sending for ever. */

import { ConnectionError } from "./error.ts";

/** Bytes: a chunk of 50 objects, each as big as etcd takes them, would be 75 MB; none ever is. */
const MOST = 64 * 1024 * 1024;

/** Bytes of a refusal that are read. */
const MOST_OF_STATUS = 64 * 1024;

/** The value of a body; throws {@link ConnectionError} for one that is too long or no JSON. */
export async function readJSON<T>(response: Response): Promise<T> {
  const { text, isWhole } = await readUpTo(response, MOST);
  if (!isWhole) {
    throw new ConnectionError(`an answer of more than ${MOST / 1024 / 1024} MB was sent`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new ConnectionError("something was sent that is no JSON"); // its snippet is not shown
  }
}

/** The beginning of a refusal. */
export async function readRefusal(response: Response): Promise<string> {
  return (await readUpTo(response, MOST_OF_STATUS)).text;
}

async function readUpTo(
  { body }: Response,
  most: number,
): Promise<{ text: string; isWhole: boolean }> {
  const decoder = new TextDecoder();
  const parts: string[] = [];
  let length = 0;
  // Leaving the loop cancels the body.
  for await (const chunk of body ?? []) {
    length += chunk.length;
    if (length > most) return { text: parts.join(""), isWhole: false };
    parts.push(decoder.decode(chunk, { stream: true }));
  }
  parts.push(decoder.decode());
  return { text: parts.join(""), isWhole: true };
}
