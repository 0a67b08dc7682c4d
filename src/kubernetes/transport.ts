/** The connections to an API server, and who we are on them. */

import { describeError } from "../net/text.ts";
import { sleep } from "../async/sleep.ts";
import { type ClientConfig, shown } from "./config.ts";
import {
  type Credentials,
  equalCertificates,
  equalCredentials,
  readCredentials,
} from "./credentials.ts";
import { ConfigError } from "./error.ts";
import type { ExecCredentials, ExecPlugin } from "./exec.ts";
import { isLoopback, proxyFor, takeProxies } from "./proxy.ts";

/** Milliseconds for which what was read of files counts as what they hold. */
const READ_INTERVAL = 1000;

/** Milliseconds that a request waits for files; a file system may hang. */
const READ_TIMEOUT = 3000;

/** Milliseconds before a plugin's credentials expire at which it is asked for new ones. */
const EXPIRY_MARGIN = 10_000;

export interface TransportOptions {
  /** Reads the configuration again; absent: it never changes. */
  readonly reload?: () => Promise<ClientConfig>;
  /** Without one, a configuration with a credential plugin is a {@link ConfigError}. */
  readonly plugin?: ExecPlugin | undefined;
  /** What is not as it should be with configuration and credentials; called when that changes. */
  readonly report?: (faults: readonly string[]) => void;
}

/** What a request is made with. */
export interface Session {
  /** What `fetch` takes. */
  readonly http: Deno.HttpClient;
  /** The value of the header. */
  readonly authorization: string | undefined;
  /** Aborted when other credentials take the place of these. */
  readonly replaced: AbortSignal;
}

/**
 * Connections are kept for the next request. Files and the kubeconfig itself are read again when
 * they may have changed; what cannot be used is reported, and what worked stays in use.
 */
export class Transport implements Disposable {
  readonly #options: TransportOptions;
  #config: ClientConfig;
  #credentials: Credentials;
  #plugin: ExecCredentials | undefined;
  #http: Deno.HttpClient;
  #replaced = new AbortController();
  #session: Session;
  #readAt = performance.now();
  #reading: Promise<void> | undefined;
  #reported = "";
  #closed = false;

  private constructor(
    config: ClientConfig,
    options: TransportOptions,
    { credentials, plugin, http }: {
      credentials: Credentials;
      plugin: ExecCredentials | undefined;
      http: Deno.HttpClient;
    },
  ) {
    this.#config = config;
    this.#options = options;
    this.#credentials = credentials;
    this.#plugin = plugin;
    this.#http = http;
    this.#session = this.#newSession();
    this.#report([]);
  }

  /** Throws {@link ConfigError}. */
  static async open(config: ClientConfig, options: TransportOptions): Promise<Transport> {
    const plugin = await askPlugin(config, options);
    const { credentials } = await readCredentials(config, { plugin });
    const http = makeHttpClient(config, credentials);
    return new Transport(config, options, { credentials, plugin, http });
  }

