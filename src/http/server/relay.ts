/** Bytes from one connection to another and back. */

import type { Stream } from "./socket.ts";

/**
 * Passes on what each side sends, and that it sends no more, until both have ended. Whatever happens,
 * both are closed then. Closing one from outside ends it too. Never rejects.
 */
export async function relay(a: Stream, b: Stream): Promise<void> {
  try {
    await Promise.all([copy(a, b), copy(b, a)]);
  } catch {
    // One side is gone without a word: the other will see the same.
  } finally {
    closeQuietly(a);
    closeQuietly(b);
  }
}

async function copy(from: Stream, to: Stream): Promise<void> {
  const buffer = new Uint8Array(16 * 1024);
  for (;;) {
    const count = await from.read(buffer);
    if (count === null) return await to.closeWrite();
    for (let at = 0; at < count;) at += await to.write(buffer.subarray(at, count));
  }
}

/** Closes what may be closed already. */
export function closeQuietly(resource: { close(): void }): void {
  try {
    resource.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
