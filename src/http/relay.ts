/** Bytes from one TCP connection to another and back. */

/**
 * Passes on what each side sends, and that it sends no more, until both have ended; `active` is
 * called at each piece. Whatever happens, both are closed then. Closing one from outside ends it too.
 */
export async function relay(a: Deno.TcpConn, b: Deno.TcpConn, active: () => void): Promise<void> {
  try {
    for (const side of [a, b]) side.setNoDelay(); // pieces are as they were sent: none waits for another
    await Promise.all([copy(a, b, active), copy(b, a, active)]);
  } catch {
    // One side is gone without a word: the other will see the same.
  } finally {
    close(a);
    close(b);
  }
}

async function copy(from: Deno.TcpConn, to: Deno.TcpConn, active: () => void): Promise<void> {
  const buffer = new Uint8Array(16 * 1024);
  for (;;) {
    const count = await from.read(buffer);
    if (count === null) return await to.closeWrite();
    active();
    for (let at = 0; at < count;) at += await to.write(buffer.subarray(at, count));
  }
}

/** Closes a connection that may be closed already. */
export function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
