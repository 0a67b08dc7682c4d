/** Requests to an API server, with answers as JSON or as a stream. */

import { onAbort, startTimer } from "../async/background.ts";
import type { ClientConfig } from "./config.ts";
import { ConfigError, ConnectionError, StatusError } from "./error.ts";
import type { Representation, Status } from "./object.ts";
import { link } from "./link.ts";
import { Transport } from "./transport.ts";

/** Milliseconds for a whole answer, or the beginning of a stream. */
const PATIENCE = 10_000;

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

/** Throws {@link StatusError} where the server says no, else {@link ConnectionError}; tries once. */
export class Client implements Disposable {
  readonly #server: URL;
  readonly #transport: Transport;

  private constructor(server: URL, transport: Transport) {
    this.#server = server;
    this.#transport = transport;
  }

  /** Reads certificates and keys, and throws {@link ConfigError} if they are no good. Asks nobody yet. */
  static async open(config: ClientConfig): Promise<Client> {
    return new Client(config.server, await Transport.open(config));
  }

  get<T>(path: string, options: RequestOptions = {}): Promise<T> {
    return this.#send({ ...options, method: "GET", path }, (response) => response.json());
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
      (response) => response.json(),
    );
  }

  /**
   * The body as it comes, for as long as it comes; `ending` ends it. Errors on the way are for who
   * reads it; {@link describe} says what was asked.
   */
  stream(
    path: string,
    options: Omit<RequestOptions, "signal"> & { readonly ending: AbortController },
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    return this.#send(
      { ...options, method: "GET", path },
      (response) => Promise.resolve(response.body ?? new Blob([]).stream()),
    );
  }

  /** What is asked of whom, for messages. */
  describe(method: string, path: string): string {
    return `${method} ${this.#server.origin}${path}`;
  }

  [Symbol.dispose](): void {
    this.#transport[Symbol.dispose]();
  }

  async #send<T>(request: Request, read: (response: Response) => Promise<T>): Promise<T> {
    const { method, path, signal, ending = new AbortController() } = request;
    const what = this.describe(method, path);
    let isLate = false;
    const timer = startTimer(PATIENCE, "give a request up", () => {
      isLate = true;
      ending.abort();
    });
    using _link = link(signal, ending);
    try {
      const response = await this.#fetch(request, ending.signal);
      const answer = response.ok ? read(response) : rejected(statusError(response, what));
      return await Promise.race([answer, aborted(ending.signal)]);
    } catch (error) {
      if (error instanceof StatusError || error instanceof ConfigError) throw error;
      await this.#transport.renew();
      const message = isLate ? `${what}: no answer within ${PATIENCE / 1000} s` : what;
      throw new ConnectionError(message, isLate ? {} : { cause: withoutURL(error) });
    } finally {
      clearTimeout(timer);
    }
  }

  async #fetch(request: Request, signal: AbortSignal): Promise<Response> {
    const { method, path, query = {}, accept = "full", contentType, body } = request;
    const authorization = await this.#transport.authorization();
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
      client: this.#transport.http,
    });
  }

  #url(path: string, query: Query): URL {
    const url = new URL(`.${path}`, this.#server);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    return url;
  }
}

interface Request extends RequestOptions {
  readonly method: "GET" | "PATCH";
  readonly path: string;
  readonly contentType?: string;
  readonly body?: string;
  readonly ending?: AbortController;
}

/** Rejects when the signal is aborted, whether the body that is being read hears of it or not. */
function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  onAbort(signal, "give a request up", () => reject(signal.reason));
  return promise;
}

async function rejected(error: Promise<Error>): Promise<never> {
  throw await error;
}

async function statusError(response: Response, what: string): Promise<StatusError> {
  const text = await response.text().catch(() => "");
  const seconds = Number(response.headers.get("retry-after") ?? NaN);
  return new StatusError(`${what}: ${response.status} ${wordsOf(text) ?? response.statusText}`, {
    code: response.status,
    retryAfter: seconds > 0 ? seconds * 1000 : undefined,
  });
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

/** Deno repeats the URL with its query before the reason. */
function withoutURL(error: unknown): unknown {
  if (!(error instanceof TypeError)) return error;
  return new Error(error.message.replace(/^error sending request for url \(.*?\): /, ""));
}
