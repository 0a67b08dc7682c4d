/** Files that people name: small texts, whatever they turn out to be. */

import { deadline } from "../async/deadline.ts";

/** Bytes: a kubeconfig with its certificates has some 10 KB. */
const MOST = 4 * 1024 * 1024;

/** Milliseconds: a file system on the network may hang, and so does a pipe that nobody writes to. */
const TIMEOUT = 5000;

/**
 * By path, what is being read: a reading that hangs keeps a thread, of which there are not many, so
 * none is begun beside it.
 */
const readings = new Map<string, Promise<string>>();

/**
 * The text of a file; rejects as `Deno.readTextFile` does, and for a file that is too long or cannot
 * be read in some seconds.
 */
export async function readText(path: string): Promise<string> {
  let reading = readings.get(path);
  if (!reading) {
    reading = read(path).finally(() => readings.delete(path));
    readings.set(path, reading);
  }
  return await deadline(reading, { milliseconds: TIMEOUT, what: "reading it" });
}

async function read(path: string): Promise<string> {
  // Deno opens files on the thread of the event loop, where a named pipe would wait for a writer, and
  // all the program with it. The pipe of `<(…)` is behind a link, and does not wait.
  if ((await Deno.lstat(path)).isFifo) throw new Error("it is a named pipe");
  using file = await Deno.open(path);
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for (;;) {
    const chunk = new Uint8Array(64 * 1024);
    const bytes = await file.read(chunk);
    if (bytes === null) break;
    length += bytes;
    if (length > MOST) throw new Error(`it is longer than ${MOST / 1024 / 1024} MB`);
    chunks.push(chunk.subarray(0, bytes));
  }
  return await new Blob(chunks).text();
}
