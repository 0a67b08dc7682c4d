/**
 * An HTTPS server whose certificate can be renewed without a connection lost. Deno's server keeps
 * the certificate it was started with, and drops handshakes when it is shut down. So what listens
 * to the world only passes bytes on, to a server on the loopback device; a new certificate is a new
 * such server, for the connections from then on.
 */

import {
  type Certificate,
  CertificateError,
  type CertificateFiles,
  readCertificate,
} from "./certificate.ts";
import { listenOn } from "./listen.ts";
import { close, relay } from "./relay.ts";

const LOOPBACK = "127.0.0.1";

/** Connections at a time; at one more the one that was silent for longest is closed. */
const MOST_CONNECTIONS = 256;

/** Milliseconds until another try when no connection can be accepted (no file descriptors left). */
const PAUSE = 100;

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
  readonly #listener: Deno.TcpListener;
  readonly #accepting: Promise<void>;
  readonly #running = new Set<Deno.HttpServer>();
  /** Work on each connection, from its first byte to its last. */
  readonly #passing = new Set<Promise<void>>();
  /** The one that was silent for longest first. */
  readonly #connections = new Set<Deno.TcpConn>();
  #current: Backstage;
  #renewing: Promise<void> | undefined;
  /** Told of last, empty if all is well. */
  #problem = "";

  private constructor(listener: Deno.TcpListener, certificate: Certificate, options: HttpsOptions) {
    this.#options = options;
    this.#listener = listener;
    this.#current = this.#start(certificate);
    this.#accepting = this.#accept();
  }

  /** Rejects if it cannot listen there, or with a {@link CertificateError}. */
  static async open(address: string, options: HttpsOptions): Promise<HttpsServer> {
    const certificate = await readCertificate(options);
    const listener = listenOn(address, (where) => Deno.listen(where));
    try {
      return new HttpsServer(listener, certificate, options);
    } catch (error) {
      listener.close();
      throw error;
    }
  }

  /** Where it listens: of port 0 the one that it got. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /** Takes no more connections; requests that are there may end, within so many milliseconds. */
  async stop(patience: number): Promise<void> {
    this.#listener.close();
    await atMost(patience, this.#drain());
    for (const connection of this.#connections) close(connection);
    await this.#accepting;
  }

  /** Ends all servers, and when they have nothing more to say their connections too. */
  async #drain(): Promise<void> {
    await Promise.allSettled([...this.#running].map((server) => server.shutdown()));
    await atMost(LINGER, Promise.all(this.#passing));
  }

  async #accept(): Promise<void> {
    for (;;) {
      try {
        const passing = this.#passOn(await this.#listener.accept());
        this.#passing.add(passing);
        passing.finally(() => this.#passing.delete(passing));
      } catch (error) {
        if (error instanceof Deno.errors.BadResource) return; // closed
        if (error instanceof Deno.errors.Interrupted) return;
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
      }
    }
  }

  async #passOn(connection: Deno.TcpConn): Promise<void> {
    this.#heard(connection);
    await (this.#renewing ??= this.#renew().finally(() => this.#renewing = undefined));
    const backstage = this.#current;
    backstage.connections++;
    try {
      const { port } = backstage.server.addr;
      const inner = await Deno.connect({ hostname: LOOPBACK, port });
      await relay(connection, inner, () => this.#heard(connection));
    } catch {
      close(connection); // no file descriptors left: the client shall try again
    }
    this.#connections.delete(connection);
    backstage.connections--;
    this.#retire(backstage);
  }

  /** The connection is new, or has said something. */
  #heard(connection: Deno.TcpConn): void {
    this.#connections.delete(connection);
    this.#connections.add(connection);
    if (this.#connections.size <= MOST_CONNECTIONS) return;
    const oldest = this.#connections.values().next().value!;
    this.#connections.delete(oldest);
    close(oldest);
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
    if (this.#running.has(server)) server.shutdown();
  }
}

/** Waits for it, but no longer than so many milliseconds. */
async function atMost(milliseconds: number, event: Promise<unknown>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  await Promise.race([event, late]);
  clearTimeout(timer);
}
