/** A stream of bytes as the lines in it, as many at a time as are there. */

import { onAbort } from "../async/background.ts";
import { TokenBucket } from "../async/token_bucket.ts";
import { ConnectionError } from "./error.ts";

/** Bytes: no object is that big (etcd takes 1.5 MB), so this is no stream of lines. */
const LONGEST_LINE = 64 * 1024 * 1024;

/** Milliseconds: bytes that took longer begin another batch. */
const SAME_BATCH = 2;

/** Reads that a quiet stream saves up: when little happens, each line is read at once. */
const SAVED_READS = 20;

/** A batch of this many lines takes two tokens: waking up costs more than a few lines. */
const LARGE_BATCH = 6;

/** Bytes that are read at a time: more than a TLS record has. */
const BUFFER = 64 * 1024;

const NEWLINE = 0x0a;

export interface LinesOptions {
  /**
   * Milliseconds between two batches of a busy stream, and twice that after a large batch; 0: each
   * line is yielded as it comes.
   */
  readonly batchInterval: number;
  /** Ends the stream, as if there were no more lines. */
  readonly signal?: AbortSignal;
}

/**
 * Yields whole lines without their ends, in batches; the end of the stream ends the last line too.
 * Between two batches the bytes stay in the kernel, which costs nothing.
 */
export async function* readLines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  { batchInterval, signal }: LinesOptions,
): AsyncGenerator<readonly string[]> {
  const reader = stream.getReader({ mode: "byob" }); // else each read gets a buffer of its own
  let buffer = new ArrayBuffer(BUFFER);
  // The signal of a `fetch` does not reach its body any more once the Response is garbage.
  const cancel = () => reader.cancel().catch(() => {});
  using _abort = onAbort(signal, "end a stream", cancel);
  const splitter = new LineSplitter();
  const reads = batchInterval > 0
    ? new TokenBucket({ perSecond: 1000 / batchInterval, burst: SAVED_READS })
    : undefined;
  let found = 0; // lines since the last token
  try {
    for (;;) {
      const asked = performance.now();
      const { done, value } = await reader.read(new Uint8Array(buffer));
      const isSameBatch = performance.now() - asked <= SAME_BATCH;
      if (!isSameBatch) {
        if (found >= LARGE_BATCH) reads?.reserve();
        found = 0;
        await reads?.take(signal);
      }
      const lines = done ? splitter.end() : splitter.push(value);
      if (value) buffer = value.buffer;
      found += lines.length;
      if (lines.length > 0) yield lines;
      if (done) return;
    }
  } finally {
    await cancel();
  }
}

/** Cuts chunks into lines; an unfinished line is kept until the rest of it comes. */
export class LineSplitter {
  #decoder = new TextDecoder();
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;

  /** Lines that this chunk completes; throws ConnectionError where there is no end of a line. */
  push(chunk: Uint8Array): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end; (end = chunk.indexOf(NEWLINE, start)) >= 0; start = end + 1) {
      this.#keep(chunk.subarray(start, end));
      lines.push(...this.end());
    }
    this.#keep(chunk.slice(start)); // the chunk will hold the next one
    return lines;
  }

  /** The line that nothing ended; none if it is empty. */
  end(): string[] {
    if (this.#pendingBytes === 0) return [];
    const [first] = this.#pending;
    const bytes = this.#pending.length === 1 ? first! : join(this.#pending, this.#pendingBytes);
    this.#pending = [];
    this.#pendingBytes = 0;
    return [this.#decoder.decode(bytes)];
  }

  #keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes > LONGEST_LINE) throw new ConnectionError("an endless line was sent");
  }
}

function join(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
