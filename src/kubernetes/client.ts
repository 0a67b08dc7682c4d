/** Requests to an API server, with answers as JSON or as a stream. */

import { deadline, DeadlineError } from "../async/deadline.ts";
import { explainPeerFault } from "../tls/peer_fault.ts";
import { readJSON, readRefusal } from "./body.ts";
import type { ClientConfig } from "./config.ts";
import { ConnectionError, StatusError } from "./error.ts";
import type { Representation, Status } from "./object.ts";
import { link, unlessAborted } from "./link.ts";
import { parseRetryAfter } from "./retry_after.ts";
import { type Session, Transport, type TransportOptions } from "./transport.ts";

/** Milliseconds for a whole answer, or the beginning of a stream. */
const REQUEST_TIMEOUT = 10_000;

const ACCEPT: Readonly<Record<Representation | "metadata-list", string>> = {
  "full": "application/json",
  "metadata": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
  "metadata-list":
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
};

/** Strategic merging knows the lists of built-in kinds; custom resources take only `merge`. */
export type PatchType = "merge" | "strategic-merge";

export type Query = Readonly<Record<string, string | number | undefined>>;

export interface RequestOptions {
  readonly query?: Query;
  readonly accept?: keyof typeof ACCEPT;
  readonly signal?: AbortSignal | undefined;
}

/** The body as it comes, and the credentials it was asked for with. */
export interface Stream {
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly session: Session;
}

/**
 * Throws {@link StatusError} where the server says no, else {@link ConnectionError}. Tries once, and
 * a second time where the server does not know us (401) and there are other credentials by now.
 */
export class Client implements Disposable {
  readonly #server: URL;
  readonly #hasAuthority: boolean;
  readonly #transport: Transport;

  private constructor({ server, ca }: ClientConfig, transport: Transport) {
    this.#server = server;
    this.#hasAuthority = ca !== undefined;
    this.#transport = transport;
  }

  /** Reads certificates and keys, and throws {@link ConfigError} if they are no good. Asks nobody yet. */
  static async open(config: ClientConfig, options: TransportOptions = {}): Promise<Client> {
    return new Client(config, await Transport.open(config, options));
  }

  /** Whom it connects to, the server or a proxy: a name, or an address without brackets. */
  get host(): string {
    return this.#transport.host;
  }

  get<T>(path: string, options: RequestOptions = {}): Promise<T> {
    return this.#send({ ...options, method: "GET", path }, (response) => readJSON<T>(response));
  }

  /** Answers the object as it is now. */
  patch<T>(
    path: string,
    patch: { readonly type: PatchType; readonly body: unknown },
    options: RequestOptions = {},
  ): Promise<T> {
    const contentType = `application/${patch.type}-patch+json`;
    const content = { contentType, body: JSON.stringify(patch.body) };
    return this.#send(
      { ...options, ...content, method: "PATCH", path },
      (response) => readJSON<T>(response),
    );
  }

  /**
   * The body as it comes, for as long as it comes; `ending` ends it. Errors on the way are for who
   * reads it; {@link describe} says what was asked.
   */
  stream(
    path: string,
    options: Omit<RequestOptions, "signal"> & { readonly ending: AbortController },
  ): Promise<Stream> {
    return this.#send(
      { ...options, method: "GET", path },
      ({ body }, session) => Promise.resolve({ body: body ?? new Blob([]).stream(), session }),
    );
  }

  /** What is asked of whom, for messages. */
  describe(method: string, path: string): string {
    return `${method} ${this.#server.origin}${path}`;
  }

  [Symbol.dispose](): void {
    this.#transport[Symbol.dispose]();
  }

  /** A message without any token or password in it, whoever wrote it. */
  redact(message: string): string {
    return this.#transport.redact(message);
  }

  async #send<T>(request: Request, read: Reader<T>): Promise<T> {
    const { signal, ending = new AbortController() } = request;
    using _link = link(signal, ending);
    const session = (options?: { readonly refused: Session }) =>
      unlessAborted(this.#transport.session(options), ending.signal);
    const first = await session();
    try {
      return await this.#attempt(request, { session: first, ending, read });
    } catch (error) {
      if (!(error instanceof StatusError && error.code === 401)) throw error;
      const next = await session({ refused: first });
      if (next === first) throw error;
      return await this.#attempt(request, { session: next, ending, read });
    }
  }

  async #attempt<T>(
    request: Request,
    { session, ending, read }: {
      readonly session: Session;
      readonly ending: AbortController;
      readonly read: Reader<T>;
    },
  ): Promise<T> {
    const what = this.describe(request.method, request.path);
    const answer = async () => {
      const response = await this.#fetch(request, session, ending.signal);
      if (response.ok) return await read(response, session);
      throw await this.#statusError(response, what);
    };
    try {
      const answered = unlessAborted(answer(), ending.signal);
      return await deadline(answered, { milliseconds: REQUEST_TIMEOUT, what });
    } catch (error) {
      if (error instanceof StatusError) throw error;
      const isLate = error instanceof DeadlineError;
      if (isLate) ending.abort();
      this.#transport.reconnect();
      const message = isLate ? `${what}: no answer within ${REQUEST_TIMEOUT / 1000} s` : what;
      throw new ConnectionError(message, isLate ? {} : { cause: this.#explain(error) });
    }
  }

  async #fetch(
    { method, path, query = {}, accept = "full", contentType, body }: Request,
    { http, authorization }: Session,
    signal: AbortSignal,
  ): Promise<Response> {
    return await fetch(this.#url(path, query), {
      method,
      headers: {
        accept: ACCEPT[accept],
        ...contentType !== undefined && { "content-type": contentType },
        ...authorization !== undefined && { authorization },
      },
      ...body !== undefined && { body },
      redirect: "manual", // the token is for this server only
      signal,
      client: http,
    });
  }

  async #statusError(response: Response, what: string): Promise<StatusError> {
    const { status, statusText, headers } = response;
    const words = wordsOf(await readRefusal(response).catch(() => "")) ?? statusText;
    return new StatusError(`${what}: ${status} ${this.redact(words)}`, {
      code: status,
      retryAfter: parseRetryAfter(headers.get("retry-after"), Date.now()),
    });
  }

  /** What went wrong on the way, without the URL that Deno repeats, and its query. */
  #explain(error: unknown): unknown {
    if (!(error instanceof TypeError)) return error;
    const message = error.message.replace(/^error sending request for url \(.*?\): /, "");
    const trust = { server: this.#server.origin, hasAuthority: this.#hasAuthority };
    return new Error(explainPeerFault(message, trust) ?? this.redact(message));
  }

  #url(path: string, query: Query): URL {
    const url = new URL(`.${path}`, this.#server);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    return url;
  }
}

type Reader<T> = (response: Response, session: Session) => Promise<T>;

interface Request extends RequestOptions {
  readonly method: "GET" | "PATCH";
  readonly path: string;
  readonly contentType?: string;
  readonly body?: string;
  readonly ending?: AbortController;
}

/** The message of a Status; of a proxy's page nothing. */
function wordsOf(text: string): string | undefined {
  try {
    const { kind, message, reason } = JSON.parse(text) as Partial<Status>;
    return kind === "Status" ? [reason, message].filter(Boolean).join(": ") : undefined;
  } catch {
    return undefined;
  }
}
