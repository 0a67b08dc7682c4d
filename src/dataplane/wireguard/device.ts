/** The WireGuard device: finds its client, reads its state, and makes it as desired. */

import { sleep } from "../../async/sleep.ts";
import { type DeviceConfig, type DeviceState, peersByKey } from "../../net/device.ts";
import type { IP } from "../../net/ip.ts";
import type { Key } from "../../net/key.ts";
import {
  afterChange,
  type DeviceChange,
  isEmptyChange,
  type PeerChange,
} from "../../wireguard/change.ts";
import { EADDRINUSE } from "../../os/errno.ts";
import { type WireGuardClient, WireGuardError } from "../../wireguard/client.ts";
import { type Declared, declaredEndpoints, isRedeclared } from "../../wireguard/declared.ts";
import {
  diffDevice,
  type DiffOptions,
  equalButTraffic,
  inSyncUntil,
} from "../../wireguard/diff.ts";
import { EndpointFamilies } from "./endpoint_families.ts";
import { findsPeers, HandshakeRetry, type RetryPlan } from "./handshake_retry.ts";
import { RESET_PAUSE } from "./timing.ts";

export interface DeviceReport {
  /** How many peers and settings were changed; 0 if all is as desired. */
  readonly changed: number;
  /** The peers that were not there before, or have lost their sessions by the change. */
  readonly added: readonly Key[];
  /** Milliseconds after which to apply the desired state again, because something had to wait. */
  readonly again?: number;
}

export interface DeviceApplyOptions extends Omit<DiffOptions, "declared"> {
  /** Can this host send to the address? Asked about peers that have one of each family; yes if absent. */
  readonly hasRoute?: (to: IP) => boolean;
  /** Called with the addresses of peers before WireGuard is told to send there. */
  readonly beforeSending?: (to: readonly IP[]) => void;
}

/** A configuration that the device was found to have. */
interface InSync {
  readonly target: DeviceConfig;
  readonly state: DeviceState;
  /** Milliseconds since the Unix epoch, if nothing else happens. */
  readonly until: number;
}

/**
 * Keeps the state that was last read or written. WireGuard sends no notifications: invalidate it to
 * see new endpoints and handshakes. All rejections are WireGuardErrors.
 */
