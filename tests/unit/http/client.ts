/** A client that says exactly what a test wants said, byte by byte. */

import assert from "node:assert/strict";

export interface Answer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export class Client implements Disposable {
  readonly connection: Deno.Conn;
  #rest = "";
  #isClosed = false;

  private constructor(connection: Deno.Conn) {
    this.connection = connection;
  }

  static async connect(port: number, hostname = "127.0.0.1"): Promise<Client> {
    return new Client(await Deno.connect({ hostname, port }));
  }

  /** One character is one byte. */
  async send(text: string): Promise<void> {
    const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
    for (let at = 0; at < bytes.length;) at += await this.connection.write(bytes.subarray(at));
  }

  /** The next response, of which the body is as long as it says, or empty if `bodiless`. */
  async answer({ bodiless = false } = {}): Promise<Answer> {
    while (!this.#rest.includes("\r\n\r\n")) assert.ok(await this.#read(), "it hangs up");
    const end = this.#rest.indexOf("\r\n\r\n");
    const [line, ...fields] = this.#rest.slice(0, end).split("\r\n");
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(line!)?.[1]);
    const headers = new Map(fields.map((field) => {
      const colon = field.indexOf(": ");
      return [field.slice(0, colon), field.slice(colon + 2)];
    }));
    this.#rest = this.#rest.slice(end + 4);
    if (status === 100) return { status, headers, body: "" };
    const length = bodiless ? 0 : Number(headers.get("content-length"));
    while (this.#rest.length < length) assert.ok(await this.#read(), "the body breaks off");
    const body = this.#rest.slice(0, length);
    this.#rest = this.#rest.slice(length);
    return { status, headers, body };
  }

  /** Resolves when the server hangs up, and says nothing more before. */
  async ended(): Promise<void> {
    while (await this.#read().catch(() => false));
    assert.equal(this.#rest, "");
  }

  async #read(): Promise<boolean> {
    const buffer = new Uint8Array(64 * 1024);
    const count = await this.connection.read(buffer);
    if (count === null) return false;
    for (const byte of buffer.subarray(0, count)) this.#rest += String.fromCharCode(byte);
    return true;
  }

  [Symbol.dispose](): void {
    if (!this.#isClosed) this.connection.close();
    this.#isClosed = true;
  }
}