  /** Whom it connects to, the server or a proxy: a name, or an address without brackets. */
  get host(): string {
    const proxy = proxyOf(this.#config);
    const { hostname } = proxy && "url" in proxy ? new URL(proxy.url) : this.#config.server;
    return hostname.replace(/^\[(.*)\]$/, "$1");
  }

  /**
   * What to make a request with. `refused`: with this one the server does not know us, so everything
   * is read again, and the answer is another session only if that helped.
   */
  async session({ refused }: { readonly refused?: Session } = {}): Promise<Session> {
    if (refused && refused !== this.#session) return this.#session;
    const isDue = performance.now() - this.#readAt > READ_INTERVAL || this.#isExpired();
    if (!refused && !isDue) return this.#session;
    if (refused) {
      await this.#atMost(this.#reading);
      if (refused !== this.#session) return this.#session; // another request had it read again
    }
    this.#reading ??= this.#read({ isRefused: refused !== undefined })
      .finally(() => this.#reading = undefined);
    await this.#atMost(this.#reading);
    return this.#session;
  }

  /** New connections: those of before may be dead without a sign of it. */
  reconnect(): void {
    if (this.#closed) return;
    this.#connect(makeHttpClient(this.#config, this.#credentials));
    this.#session = this.#newSession();
  }

  /** A message without any token or password in it, whoever wrote it. */
  redact(message: string): string {
    const proxy = userOf(this.#config.proxy ?? "")?.password;
    const secrets = [...this.#credentials.secrets, ...proxy ? [proxy] : []];
    return secrets.reduce((text, secret) => text.replaceAll(secret, "…"), message);
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#http.close();
  }

  /** Files are not waited for longer than this: what was read before is used. A plugin is. */
  async #atMost(reading: Promise<void> | undefined): Promise<void> {
    if (!reading) return;
    if (this.#config.exec) return await reading;
    const late = new AbortController();
    const timeout = sleep(READ_TIMEOUT, { signal: late.signal });
    await Promise.race([reading, timeout]).finally(() => late.abort());
  }

  #isExpired(): boolean {
    const { expires } = this.#plugin ?? {};
    return expires !== undefined && Date.now() > expires - EXPIRY_MARGIN;
  }

  /** Never rejects but for a fault of this program; what is wrong is reported. */
  async #read({ isRefused }: { readonly isRefused: boolean }): Promise<void> {
    const faults: string[] = [];
    const config = await this.#readConfig(faults);
    try {
      if (isRefused || this.#isExpired()) this.#plugin = await askPlugin(config, this.#options);
      const last = this.#credentials, plugin = this.#plugin;
      const { credentials, faults: broken } = await readCredentials(config, { last, plugin });
      faults.push(...broken);
      this.#take(config, credentials);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      faults.push(describeError(error));
    }
    this.#readAt = performance.now();
    this.#report(faults);
  }

  async #readConfig(faults: string[]): Promise<ClientConfig> {
    const before = this.#config;
    if (!this.#options.reload) return before;
    try {
      const config = await this.#options.reload();
      if (config.server.href === before.server.href) return config;
      const { href } = config.server;
      faults.push(`the kubeconfig names another server now, ${href}: it is used after a restart`);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      faults.push(`${describeError(error)}; what was read before stays in use`);
    }
    return before;
  }

  #take(config: ClientConfig, credentials: Credentials): void {
    const before = this.#credentials;
    const isSameWay = equalCertificates(before, credentials) && this.#config.proxy === config.proxy;
    if (this.#closed || isSameWay && equalCredentials(before, credentials)) return;
    if (!isSameWay) this.#connect(makeHttpClient(config, credentials));
    this.#config = config;
    this.#credentials = credentials;
    const replaced = this.#replaced;
    this.#replaced = new AbortController();
    this.#session = this.#newSession();
    replaced.abort();
  }

  #connect(http: Deno.HttpClient): void {
    this.#http.close();
    this.#http = http;
  }

  #newSession(): Session {
    return {
      http: this.#http,
      authorization: this.#credentials.authorization,
      replaced: this.#replaced.signal,
    };
  }

  #report(faults: readonly string[]): void {
    const { server } = this.#config;
    const isInClear = server.protocol === "http:" && !isLoopback(server.hostname) &&
      this.#credentials.authorization !== undefined;
    const all = isInClear
      ? [...faults, `credentials go to ${server.origin} in clear: give an https URL`]
      : faults;
    const text = all.join("\n");
    if (text === this.#reported) return;
    this.#reported = text;
    this.#options.report?.(all);
  }
}

async function askPlugin(
  { exec }: ClientConfig,
  { plugin }: TransportOptions,
): Promise<ExecCredentials | undefined> {
  if (!exec) return undefined;
  if (plugin) return await plugin(exec);
  throw new ConfigError(
    `${exec.where} has exec, which the agent does not support: it never starts another program; ` +
      "use a token, a token file or a certificate",
  );
}

/** Throws {@link ConfigError}. */
function makeHttpClient(config: ClientConfig, credentials: Credentials): Deno.HttpClient {
  const { ca, identity } = credentials;
  const proxy = proxyOf(config);
  try {
    return Deno.createHttpClient({
      http2: false, // after its connections were cut, requests over HTTP/2 hang
      ...ca !== undefined && { caCerts: [ca] },
      ...proxy && { proxy },
      ...identity,
    });
  } catch {
    // Its message is not passed on: nobody knows what is in it.
    throw new ConfigError("the certificate authority holds a certificate that is damaged");
  }
}

/** The proxy of the kubeconfig, which is for every server, or that of the environment. */
function proxyOf({ server, proxy }: ClientConfig): Deno.Proxy | undefined {
  const { settings } = takeProxies();
  const text = proxy ?? proxyFor(server, settings);
  if (text === undefined) return undefined;
  const what = proxy === undefined ? "the proxy of the environment" : "proxy-url";
  const url = parseProxy(text);
  if (!url) {
    throw new ConfigError(`${what}${shown(text)} is not the URL of a proxy (http, https, socks5)`);
  }
  const basicAuth = userOf(url.href);
  url.username = url.password = "";
  return { url: url.href, ...basicAuth && { basicAuth } } as Deno.Proxy;
}

/** As Go: what is no URL is one without its scheme. */
function parseProxy(text: string): URL | undefined {
  const candidates = [URL.parse(text), URL.parse(`http://${text}`)];
  return candidates.find((url) =>
    url !== null && url.hostname !== "" && /^(https?|socks5h?):$/.test(url.protocol)
  ) ?? undefined;
}

function userOf(proxy: string): { username: string; password: string } | undefined {
  const url = parseProxy(proxy);
  if (!url || url.username === "" && url.password === "") return undefined;
  const [username, password] = [url.username, url.password].map(decode) as [string, string];
  return { username, password };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
