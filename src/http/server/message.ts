/** Requests and responses, as handlers see them. */

/** A request cannot be answered as asked; the message is for the client. */
export class HttpError extends Error {
  override readonly name = "HttpError";

  /** `status`: the one to answer with, 400 to 599. */
  constructor(readonly status: number, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

export interface BodyOptions {
  /** Bytes. A longer body is refused with status 413. */
  readonly limit: number;
  /** Milliseconds for the whole body to arrive, else status 408. */
  readonly timeout: number;
  /** Held from the first byte until the body is a text. */
  readonly budget?: ByteBudget;
}

/** Memory that several bodies share. */
export interface ByteBudget {
  /**
   * Waits until so many bytes are free, and holds them until disposed of. Rejects with an
   * {@link HttpError} (503) if that takes longer than `timeout` milliseconds.
   */
  take(bytes: number, options: { readonly timeout: number }): Promise<Disposable>;
}

export interface HttpRequest {
  /** As sent: methods are case-sensitive and there is no list of them (RFC 9110, section 9.1). */
  readonly method: string;
  /** Starts with a slash, dot segments resolved, percent-encoded; `*` for `OPTIONS *`. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** The field's value, empty if there is none; `name` is in lower case. */
  header(name: string): string;
  /** The body as UTF-8 text, empty if there is none. Call it at most once. Rejects with an {@link HttpError}. */
  text(options: BodyOptions): Promise<string>;
}

export interface HttpResponse {
  readonly status: number;
  /** The media type. */
  readonly type: string;
  readonly body: string | Uint8Array<ArrayBuffer>;
  /** Seconds after which the client may try again. */
  readonly retryAfter?: number;
}

export type Handler = (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;

const TEXT = "text/plain; charset=utf-8";

/** A line of text. */
export function textResponse(status: number, line: string): HttpResponse {
  return { status, type: TEXT, body: `${line}\n` };
}

export function jsonResponse(status: number, value: unknown): HttpResponse {
  return { status, type: "application/json", body: JSON.stringify(value) };
}

/** Status line and fields, up to the empty line (RFC 9112, section 4). `length`: of the body, in bytes. */
export function formatResponseHead(
  { status, type, retryAfter }: HttpResponse,
  { length, close, date }: {
    readonly length: number;
    /** Is this the connection's last response? */
    readonly close: boolean;
    readonly date: Date;
  },
): string {
  const fields = [
    `HTTP/1.1 ${status} ${REASONS[status] ?? ""}`,
    `date: ${date.toUTCString()}`,
    `content-type: ${type}`,
    `content-length: ${length}`,
  ];
  if (retryAfter !== undefined) fields.push(`retry-after: ${retryAfter}`);
  if (close) fields.push("connection: close");
  return `${fields.join("\r\n")}\r\n\r\n`;
}

/** Of the statuses in use here. */
const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  404: "Not Found",
  408: "Request Timeout",
  413: "Content Too Large",
  417: "Expectation Failed",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
  505: "HTTP Version Not Supported",
};
