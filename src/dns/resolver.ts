/**
 * The addresses of a name as glibc finds them with `hosts: files dns`: /etc/hosts, then the servers
 * of /etc/resolv.conf. Both files are read again when they change; a word in them that nobody knows
 * is no error. There is no cache: that is for whoever asks.
 */

import { onAbort, startTimer } from "../async/background.ts";
import { compareIP, equalIP, type IP } from "../net/ip.ts";
import { quote } from "../net/text.ts";
import { exchange, UnansweredError } from "./exchange.ts";
import { hostKey, parseHosts } from "./hosts.ts";
import { type Answer, isAskable, type RecordType } from "./message.ts";
import { formatServer, parseResolvConf, type ResolvConf, type Server } from "./resolv_conf.ts";

/** What is known of a name: for each family all its addresses, or why they are not known. */
export interface Addresses {
  readonly A: readonly IP[] | LookupError;
  readonly AAAA: readonly IP[] | LookupError;
}

/** The addresses of a name could not be found out. */
export class LookupError extends Error {
  override readonly name = "LookupError";
}

export interface ResolverOptions {
  readonly hostsPath?: string;
  readonly resolvConfPath?: string;
  /** Of the servers. */
  readonly port?: number;
}

/** Milliseconds after which a lookup is given up, whatever resolv.conf allows. */
const LONGEST_LOOKUP = 30_000;
/** Milliseconds for which a server that did not answer is asked after the others. */
const SILENT_FOR = 30_000;

export class DNSResolver implements Disposable {
  readonly #hosts: Cached<ReadonlyMap<string, readonly IP[]>>;
  readonly #conf: Cached<ResolvConf>;
  readonly #port: number;
  /** Until when, by address. Only of servers in the file. */
  readonly #silent = new Map<string, number>();
  readonly #closing = new AbortController();
  #next = 0;

  constructor(
    { hostsPath = "/etc/hosts", resolvConfPath = "/etc/resolv.conf", port = 53 }: ResolverOptions =
      {},
  ) {
    this.#hosts = new Cached(hostsPath, parseHosts);
    this.#conf = new Cached(resolvConfPath, (text) => parseResolvConf(text, hostname()));
    this.#port = port;
  }

