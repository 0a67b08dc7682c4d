/** A WireGuard device as simple as can be, with the semantics of the kernel's `set_peer`. */

import type { DeviceState, PeerState } from "../../src/net/device.ts";
import { type Key, ZERO_KEY } from "../../src/net/key.ts";
import { formatPrefix, network, parsePrefix } from "../../src/net/prefix.ts";
import type { DeviceChange, PeerSetting } from "../../src/wireguard/change.ts";
import { clampPrivateKey } from "../../src/wireguard/key.ts";

type Peer = Omit<PeerState, "allowedIPs">;

export class SimulatedWireGuard {
  privateKey: Key | undefined;
  listenPort = 0;
  readonly peers = new Map<Key, Peer>();
  /** CIDR → the one peer that has it. */
  readonly owners = new Map<string, Key>();
  /** Called after each single step of a change, as a packet could arrive there. */
  onStep: () => void = () => {};

  constructor(readonly publicKey?: Key) {}

  apply(change: DeviceChange): void {
    if (change.privateKey !== undefined) this.privateKey = clampPrivateKey(change.privateKey);
    if (change.listenPort !== undefined) this.listenPort = change.listenPort;
    for (const peer of change.peers) {
      if (peer.kind === "remove") this.#remove(peer.publicKey);
      else this.#set(peer);
      this.onStep();
    }
  }

  #remove(publicKey: Key): void {
    this.peers.delete(publicKey);
    for (const [cidr, owner] of this.owners) {
      if (owner === publicKey) this.owners.delete(cidr);
    }
  }

  #set(change: PeerSetting): void {
    const { publicKey } = change;
    if (publicKey === this.publicKey) return;
    let peer = this.peers.get(publicKey);
    if (!peer) {
      if (change.kind === "update") return;
      peer = {
        publicKey,
        persistentKeepalive: 0,
        lastHandshake: 0,
        receivedBytes: 0,
        sentBytes: 0,
      };
    }
    const { presharedKey: kept, ...rest } = peer;
    const presharedKey = change.presharedKey ?? kept;
    this.peers.set(publicKey, {
      ...rest,
      ...presharedKey !== undefined && presharedKey !== ZERO_KEY && { presharedKey },
      ...change.endpoint && { endpoint: change.endpoint },
      ...change.persistentKeepalive !== undefined &&
        { persistentKeepalive: change.persistentKeepalive },
    });
    for (const prefix of change.addAllowedIPs) {
      this.owners.set(formatPrefix(network(prefix)), publicKey);
      this.onStep();
    }
    for (const prefix of change.removeAllowedIPs) {
      const cidr = formatPrefix(network(prefix));
      if (this.owners.get(cidr) === publicKey) this.owners.delete(cidr);
      this.onStep();
    }
  }

  state(): DeviceState {
    const peers = [...this.peers.values()].map((peer) => ({
      ...peer,
      allowedIPs: [...this.owners].filter(([, owner]) => owner === peer.publicKey)
        .map(([cidr]) => parsePrefix(cidr)!),
    }));
    const { listenPort } = this;
    const privateKey = this.privateKey && { privateKey: this.privateKey };
    return { ...privateKey, listenPort, firewallMark: 0, peers };
  }
}

/** Peers and allowed IPs in an order of their own. */
export function canonical(state: DeviceState): unknown {
  const peers = state.peers.map((peer) => ({
    ...peer,
    allowedIPs: peer.allowedIPs.map(formatPrefix).sort(),
  }));
  return { ...state, peers: peers.sort((a, b) => a.publicKey < b.publicKey ? -1 : 1) };
}
