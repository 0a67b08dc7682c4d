/** Which addresses this node is reached at: found at start, and again when the kernel has other ones. */

import { inBackground } from "../async/background.ts";
import { type Clock, SYSTEM_CLOCK } from "../async/clock.ts";
import { equalIP, type IP } from "../net/ip.ts";
import { equalPrefix } from "../net/prefix.ts";
import { describeError } from "../net/text.ts";
import type { Chosen } from "./chosen.ts";
import {
  discover,
  type Discovery,
  DiscoveryError,
  type DiscoveryOptions,
  isWanted,
  isWorse,
} from "./discovery.ts";
import { type HostState, viewHost } from "./host_view.ts";

/**
 * Milliseconds for which a lost address is waited for before a worse one, or none, takes its place:
 * DHCP and netplan take an address away a moment before they set it, or another one.
 */
const REPLACEMENT_TIMEOUT = 300;

export interface AddressFinderOptions extends DiscoveryOptions {
  /** Finds the addresses of the host name; may take long. */
  readonly lookup: () => Promise<readonly IP[]>;
  /** Where what was chosen is remembered over a restart. */
  readonly memory: { chosen: Chosen };
  /** The host name's answer makes a difference. */
  readonly changed: () => void;
  readonly clock?: Clock;
}

export class AddressFinder {
  readonly #host: HostState;
  readonly #options: AddressFinderOptions;
  readonly #clock: Clock;
  #hostnameIPs: readonly IP[] = [];
  #found: Discovery;
  #problem: string | undefined;
  #isCurrent = true;
  /** Since when there is nothing as good as what was found; undefined: there is. */
  #worseSince: number | undefined;
  #isAsking = false;
  /** Was the host name looked up? Before that a first choice is not final. */
  #isFinal = false;

  /** Reads the addresses at once; throws a DiscoveryError if the node has none to be reached at. */
  constructor(host: HostState, options: AddressFinderOptions) {
    this.#host = host;
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#found = this.#discover();
    this.#lookupHostname();
  }

  get found(): Discovery {
    return this.#found;
  }

  /** Why what was found before is still used, if it is. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Would an address like this, if the host had it, make a difference? */
  isWanted(ip: IP): boolean {
    const isCertain = this.#isCurrent && this.#problem === undefined;
    return isWanted(ip, isCertain ? this.#found : undefined);
  }

  /** The host's devices, addresses or default routes may be others. */
  invalidate(): void {
    this.#isCurrent = false;
  }

  /** As {@link invalidate}; the host name is looked up again, too. */
  refresh(): void {
    this.invalidate();
    this.#lookupHostname();
  }

  /**
   * Reads the addresses again if they may have changed. Returns in how many milliseconds to do so once
   * more if one has gone, and waits for its replacement: until then nothing is certain. What
   * was found stays if there is nothing any more.
   */
  update(): number | undefined {
    if (this.#isCurrent) return undefined;
    const found = this.#tryDiscover();
    const isLoss = this.#problem === undefined &&
      (found instanceof Error || isWorse(found, this.#found));
    const wait = isLoss ? this.#replacementWait() : 0;
    if (wait > 0) return wait;
    this.#worseSince = undefined;
    this.#isCurrent = true;
    this.#problem = found instanceof Error ? describeError(found) : undefined;
    if (!(found instanceof Error)) this.#found = found;
    if (this.#isFinal) this.#remember();
    return undefined;
  }

  /** Milliseconds for which the lost address may still be replaced by an equal one. */
  #replacementWait(): number {
    const now = this.#clock.now();
    this.#worseSince ??= now;
    return this.#worseSince + REPLACEMENT_TIMEOUT - now;
  }

  #tryDiscover(): Discovery | Error {
    try {
      return this.#discover();
    } catch (error) {
      return error instanceof Error ? error : new DiscoveryError(describeError(error));
    }
  }

  #discover(): Discovery {
    const view = viewHost(this.#host, this.#hostnameIPs);
    return discover(view, this.#options, this.#options.memory.chosen);
  }

  /** An internal address that has gone is remembered until another one is chosen. */
  #remember(): void {
    const { endpointIP, internalIP } = this.#found;
    const { memory } = this.#options;
    memory.chosen = {
      ...memory.chosen,
      endpointIP,
      ...internalIP && { internalIP: internalIP.ip },
    };
  }

  #lookupHostname(): void {
    inBackground("look the host name up", () => this.#askForHostname());
  }

  async #askForHostname(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const ips = await this.#options.lookup().catch(() => [] as const);
    this.#isAsking = false;
    const isFirst = !this.#isFinal;
    this.#isFinal = true;
    // A name that fails to resolve says nothing new.
    const isSame = ips.length === 0 || ips.length === this.#hostnameIPs.length &&
        ips.every((ip, at) => equalIP(ip, this.#hostnameIPs[at]));
    if (!isSame) this.#hostnameIPs = ips;
    if (isSame && !isFirst) return;
    const before = this.#found;
    this.invalidate();
    const wait = this.update();
    if (wait !== undefined || !equalDiscoveries(before, this.#found)) this.#options.changed();
  }
}

function equalDiscoveries(a: Discovery, b: Discovery): boolean {
  return equalIP(a.endpointIP, b.endpointIP) && equalPrefix(a.internalIP, b.internalIP);
}
