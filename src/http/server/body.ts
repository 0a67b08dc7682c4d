/** The body of one request, of which nothing is known beforehand, not even that it ends. */

import { deadline } from "../../async/deadline.ts";
import type { Input } from "./input.ts";
import { type BodyOptions, HttpError } from "./message.ts";
import type { RequestHead } from "./request_head.ts";

/** Bytes of a body that takes nothing of a budget: small requests never wait for large ones. */
const FREE = 64 * 1024;

/** Bytes of a body that nobody asked for and that is read, so that the next request can follow. */
const MAX_DRAIN = 64 * 1024;

export class Body {
  readonly #head: RequestHead;
  readonly #input: Input;
  readonly #proceed: () => Promise<void>;
  #state: "untouched" | "begun" | "read" = "untouched";

  /** `proceed` tells a client that waits for it to send the body. */
  constructor(
    head: RequestHead,
    input: Input,
    { proceed }: { readonly proceed: () => Promise<void> },
  ) {
    this.#head = head;
    this.#input = input;
    this.#proceed = proceed;
  }

  /** All of it as UTF-8 text. Rejects with an {@link HttpError}. */
  async text(options: BodyOptions): Promise<string> {
    if (this.#state !== "untouched") throw new Error("a body can be read once");
    this.#state = "begun";
    const stop = new AbortController();
    try {
      const text = await deadline(this.#read(options, stop.signal), {
        milliseconds: options.timeout,
        what: "the body",
        late: ({ message }) => new HttpError(408, message),
      });
      this.#state = "read";
      return text;
    } catch (error) {
      if (error instanceof HttpError) throw error;
      throw new HttpError(400, "the body did not come", { cause: error });
    } finally {
      stop.abort();
    }
  }

  async #read({ limit, timeout, budget }: BodyOptions, stop: AbortSignal): Promise<string> {
    const { body, expectsContinue } = this.#head;
    const expected = body === "chunked" ? limit : body.length;
    if (expected > limit) throw tooLong(limit);
    using _share = expected > FREE ? await budget?.take(expected, { timeout }) : undefined;
    if (expectsContinue && expected > 0) await this.#proceed();
    const decoder = new TextDecoder();
    let text = "", length = 0;
    for await (const piece of this.#input.body(body)) {
      stop.throwIfAborted();
      length += piece.length;
      if (length > limit) throw tooLong(limit);
      text += decoder.decode(piece, { stream: true });
    }
    return text + decoder.decode();
  }

  /** Is it read, or can it be skipped? Else no other request can follow. */
  get canBeDrained(): boolean {
    const { body, expectsContinue } = this.#head;
    if (this.#state !== "untouched") return this.#state === "read";
    return body !== "chunked" && body.length <= (expectsContinue ? 0 : MAX_DRAIN);
  }

  /** Skips what is left of a body that {@link canBeDrained}. */
  async drain(): Promise<void> {
    if (this.#state !== "untouched") return;
    for await (const _ of this.#input.body(this.#head.body));
  }
}

function tooLong(limit: number): HttpError {
  return new HttpError(413, `the body has more than ${limit} bytes`);
}
