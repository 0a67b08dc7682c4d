/**
 * TLS on connections that are accepted already, with a certificate that can be renewed between any
 * two of them. Deno makes TLS only of what a listener of its own accepts, with the certificate that
 * this was opened with. So each connection gets a listener on the loopback device, for the moment
 * that it takes to pass it on there, byte by byte; TLS is spoken over the other end.
 */

import { inBackground } from "../../async/background.ts";
import { Mutex } from "../../async/mutex.ts";
import {
  type Certificate,
  CertificateError,
  type CertificateFiles,
  readCertificate,
} from "./certificate.ts";
import { closeQuietly, relay } from "./relay.ts";
import type { Stream } from "./socket.ts";

const LOOPBACK = "127.0.0.1";

export interface TlsOptions extends CertificateFiles {
  /** The files have changed: new connections have the new certificate, or what is wrong with it. */
  readonly renewed: (problem: CertificateError | undefined) => void;
}

export class Tls {
  readonly #options: TlsOptions;
  /** The last one that could be used. */
  #certificate: Certificate;
  /** Certificates are read one at a time. */
  readonly #mutex = new Mutex();
  /** Reported last, empty if all is well. */
  #problem = "";

  private constructor(certificate: Certificate, options: TlsOptions) {
    this.#options = options;
    this.#certificate = certificate;
  }

  /** Rejects with a {@link CertificateError}. */
  static async open(options: TlsOptions): Promise<Tls> {
    const certificate = await readCertificate(options);
    listen(certificate, options).close();
    return new Tls(certificate, options);
  }

  /**
   * The connection with TLS, of which the handshake begins at once. Whoever closes it closes the
   * connection before.
   */
  async secure(connection: Stream): Promise<Stream> {
    await this.#mutex.run(() => this.#renew());
    const secured = await this.#passOn(connection);
    return {
      read: (buffer) => secured.read(buffer),
      write: (bytes) => secured.write(bytes),
      closeWrite: () => secured.closeWrite(),
      close: () => inBackground("end TLS", () => drain(secured)),
    };
  }

  async #passOn(outer: Stream): Promise<Deno.TlsConn> {
    using listener = listen(this.#certificate, this.#options);
    const inner = await Deno.connect({ hostname: LOOPBACK, port: listener.addr.port });
    try {
      const secured = await listener.accept();
      if (secured.remoteAddr.port !== inner.localAddr.port) {
        secured.close();
        throw new Error("somebody else was connected to the listener");
      }
      inner.setNoDelay();
      inBackground("pass on what a client sends", () => relay(outer, inner));
      return secured;
    } catch (error) {
      inner.close();
      throw error;
    }
  }

  /** Takes over what the files hold now, if it can be used. */
  async #renew(): Promise<void> {
    try {
      const certificate = await readCertificate(this.#options, this.#certificate);
      if (certificate !== this.#certificate) {
        this.#certificate = certificate;
        this.#options.renewed(undefined);
      }
      this.#problem = "";
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error;
      if (error.message !== this.#problem) this.#options.renewed(error);
      this.#problem = error.message;
    }
  }
}

function listen(certificate: Certificate, files: CertificateFiles): Deno.TlsListener {
  try {
    return Deno.listenTls({ hostname: LOOPBACK, port: 0, ...certificate });
  } catch (error) {
    throw new CertificateError(files, error);
  }
}

/**
 * Reads until the relay has ended, which may wait for just that, and closes then. Closed at once, it
 * could hold a write that waits for the relay.
 */
async function drain(connection: Deno.TlsConn): Promise<void> {
  const waste = new Uint8Array(4096);
  while (await connection.read(waste).catch(() => null) !== null);
  closeQuietly(connection);
}
