/**
 * A reverse proxy in front of the API server, for what a healthy server cannot be brought to do:
 * cut streams, silence, refusals. What is not spoiled passes unchanged.
 */

import { sleep } from "../../src/async/sleep.ts";
import { inNetworkOf } from "../lab/network.ts";
import type { ApiServer } from "./api_server.ts";

type Chunk = Uint8Array<ArrayBuffer>;

export class Gateway implements AsyncDisposable {
  readonly #target: ApiServer;
  readonly #http: Deno.HttpClient;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #streams = new Set<TransformStreamDefaultController<Uint8Array<ArrayBuffer>>>();
  readonly #ending = new AbortController();
  /** Every request that came: `GET /api/v1/nodes?limit=1`. */
  readonly requests: string[] = [];
  /** The Authorization of each of them. */
  readonly authorizations: (string | null)[] = [];
  /** Answers instead of the API server; undefined: it may answer. */
  fault: (request: URL, body: string) => Response | undefined = () => undefined;
  /** Milliseconds by which all that watches bring is late. */
  lag = 0;
  /** As {@link fault}, for every request, and perhaps after a time. */
  spoil: (() => Response | Promise<Response>) | undefined;
  /** Swallows all that watches would bring. */
  isSilent = false;
  /** How often there was something to swallow. */
  swallowed = 0;

  private constructor(
    target: ApiServer,
    { pid, port, hostname, cert, key, http }: {
      pid: number | undefined;
      port: number;
      hostname: string;
      cert: string;
      key: string;
      http: Deno.HttpClient;
    },
  ) {
    this.#target = target;
    this.#http = http;
    const options = { hostname, port, cert, key, onListen: () => {}, onError: () => bad() };
    const serve = () => Deno.serve(options, (request) => this.#pass(request));
    this.#server = pid === undefined ? serve() : inNetworkOf(pid, serve);
  }

  /** Listens at an address; with `pid` in the network namespace that this process lives in. */
  static async open(
    target: ApiServer,
    { pid, hostname = "127.0.0.1", port = 0 }: {
      readonly pid?: number;
      readonly hostname?: string;
      readonly port?: number;
    } = {},
  ): Promise<Gateway> {
    const read = (name: string) => Deno.readTextFile(`${target.directory}/${name}`);
    const caCerts = [await read("ca.crt")];
    return new Gateway(target, {
      pid,
      port,
      hostname,
      cert: await read("server.crt"),
      key: await read("server.key"),
      http: Deno.createHttpClient({ caCerts, http2: false }),
    });
  }

  get url(): string {
    const { hostname, port } = this.#server.addr;
    return hostname.includes(":") ? `https://[${hostname}]:${port}` : `https://${hostname}:${port}`;
  }

  /** Breaks all watches that are under way. */
  cut(): void {
    for (const stream of this.#streams) stream.error(new Error("cut"));
    this.#streams.clear();
  }

  /** The requests that match. */
  count(pattern: RegExp): number {
    return this.requests.filter((request) => pattern.test(request)).length;
  }

  async #pass(request: Request): Promise<Response> {
    const url = new URL(request.url);
    this.requests.push(`${request.method} ${url.pathname}${url.search}`);
    this.authorizations.push(request.headers.get("authorization"));
    const body = request.method === "GET" ? null : await request.text();
    const spoiled = this.fault(url, body ?? "");
    if (spoiled) return spoiled;
    if (this.spoil) return await this.spoil();
    const headers = new Headers(request.headers);
    headers.set("accept-encoding", "identity");
    headers.delete("host");
    const answer = await fetch(this.#target.url + url.pathname + url.search, {
      method: request.method,
      headers,
      body,
      client: this.#http,
      signal: AbortSignal.any([request.signal, this.#ending.signal]),
    });
    const isWatch = url.searchParams.has("watch");
    return new Response(isWatch ? answer.body && this.#follow(answer.body) : answer.body, {
      status: answer.status,
      headers: answer.headers,
    });
  }

  #follow(body: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStream<Uint8Array<ArrayBuffer>> {
    let stream: TransformStreamDefaultController<Uint8Array<ArrayBuffer>>;
    const stamped = new TransformStream<Chunk, readonly [number, Chunk]>(
      {
        transform: (chunk, controller) => controller.enqueue([performance.now(), chunk]),
      },
      undefined,
      { highWaterMark: 10_000 },
    );
    return body.pipeThrough(stamped).pipeThrough(
      new TransformStream<readonly [number, Chunk], Chunk>({
        start: (controller) => void this.#streams.add(stream = controller),
        transform: async ([came, chunk], controller) => {
          if (this.isSilent) return void this.swallowed++;
          const rest = came + this.lag - performance.now();
          if (rest > 0) await sleep(rest, { signal: this.#ending.signal });
          controller.enqueue(chunk);
        },
        flush: () => void this.#streams.delete(stream),
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#ending.abort();
    this.#http.close();
    await this.#server.shutdown();
  }
}

function bad(): Response {
  return new Response("the API server is away", { status: 502 });
}
