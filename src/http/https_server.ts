/** An HTTPS server whose certificate can be renewed without a connection lost. */

import { limitsFor } from "./server/clients.ts";
import type { Secure } from "./server/connection.ts";
import type { Handler } from "./server/message.ts";
import { HttpServer } from "./server/server.ts";
import { Tls, type TlsOptions } from "./server/tls.ts";

/** Descriptors of a connection: its own, and both ends of the one that TLS is made of. */
const DESCRIPTORS_EACH = 3;

export interface HttpsOptions extends TlsOptions {
  readonly handler: Handler;
  /** How many the process may have. */
  readonly descriptors: number;
}

export class HttpsServer {
  readonly #server: HttpServer;

  private constructor(address: string, tls: Tls, { handler, descriptors }: HttpsOptions) {
    const secure: Secure = (socket) => tls.secure(socket);
    const limits = limitsFor(descriptors, { each: DESCRIPTORS_EACH });
    this.#server = new HttpServer(address, { handler, secure, limits });
  }

  /** Rejects if it cannot listen there, or with a {@link CertificateError}. */
  static async open(address: string, options: HttpsOptions): Promise<HttpsServer> {
    return new HttpsServer(address, await Tls.open(options), options);
  }

  /** Where it listens: of port 0 the one that it got. */
  get port(): number {
    return this.#server.port;
  }

  /** Takes no more connections; requests that are there may end, within so many milliseconds. */
  async stop(timeout: number): Promise<void> {
    await this.#server.stop(timeout);
  }
}
