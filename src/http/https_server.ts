/** An HTTPS server whose certificate can be renewed without a connection lost. */

import type { ClientLimits } from "./server/clients.ts";
import type { Secure } from "./server/connection.ts";
import type { Handler } from "./server/message.ts";
import { HttpServer } from "./server/server.ts";
import { Tls, type TlsOptions } from "./server/tls.ts";

/** Those who ask come from other machines. */
const LIMITS: ClientLimits = { total: 256, reserved: 0 };

export interface HttpsOptions extends TlsOptions {
  readonly handler: Handler;
}

export class HttpsServer {
  readonly #server: HttpServer;

  private constructor(address: string, tls: Tls, handler: Handler) {
    const secure: Secure = (socket) => tls.secure(socket);
    this.#server = new HttpServer(address, { handler, secure, limits: LIMITS });
  }

  /** Rejects if it cannot listen there, or with a {@link CertificateError}. */
  static async open(address: string, options: HttpsOptions): Promise<HttpsServer> {
    return new HttpsServer(address, await Tls.open(options), options.handler);
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
