/** The connections to an API server, and who we are on them. */

import { type Authorization, type ClientConfig, readMaterial } from "./config.ts";
import { ConfigError } from "./error.ts";
import { checkCertificates, checkPrivateKey } from "./pem.ts";

/**
 * Connections are kept for the next request. {@link renew} starts with new ones: those of before
 * may be dead without a sign of it, and certificates may have been replaced.
 */
export class Transport implements Disposable {
  readonly #config: ClientConfig;
  #http: Deno.HttpClient;
  #closed = false;

  private constructor(config: ClientConfig, http: Deno.HttpClient) {
    this.#config = config;
    this.#http = http;
  }

  /** Throws {@link ConfigError}. */
  static async open(config: ClientConfig): Promise<Transport> {
    return new Transport(config, await makeHttpClient(config));
  }

  /** What `fetch` takes. */
  get http(): Deno.HttpClient {
    return this.#http;
  }

  /** New connections with the certificates of now; where those cannot be used, with the last ones. */
  async renew(): Promise<void> {
    let next: Deno.HttpClient;
    try {
      next = await makeHttpClient(this.#config);
    } catch (error) {
      if (error instanceof ConfigError) return; // half-replaced files, perhaps
      throw error;
    }
    if (this.#closed) return next.close();
    this.#http.close();
    this.#http = next;
  }

  /** The value of the header; read for each request, since a token in a file is replaced now and then. */
  authorization(): Promise<string | undefined> {
    return authorize(this.#config.authorization);
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#http.close();
  }
}

async function makeHttpClient(config: ClientConfig): Promise<Deno.HttpClient> {
  const { ca, identity, proxy } = config;
  const trusted = ca && await readMaterial(ca, "the certificate authority");
  if (trusted !== undefined) checkCertificates(trusted, nameOf("the certificate authority", ca!));
  const options: Deno.CreateHttpClientOptions = {
    http2: false, // after its connections were cut, requests over HTTP/2 hang
    ...trusted !== undefined && { caCerts: [trusted] },
    ...proxy !== undefined && { proxy: { url: proxy } },
  };
  if (!identity) return Deno.createHttpClient(options);
  const cert = await readMaterial(identity.certificate, "the client certificate");
  const key = await readMaterial(identity.key, "the client key");
  checkCertificates(cert, nameOf("the client certificate", identity.certificate));
  checkPrivateKey(key, nameOf("the client key", identity.key));
  try {
    return Deno.createHttpClient({ ...options, cert, key });
  } catch {
    // Its message is not passed on: nobody knows how much of the key is in it.
    throw new ConfigError("the client certificate and key cannot be used together");
  }
}

function nameOf(what: string, material: { text: string } | { path: string } | object): string {
  return "path" in material ? `${what} in ${material.path}` : what;
}

async function authorize(authorization: Authorization | undefined): Promise<string | undefined> {
  if (!authorization) return undefined;
  if ("username" in authorization) {
    const { username, password } = authorization;
    return `Basic ${new TextEncoder().encode(`${username}:${password}`).toBase64()}`;
  }
  return `Bearer ${await currentToken(authorization)}`;
}

async function currentToken({ token, tokenFile }: { token?: string; tokenFile?: string }) {
  if (tokenFile === undefined) return token;
  try {
    const text = (await Deno.readTextFile(tokenFile)).trim();
    if (text !== "") return text;
  } catch (cause) {
    if (token === undefined) {
      throw new ConfigError(`the token in ${tokenFile} cannot be read`, { cause });
    }
  }
  if (token === undefined) throw new ConfigError(`the token file ${tokenFile} is empty`);
  return token;
}
