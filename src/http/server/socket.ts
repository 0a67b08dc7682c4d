/** Streams of bytes, and TCP connections that can be cut off at any time. */

import { shutdownSocket } from "../../os/libc.ts";

/** What a client's bytes are read from and written to. */
export type Stream = Pick<Deno.Conn, "read" | "write" | "closeWrite" | "close">;

/**
 * An accepted connection. To close Deno's ends what reads from it, but a write that waits for a client
 * who does not read goes on, and keeps the descriptor; shutdown(2) ends that too.
 */
export class Socket implements Stream {
  readonly #connection: Deno.TcpConn;
  readonly #fd: number;
  #isClosed = false;

  constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
    this.#fd = descriptorOf(connection);
    try {
      connection.setNoDelay(); // a large response is several writes, of which none shall wait for another
    } catch (error) {
      connection.close(); // which nobody else would
      throw error;
    }
  }

  /** Does the client run on this machine? Others cannot have a loopback or our own address as source. */
  get isFromHere(): boolean {
    const { remoteAddr: { hostname }, localAddr } = this.#connection;
    return hostname === localAddr.hostname || /^(::ffff:)?127\.|^::1$/.test(hostname);
  }

  read(buffer: Uint8Array): Promise<number | null> {
    return this.#connection.read(buffer);
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#connection.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#connection.closeWrite();
  }

  /** Ends all reads and writes; may be called again. */
  close(): void {
    if (this.#isClosed) return; // the descriptor may be another's now
    this.#isClosed = true;
    shutdownSocket(this.#fd);
    this.#connection.close();
  }
}

/** Deno keeps it with the connections that it accepts, if not for everybody to see. */
function descriptorOf(connection: Deno.TcpConn): number {
  const symbol = Object.getOwnPropertySymbols(connection)
    .find(({ description }) => description === "Deno.internal.fd");
  const fd: unknown = symbol && Reflect.get(connection, symbol);
  if (typeof fd === "number") return fd;
  connection.close();
  throw new Error("the descriptor of a connection is not known: is this another version of Deno?");
}
