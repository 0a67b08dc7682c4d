/** The servers that this host cannot do without: they stay reachable the way they are. */

import { inBackground } from "../async/background.ts";
import type { Host } from "../dataplane/host.ts";
import { ifThere } from "../files/replace.ts";
import type { Server } from "../mesh/host_facts.ts";
import { equalIP, formatIP, type IP, parseIP } from "../net/ip.ts";
import { contains, parsePrefix } from "../net/prefix.ts";

/** In the order in which they are read: a local resolver hides the real ones from the first. */
const RESOLVER_FILES = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

const LOOPBACK = [parsePrefix("127.0.0.0/8")!, parsePrefix("::1/128")!];

export interface ServersOptions {
  readonly host: Pick<Host, "isReachedWithout">;
  readonly kiloInterface: string;
  /** Host name or address of the API server, or of the proxy that leads to it, if there is one. */
  readonly apiServer: () => string | undefined;
  /** All addresses of a name; rejects where there is none. */
  readonly lookup: (name: string) => Promise<readonly IP[]>;
  /** The list is another. */
  readonly changed: () => void;
}

/**
 * The API server and the name servers that are reached without the mesh. Which way it is, is found
 * out when a server is first heard of, before a route of ours can take it; and kept.
 */
export class Servers {
  readonly #options: ServersOptions;
  readonly #isDirect = new Map<string, boolean>();
  #known: readonly Server[] = [];

  constructor(options: ServersOptions) {
    this.#options = options;
  }

  /** The same list as long as it says the same. */
  get known(): readonly Server[] {
    return this.#known;
  }

  /** Looks again in the background. */
  refresh(): void {
    inBackground("look up the servers of this host", async () => {
      if (await this.find()) this.#options.changed();
    });
  }

  /** Finds who they are; true if the list is another. A name that does not resolve stays as it was. */
  async find(): Promise<boolean> {
    const found = [...await this.#apiServers(), ...await nameServers()];
    const listed = new Set(found.map(({ ip }) => formatIP(ip)));
    for (const address of this.#isDirect.keys()) {
      if (!listed.has(address)) this.#isDirect.delete(address);
    }
    const direct = found.filter(({ ip }) => this.#reachesDirectly(ip));
    if (equalServers(direct, this.#known)) return false;
    this.#known = direct;
    return true;
  }

  async #apiServers(): Promise<readonly Server[]> {
    const name = this.#options.apiServer();
    if (name === undefined) return [];
    try {
      return (await this.#options.lookup(name)).map((ip) => ({ ip, role: "API server" }));
    } catch {
      return this.#known.filter(({ role }) => role === "API server");
    }
  }

  #reachesDirectly(ip: IP): boolean {
    const address = formatIP(ip);
    const isDirect = this.#isDirect.get(address) ?? this.#isReachedWithout(ip);
    if (isDirect !== undefined) this.#isDirect.set(address, isDirect);
    return isDirect ?? false;
  }

  /**
   * If the kernel does not say, the server is better kept. Undefined: there is no way to it yet, as
   * before DHCP is done.
   */
  #isReachedWithout(ip: IP): boolean | undefined {
    try {
      return this.#options.host.isReachedWithout(ip, this.#options.kiloInterface);
    } catch {
      return true;
    }
  }
}

async function nameServers(): Promise<Server[]> {
  const texts = await Promise.all(
    RESOLVER_FILES.map((path) => ifThere(() => Deno.readTextFile(path)).catch(() => undefined)),
  );
  return texts.flatMap((text) => parseNameServers(text ?? ""))
    .filter(({ ip }) => !LOOPBACK.some((prefix) => contains(prefix, ip)));
}

/** Those of a resolv.conf(5); zones of addresses are left out. */
export function parseNameServers(text: string): Server[] {
  return text.split("\n").flatMap((line) => {
    const [, address] = /^\s*nameserver\s+([^\s%]+)/.exec(line) ?? [];
    const ip = address === undefined ? undefined : parseIP(address);
    return ip ? [{ ip, role: "name server" }] : [];
  });
}

function equalServers(a: readonly Server[], b: readonly Server[]): boolean {
  return a.length === b.length &&
    a.every(({ ip, role }, at) => role === b[at]!.role && equalIP(ip, b[at]!.ip));
}
