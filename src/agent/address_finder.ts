/** Which addresses this node is reached at, found at start and again at each resync. */

import { inBackground } from "../async/background.ts";
import type { Host } from "../dataplane/host.ts";
import { equalIP, type IP } from "../net/ip.ts";
import { describeError } from "../net/text.ts";
import { discover, type Discovery, type DiscoveryOptions, viewHost } from "./discovery.ts";

export class AddressFinder {
  readonly #host: Host;
  readonly #hostname: string;
  readonly #options: DiscoveryOptions;
  readonly #changed: () => void;
  readonly #lookup: (name: string) => Promise<readonly IP[]>;
  #hostnameIPs: readonly IP[] = [];
  #found: Discovery;
  #problem: string | undefined;
  #isAsking = false;

  /**
   * Looks at once and throws a DiscoveryError if there is nothing to be reached at. The host name is
   * looked up meanwhile, which may take long; `changed` is called when its answer makes a difference.
   */
  constructor(
    host: Host,
    options: DiscoveryOptions & {
      readonly hostname: string;
      /** All addresses of a host name. */
      readonly lookup: (name: string) => Promise<readonly IP[]>;
      readonly changed: () => void;
    },
  ) {
    this.#host = host;
    this.#hostname = options.hostname;
    this.#options = options;
    this.#changed = options.changed;
    this.#lookup = options.lookup;
    this.#found = this.#discover();
    this.#lookHostnameUp();
  }

  get found(): Discovery {
    return this.#found;
  }

  /** Why what was found before is still used, if it is. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Looks again; what was found stays if there is nothing any more. */
  refresh(): void {
    try {
      this.#found = this.#discover();
      this.#problem = undefined;
    } catch (error) {
      this.#problem = describeError(error);
    }
    this.#lookHostnameUp();
  }

  #lookHostnameUp(): void {
    inBackground("look the host name up", () => this.#askForHostname());
  }

  #discover(): Discovery {
    return discover(viewHost(this.#host, this.#hostnameIPs), this.#options);
  }

  async #askForHostname(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const ips = await this.#lookup(this.#hostname).catch(() => [] as const);
    this.#isAsking = false;
    const isSame = ips.length === this.#hostnameIPs.length &&
      ips.every((ip, at) => equalIP(ip, this.#hostnameIPs[at]));
    if (isSame || ips.length === 0) return; // a name that fails to resolve says nothing new
    this.#hostnameIPs = ips;
    this.refresh();
    this.#changed();
  }
}