  /**
   * All addresses of a name, each family by number, or why they could not be found out. Rejects only
   * when disposed of.
   */
  async lookup(name: string): Promise<Addresses> {
    const known = (await this.#hosts.read()).get(hostKey(name));
    if (known) {
      const family = (family: 4 | 6) => unique(known.filter((ip) => ip.family === family));
      return { A: family(4), AAAA: family(6) };
    }
    const conf = await this.#conf.read();
    for (const address of this.#silent.keys()) {
      if (!conf.servers.some((server) => formatServer(server) === address)) {
        this.#silent.delete(address);
      }
    }
    using deadline = new Deadline(this.#closing.signal, `no server answers for ${quote(name)}`);
    const search = { name, conf, signal: deadline.signal };
    const [A, AAAA] = await Promise.all([
      this.#search("A", search),
      conf.noAAAA ? [] : this.#search("AAAA", search),
    ]);
    this.#closing.signal.throwIfAborted();
    return { A, AAAA };
  }

  /** Ends all lookups. */
  [Symbol.dispose](): void {
    this.#closing.abort(new LookupError("the agent ends"));
  }

  /** Goes through the names that this one may stand for (res_nsearch of glibc). */
  async #search(
    type: RecordType,
    { name, conf, signal }: {
      readonly name: string;
      readonly conf: ResolvConf;
      readonly signal: AbortSignal;
    },
  ): Promise<readonly IP[] | LookupError> {
    const names = candidates(name, conf);
    if (names.length === 0) return new LookupError(`${quote(name)} is too long to be a name`);
    let found: readonly IP[] | undefined;
    let failure: unknown;
    for (const candidate of names) {
      try {
        const answer = await this.#ask(candidate, type, { conf, signal });
        if (answer.kind === "addresses" && answer.ips.length > 0) return unique(answer.ips);
        if (answer.kind === "addresses") found = []; // there is such a name
        if (answer.kind === "failure") failure ??= new Error(answer.why);
      } catch (error) {
        failure = error;
        break; // if no server is there, it is not for another name
      }
    }
    if (failure === undefined) return found ?? new LookupError(`there is no name ${quote(name)}`);
    if (failure instanceof LookupError) return failure;
    return new LookupError(`${quote(name)} does not resolve`, { cause: failure });
  }

  /** Asks one server after the other, each as often as told (res_nsend of glibc). */
  async #ask(
    name: string,
    type: RecordType,
    { conf, signal }: { readonly conf: ResolvConf; readonly signal: AbortSignal },
  ): Promise<Answer> {
    const servers = this.#order(conf);
    let last: Answer | undefined;
    let unanswered: UnansweredError | undefined;
    for (let attempt = 0; attempt < conf.attempts; attempt++) {
      for (const server of servers) {
        const [id] = crypto.getRandomValues(new Uint16Array(1));
        try {
          const answer = await exchange({ id: id!, name, type }, server, {
            ...{ timeout: conf.timeout, signal, port: this.#port, useTCP: conf.useTCP },
          });
          this.#silent.delete(formatServer(server));
          if (answer.kind !== "failure") return answer;
          last = answer;
        } catch (error) {
          if (!(error instanceof UnansweredError)) throw error;
          unanswered = error;
          this.#silent.set(formatServer(server), performance.now() + SILENT_FOR);
        }
      }
      if (last) return last; // they answered; they will not know better at once
    }
    throw unanswered!;
  }

  /** Those that did not answer lately come last: with many names each would wait for them. */
  #order({ servers, rotate }: ResolvConf): readonly Server[] {
    const first = rotate ? this.#next++ % servers.length : 0;
    const rotated = [...servers.slice(first), ...servers.slice(0, first)];
    const now = performance.now();
    const isSilent = (server: Server) => (this.#silent.get(formatServer(server)) ?? 0) > now;
    return [...rotated.filter((server) => !isSilent(server)), ...rotated.filter(isSilent)];
  }
}

/**
 * The full names to ask for, in order. A domain with which a name becomes too long, or that is no
 * domain, is left out: it must not stand in the way of the others.
 */
export function candidates(name: string, { search, ndots }: ResolvConf): string[] {
  const absolute = name.replace(/\.$/, "");
  const dots = absolute.split(".").length - 1;
  const searched = absolute === name ? search.map((domain) => `${absolute}.${domain}`) : [];
  const all = dots >= ndots ? [absolute, ...searched] : [...searched, absolute];
  return [...new Set(all)].filter(isAskable);
}

function unique(ips: readonly IP[]): IP[] {
  return ips.toSorted(compareIP).filter((ip, at, all) => at === 0 || !equalIP(ip, all[at - 1]!));
}

function hostname(): string {
  try {
    return Deno.hostname();
  } catch {
    return ""; // not allowed to know it
  }
}

/**
 * A signal that is aborted when its time is over, or another one is. It leaves nothing behind, which
 * `AbortSignal.any` does: its signals live as long as the one they come from.
 */
class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #stack = new DisposableStack();

  constructor(outer: AbortSignal, message: string) {
    const abort = (reason: unknown) => this.#controller.abort(reason);
    this.#stack.use(onAbort(outer, "end a lookup", () => abort(outer.reason)));
    const late = () => abort(new LookupError(message));
    const timer = startTimer(LONGEST_LOOKUP, "end a lookup", late);
    this.#stack.defer(() => clearTimeout(timer));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}

/** What a file's text means, read again when the file is another; a missing one is empty. */
class Cached<T> {
  readonly #path: string;
  readonly #parse: (text: string) => T;
  #version: string | undefined;
  #value: Promise<T> | undefined;

  constructor(path: string, parse: (text: string) => T) {
    this.#path = path;
    this.#parse = parse;
  }

  async read(): Promise<T> {
    const version = await this.#currentVersion();
    if (this.#value === undefined || version !== this.#version) {
      this.#version = version;
      this.#value = this.#text().then(this.#parse);
    }
    return await this.#value;
  }

  async #currentVersion(): Promise<string> {
    try {
      const { mtime, ctime, size, ino, dev } = await Deno.stat(this.#path);
      return `${mtime?.getTime()} ${ctime?.getTime()} ${size} ${ino} ${dev}`;
    } catch {
      return "";
    }
  }

  /** As glibc does, a file that cannot be read is as good as none. */
  async #text(): Promise<string> {
    try {
      using file = await Deno.open(this.#path);
      const { isFile, size } = await file.stat();
      if (!isFile || size > LARGEST_FILE) return "";
      return await new Response(file.readable).text();
    } catch {
      return "";
    }
  }
}

/** Bytes: lists of advertisers to be blocked have some. */
const LARGEST_FILE = 16 * 2 ** 20;
