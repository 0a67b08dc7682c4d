/** What can go wrong between here and an API server. No message ever holds a token, key or password. */

/** How to reach the API server is not to be had, or cannot be used; names the file and the field. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** There was no whole answer: refused, cut, silent or too slow; says what was asked of whom. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
}

/** Nothing came for long: there may have been nothing to say, or the connection may be dead. */
export class IdleTimeoutError extends ConnectionError {}

/** The credentials of a stream are not those of now: begin it anew, nothing is wrong. */
export class ReplacedError extends ConnectionError {}

/** The API server answered, and the answer is no. */
export class StatusError extends Error {
  override readonly name = "StatusError";
  /** The HTTP status; of an error within a watch, the code in it. */
  readonly code: number;
  /** Milliseconds that the server wants to be left alone. */
  readonly retryAfter: number | undefined;

  constructor(
    message: string,
    { code, retryAfter }: { readonly code: number; readonly retryAfter?: number | undefined },
  ) {
    super(message);
    this.code = code;
    this.retryAfter = retryAfter;
  }

  /** The resource version that was asked for is history: list anew. */
  get isGone(): boolean {
    return this.code === 410;
  }

  get isNotFound(): boolean {
    return this.code === 404;
  }

  /** The server does not know this kind of request. */
  get isUnsupported(): boolean {
    return this.code === 400 || this.code === 422;
  }
}
