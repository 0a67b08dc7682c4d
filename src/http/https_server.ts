/**
 * An HTTPS server whose certificate can be renewed without a connection lost. Deno's server keeps
 * the certificate it was started with, and drops handshakes when it is shut down. So a new
 * certificate is a new server behind the {@link Front}, for the connections from then on.
 */

import { inBackground } from "../async/background.ts";
import { sleep } from "../async/sleep.ts";
import {
  type Certificate,
  CertificateError,
  type CertificateFiles,
  readCertificate,
} from "./certificate.ts";
import { Front, LOOPBACK, type Route } from "./front.ts";

/** Connections at a time. */
const MOST_CONNECTIONS = 256;

/** Milliseconds that clients get to see that a server has ended. */
const LINGER = 200;

export interface HttpsOptions extends CertificateFiles {
  readonly handler: (request: Request) => Response | Promise<Response>;
  /** The files have changed: new connections have the new certificate, or what is wrong with it. */
  readonly renewed: (problem: CertificateError | undefined) => void;
}

/** A server with one certificate. */
interface Backstage {
  readonly certificate: Certificate;
  readonly server: Deno.HttpServer<Deno.NetAddr>;
  /** That were passed on to it and are open. */
  connections: number;
}

export class HttpsServer {
  readonly #options: HttpsOptions;
  readonly #front: Front;
  readonly #running = new Set<Deno.HttpServer>();
  #current: Backstage;
  #renewing: Promise<void> | undefined;
  /** Told of last, empty if all is well. */
  #problem = "";

  private constructor(address: string, certificate: Certificate, options: HttpsOptions) {
    this.#options = options;
    this.#current = this.#start(certificate);
    try {
      this.#front = new Front(address, { most: MOST_CONNECTIONS, route: () => this.#route() });
    } catch (error) {
      shutDown(this.#current.server);
      throw error;
    }
  }

  /** Rejects if it cannot listen there, or with a {@link CertificateError}. */
  static async open(address: string, options: HttpsOptions): Promise<HttpsServer> {
    return new HttpsServer(address, await readCertificate(options), options);
  }

  /** Where it listens: of port 0 the one that it got. */
  get port(): number {
    return this.#front.port;
  }

  /** Takes no more connections; requests that are there may end, within so many milliseconds. */
  async stop(patience: number): Promise<void> {
    using front = this.#front;
    front.close();
    await atMost(patience, this.#drain());
  }

  /** Ends all servers, and when they have nothing more to say their connections too. */
  async #drain(): Promise<void> {
    await Promise.allSettled([...this.#running].map((server) => server.shutdown()));
    await atMost(LINGER, this.#front.ended());
  }

  async #route(): Promise<Route> {
    await (this.#renewing ??= this.#renew().finally(() => this.#renewing = undefined));
    const backstage = this.#current;
    backstage.connections++;
    return {
      port: backstage.server.addr.port,
      [Symbol.dispose]: () => {
        backstage.connections--;
        this.#retire(backstage);
      },
    };
  }

  /** Sees to it that there is a server, with the certificate of now. */
  async #renew(): Promise<void> {
    try {
      const certificate = await readCertificate(this.#options);
      const before = this.#current;
      const { cert, key } = before.certificate;
      const isNew = certificate.cert !== cert || certificate.key !== key;
      if (isNew || !this.#running.has(before.server)) {
        this.#current = this.#start(certificate);
        this.#retire(before);
      }
      if (isNew) this.#options.renewed(undefined);
      this.#problem = "";
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error;
      if (error.message !== this.#problem) this.#options.renewed(error);
      this.#problem = error.message;
    }
  }

  #start(certificate: Certificate): Backstage {
    const { handler } = this.#options;
    const options = { hostname: LOOPBACK, port: 0, onListen() {} };
    try {
      const server = Deno.serve({ ...options, ...certificate }, handler);
      this.#running.add(server);
      const ended = () => void this.#running.delete(server);
      server.finished.then(ended, ended); // it fails where no file descriptors are left
      return { certificate, server, connections: 0 };
    } catch (error) {
      throw new CertificateError(this.#options, error);
    }
  }

  /** Ends a server that will get no more connections and has none left. */
  #retire({ server, connections }: Backstage): void {
    if (server === this.#current.server || connections > 0) return;
    if (this.#running.has(server)) shutDown(server);
  }
}

/** Waits for it, but no longer than so many milliseconds. */
async function atMost(milliseconds: number, event: Promise<unknown>): Promise<void> {
  const ending = new AbortController();
  await Promise.race([event, sleep(milliseconds, { signal: ending.signal })]).finally(() =>
    ending.abort()
  );
}

function shutDown(server: Deno.HttpServer): void {
  inBackground("shut a server down", () => server.shutdown());
}
