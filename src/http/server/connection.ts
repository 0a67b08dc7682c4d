/** One client's connection: requests, one after the other, and an end to every wait. */

import { startTimer } from "../../async/background.ts";
import { describeError } from "../../net/text.ts";
import { Body } from "./body.ts";
import type { Client } from "./clients.ts";
import { Input } from "./input.ts";
import {
  formatResponseHead,
  type Handler,
  HttpError,
  type HttpRequest,
  type HttpResponse,
  textResponse,
} from "./message.ts";
import { parseRequestHead, type RequestHead } from "./request_head.ts";
import type { Stream } from "./socket.ts";

/** Milliseconds for a request's head, from the connection's or the request's first byte. */
const HEAD_TIMEOUT = 5000;

/** Milliseconds between two requests. */
const IDLE_TIMEOUT = 120_000;

/** Milliseconds for a whole response. */
const WRITE_TIMEOUT = 10_000;

/** Milliseconds for the client to take the last response and hang up. */
const LINGER_TIMEOUT = 1000;

/** Bytes that the client may send meanwhile: the rest of a body that was refused. */
const LINGER_BYTES = 8 * 1024 * 1024;

/** Bytes written at a time. */
const PIECE = 64 * 1024;

/** RFC 9110, section 15.2.1 */
const CONTINUE = encode("HTTP/1.1 100 Continue\r\n\r\n");

export type Secure = (socket: Stream) => Promise<Stream>;

export interface ConnectionOptions {
  readonly socket: Stream;
  /** Makes what is read and written instead of the socket's own bytes. */
  readonly secure: Secure | undefined;
  readonly handler: Handler;
  /** Resolves when the next request may be handled. */
  readonly turn: () => Promise<void> | undefined;
  /** Bytes were read or written. */
  readonly moved: () => void;
}

export class Connection implements Client {
  readonly #options: ConnectionOptions;
  readonly #input: Input;
  #stream: Stream;
  #state: "waiting" | "reading" | "handling" | "writing" = "waiting";
  #wasAnswered = false;
  #isStopping = false;
  #isClosed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#stream = options.socket;
    this.#input = new Input({ read: (buffer) => this.#read(buffer) });
  }

  /** Does it wait for us, and not for the client? */
  get isBusy(): boolean {
    return this.#state === "handling";
  }

  get wasAnswered(): boolean {
    return this.#wasAnswered;
  }

  /** Answers until the client is gone, is too slow or says that it has no more requests. Never rejects. */
  async run(): Promise<void> {
    try {
      await this.#open();
      while (await this.#exchange());
      await this.#linger();
    } catch {
      // The client is gone or was cut off: there is nobody to answer to.
    } finally {
      this.close();
    }
  }

  async #open(): Promise<void> {
    const { socket, secure } = this.#options;
    if (!secure) return;
    this.#stream = await this.#within(HEAD_TIMEOUT, () => secure(socket));
    if (this.#isClosed) this.#stream.close(); // meanwhile
  }

  stop(): void {
    this.#isStopping = true;
    if (this.#state === "waiting") this.close();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#options.socket.close();
    this.#stream.close();
  }

  async #read(buffer: Uint8Array): Promise<number | null> {
    const count = await this.#stream.read(buffer);
    this.#options.moved();
    return count;
  }

  /** One request and its response; false if no other can follow. */
  async #exchange(): Promise<boolean> {
    const head = await this.#readHead();
    if (!head) return false;
    if (head instanceof HttpError) {
      await this.#write(textResponse(head.status, head.message), { close: true });
      return false;
    }
    const body = new Body(head, this.#input, { proceed: () => this.#writeAll(CONTINUE) });
    const response = await this.#handle(head, body);
    const close = !head.keepAlive || this.#isStopping || !body.canBeDrained;
    await this.#write(response, { close, isHead: head.method === "HEAD" });
    if (close) return false;
    this.#wasAnswered = true;
    await this.#within(HEAD_TIMEOUT, () => body.drain());
    if (this.#isStopping) return false;
    this.#state = "waiting";
    return await this.#within(IDLE_TIMEOUT, () => this.#input.ready());
  }

  async #readHead(): Promise<RequestHead | HttpError | undefined> {
    try {
      const text = await this.#within(HEAD_TIMEOUT, async () => {
        await this.#input.ready();
        this.#state = "reading";
        return await this.#input.head();
      });
      return text === undefined ? undefined : parseRequestHead(text);
    } catch (error) {
      if (error instanceof HttpError) return error;
      throw error;
    }
  }

  async #handle(head: RequestHead, body: Body): Promise<HttpResponse> {
    this.#state = "handling";
    await this.#options.turn();
    const { method, path, query, fields } = head;
    const request: HttpRequest = {
      ...{ method, path, query },
      header: (name) => fields.get(name) ?? "",
      text: (options) => body.text(options),
    };
    try {
      return await this.#options.handler(request);
    } catch (error) {
      return textResponse(error instanceof HttpError ? error.status : 500, describeError(error));
    }
  }

  async #write(
    response: HttpResponse,
    { close, isHead = false }: { readonly close: boolean; readonly isHead?: boolean },
  ): Promise<void> {
    this.#state = "writing";
    const body = typeof response.body === "string" ? encode(response.body) : response.body;
    const options = { length: body.length, close, date: new Date() };
    const head = encode(formatResponseHead(response, options));
    await this.#within(WRITE_TIMEOUT, async () => {
      if (isHead) return await this.#writeAll(head);
      // One small packet is better than two, of which the second may wait for the first.
      const isSmall = body.length <= PIECE;
      await this.#writeAll(isSmall ? joined(head, body) : head);
      if (!isSmall) await this.#writeAll(body);
    });
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      at += await this.#stream.write(bytes.subarray(at, at + PIECE));
      this.#options.moved();
    }
  }

  /**
   * Says that no more will come, and waits a little for the client to hang up: to close at once,
   * with bytes of the client unread, would take back what it has not read yet.
   */
  async #linger(): Promise<void> {
    this.#state = "writing";
    await this.#within(LINGER_TIMEOUT, async () => {
      await this.#stream.closeWrite();
      const waste = new Uint8Array(4096);
      for (let length = 0; length <= LINGER_BYTES;) {
        const count = await this.#stream.read(waste);
        if (count === null) return;
        length += count;
      }
    });
  }

  /** Cuts the connection off, which makes the action reject, if it takes longer than so many milliseconds. */
  async #within<T>(milliseconds: number, action: () => Promise<T>): Promise<T> {
    const timer = startTimer(milliseconds, "close a connection", () => this.close());
    try {
      return await action();
    } finally {
      clearTimeout(timer);
    }
  }
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