export class Device {
  readonly #clients: readonly WireGuardClient[];
  /** The one that found the device; asked first, so that the others need not be asked each time. */
  #client: WireGuardClient | undefined;
  #state: DeviceState | undefined;
  /** The state when it last answered. */
  #last: DeviceState | undefined;
  #problem: WireGuardError | undefined;
  readonly #retry = new HandshakeRetry();
  readonly #families = new EndpointFamilies();
  /** What was last applied, and where it declares the peers. */
  #reached: { readonly desired?: DeviceConfig; readonly declared: Declared } = {
    declared: new Map(),
  };
  #mustResetSessions = false;
  #hasStaleSources = false;
  #readings = 0;
  #inSync: InSync | undefined;

  /** Clients in the order in which they are asked. */
  constructor(clients: readonly WireGuardClient[]) {
    this.#clients = clients;
  }

  invalidate(): void {
    this.#state = undefined;
  }

  /**
   * The others have forgotten us. Peers that do not begin a session soon are reset, because WireGuard
   * would trust the old sessions for another 15 s.
   */
  resetSessions(): void {
    if (this.#state?.peers.length === 0) return;
    this.#mustResetSessions = true;
    this.invalidate();
  }

  /**
   * An own address was removed. Userspace WireGuard goes on sending from it, in vain, until it begins
   * a new session 15 s later; setting the peer's endpoint again makes it choose another source. Kernel
   * WireGuard notices by itself.
   */
  forgetSources(): void {
    this.#hasStaleSources = true;
    this.invalidate();
  }

  /** Why the last read failed; meanwhile the state before it counts. */
  get problem(): WireGuardError | undefined {
    return this.#problem;
  }

  /**
   * Undefined if no client finds such a device. A device that hangs delays nothing else: its last state
   * counts until it is read again.
   */
  async read(): Promise<DeviceState | undefined> {
    if (this.#state) return this.#state;
    this.#problem = undefined;
    try {
      this.#last = await this.#find();
    } catch (error) {
      const isHanging = error instanceof WireGuardError && error.reason === "timeout";
      if (!isHanging || !this.#last) throw error;
      this.#problem = error;
    }
    return this.#state = this.#last;
  }

  /** How often it was read: as long as this is the same, no endpoint or handshake is new. */
  get readings(): number {
    return this.#readings;
  }

  /** Where peers were declared to be when a configuration was last applied. */
  get declared(): Declared {
    return this.#reached.declared;
  }

  /** The last answer, for reports; undefined while the device is being changed. */
  get known(): DeviceState | undefined {
    return this.#last;
  }

  /**
   * Is the device as last desired, and is every peer at the same endpoint? Then there is nothing to do.
   * `now`: milliseconds since the Unix epoch.
   */
  async isInSync(now: number): Promise<boolean> {
    const problem = this.#problem;
    const state = await this.read();
    const inSync = this.#inSync;
    if (!state || problem || this.#problem || !inSync || now >= inSync.until) return false;
    if (!equalButTraffic(inSync.state, state)) return false;
    this.#inSync = { ...inSync, state };
    return true;
  }

  async apply(desired: DeviceConfig, options: DeviceApplyOptions): Promise<DeviceReport> {
    const { now, hasRoute = () => true } = options;
    if (!this.#problem && this.#retry.isDue(now)) this.invalidate();
    const isRemembered = this.#state !== undefined && !this.#problem;
    const state = await this.read();
    if (!state || !this.#client) throw absent(this.#clients);
    if (this.#hasStaleSources) await renewSources(this.#client, state);
    this.#hasStaleSources = false;
    if (this.#mustResetSessions) this.#retry.resetSessions(state.peers, now);
    this.#mustResetSessions = false;
    const choose = () => this.#families.choose(desired, { state, now, hasRoute });
    let target = choose();
    const inSync = this.#inSync;
    if (inSync && inSync.state === state && inSync.target === target && now < inSync.until) {
      return { changed: 0, added: [] };
    }
    if (isRemembered && findsPeers(target, state)) return await this.#applyFresh(desired, options);
    const { reset, ...again } = this.#problem
      ? NO_RETRY // whether peers have answered is not known
      : this.#retry.plan(target, { state, ...options });
    if (reset.size > 0) {
      this.#families.giveUp(reset);
      target = choose();
    }
    const rest = reset.size === 0 ? state : withoutPeers(state, reset);
    const { declared } = this.#reached;
    const change = diffDevice(target, rest, { ...options, declared });
    if (isRemembered && dependsOnTraffic(change, { target, declared })) {
      return await this.#applyFresh(desired, options);
    }
    if (isEmptyChange(change)) {
      this.#reach(desired);
      if (again.again === undefined) {
        const until = Math.min(inSyncUntil(target, state), this.#families.nextAttempt);
        this.#inSync = { target, state, until };
      }
      return { changed: 0, added: [], ...again };
    }
    options.beforeSending?.(endpointsOf(change));
    this.#state = this.#last = undefined; // for the case of an exception
    if (reset.size > 0) await remove(reset, this.#client);
    const replaced = await configure(this.#client, change);
    this.#last = afterChange(rest, change);
    if (replaced.length === 0) this.#state = this.#last; // else handshakes are not as they were
    this.#reach(desired);
    const { peers, ...settings } = change;
    return {
      changed: peers.length + Object.keys(settings).length,
      added: [
        ...peers.filter(({ kind }) => kind === "add").map(({ publicKey }) => publicKey),
        ...replaced,
      ],
      ...again,
    };
  }

  #reach(desired: DeviceConfig): void {
    const { desired: before, declared } = this.#reached;
    if (before === desired) return;
    this.#reached = { desired, declared: declaredEndpoints(desired, declared) };
  }

  /** Reads the device first: it may have heard of peers at other addresses. */
  async #applyFresh(desired: DeviceConfig, options: DeviceApplyOptions): Promise<DeviceReport> {
    this.invalidate();
    // What is read now also goes into what is desired next.
    return { ...await this.apply(desired, options), again: 0 };
  }

  async #find(): Promise<DeviceState | undefined> {
    const clients = this.#client ? [this.#client, ...this.#clients] : this.#clients;
    for (const client of new Set(clients)) {
      try {
        const state = await client.read();
        this.#client = client;
        this.#readings++;
        return state;
      } catch (error) {
        if (!(error instanceof WireGuardError && error.reason === "absent")) throw error;
      }
    }
    return undefined;
  }
}

/**
 * If the port is taken, sets the peers all the same, so that revoked ones are out, and then rejects.
 */
async function configure(client: WireGuardClient, change: DeviceChange): Promise<readonly Key[]> {
  try {
    return await client.apply(change);
  } catch (error) {
    const { listenPort, ...rest } = change;
    const isTaken = error instanceof WireGuardError && error.errno === EADDRINUSE;
    if (isTaken && listenPort !== undefined) await client.apply(rest);
    throw error;
  }
}

/** Sets the endpoints that a userspace device has once more; see {@link Device.forgetSources}. */
async function renewSources(client: WireGuardClient, { peers }: DeviceState): Promise<void> {
  if (client.kind !== "userspace") return;
  const same = peers.flatMap(({ publicKey, endpoint }): PeerChange[] =>
    endpoint
      ? [{ kind: "update", publicKey, endpoint, addAllowedIPs: [], removeAllowedIPs: [] }]
      : []
  );
  if (same.length > 0) await client.apply({ peers: same });
}

const NO_RETRY: RetryPlan = { reset: new Set() };

/**
 * Does a peer get another endpoint because nothing was received from it? WireGuard follows roaming
 * peers by itself, so this must be decided on fresh state.
 */
function dependsOnTraffic(
  { peers }: DeviceChange,
  { target, declared }: { readonly target: DeviceConfig; readonly declared: Declared },
): boolean {
  const desiredPeers = peersByKey(target);
  return peers.some((change) => {
    if (change.kind !== "update" || !change.endpoint) return false;
    const peer = desiredPeers.get(change.publicKey);
    return peer !== undefined && (peer.behindNAT || !isRedeclared(peer, declared));
  });
}

/**
 * Removes peers that will be added again, and waits. Without the pause, what such a peer just sent
 * would still be answered for the old one: the peer would trust a session that nobody has, or drop
 * our next attempt for its own.
 */
async function remove(keys: ReadonlySet<Key>, client: WireGuardClient): Promise<void> {
  await client.apply({ peers: [...keys].map((publicKey) => ({ kind: "remove", publicKey })) });
  await sleep(RESET_PAUSE);
}

function endpointsOf({ peers }: DeviceChange): readonly IP[] {
  return peers.flatMap((peer) => peer.kind !== "remove" && peer.endpoint ? peer.endpoint.ip : []);
}

function withoutPeers(state: DeviceState, keys: ReadonlySet<Key>): DeviceState {
  return { ...state, peers: state.peers.filter(({ publicKey }) => !keys.has(publicKey)) };
}

function absent(clients: readonly WireGuardClient[]): WireGuardError {
  const names = new Set(clients.map(({ name }) => name));
  return new WireGuardError(`there is no WireGuard device ${[...names].join(", ")}`, {
    reason: "absent",
  });
}
