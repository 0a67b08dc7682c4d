/** The body of a request, of which nothing is known beforehand, not even that it ends. */

import { deadline } from "../async/deadline.ts";

/** It is too long, or does not come. */
export class BodyError extends Error {
  override readonly name = "BodyError";

  /** `status` is the one to answer with. */
  constructor(message: string, readonly status: 400 | 408 | 413, options?: ErrorOptions) {
    super(message, options);
  }
}

/** Reads it as UTF-8 text of at most so many bytes, within so many milliseconds; else a {@link BodyError}. */
export async function readBody(
  { body }: Request,
  { limit, patience }: { readonly limit: number; readonly patience: number },
): Promise<string> {
  if (!body) return "";
  const reader = body.getReader();
  const late = () => new BodyError(`the body did not come within ${patience / 1000} s`, 408);
  try {
    return await deadline(readAll(reader, limit), {
      milliseconds: patience,
      what: "reading the body",
      late,
    });
  } catch (error) {
    if (error instanceof BodyError) throw error;
    throw new BodyError("the body did not come", 400, { cause: error });
  } finally {
    reader.cancel().catch(() => {}); // of no interest any more
  }
}

async function readAll(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  limit: number,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "", length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    length += value.length;
    if (length > limit) throw new BodyError(`the body has more than ${limit} bytes`, 413);
    text += decoder.decode(value, { stream: true });
  }
}
