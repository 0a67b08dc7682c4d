/** The client of a device of the kernel, over generic netlink. */

import type { Connection } from "../netlink/connection.ts";
import { EINVAL, ENODEV, ENOENT, EOPNOTSUPP } from "../os/errno.ts";
import { MalformedError, NetlinkError } from "../netlink/error.ts";
import { GENLMSGHDR, resolveFamily } from "../netlink/genetlink.ts";
import { readBody, type Request, writeBody } from "../netlink/message.ts";
import { type DeviceState, peersByKey } from "../net/device.ts";
import { networkKey } from "../net/prefix.ts";
import { type DeviceChange, isEmptyChange, splitRemovals, withScratchPeer } from "./change.ts";
import { type WireGuardClient, WireGuardError, type WireGuardErrorReason } from "./client.ts";
import {
  decodeDevice,
  type DeviceMessage,
  encodeChange,
  WG_CMD_GET_DEVICE,
  WG_CMD_SET_DEVICE,
  WG_GENL_NAME,
  WG_GENL_VERSION,
  WGDEVICE,
} from "./kernel_codec.ts";
import { generatePresharedKey } from "./key.ts";

/**
 * A client for the device of this name. Does nothing until it is used. The connection is to generic
 * netlink (`NETLINK_GENERIC`) and remains the caller's.
 */
export function kernelClient(name: string, connection: Connection): WireGuardClient {
  let family: number | undefined;
  /** Can single allowed IPs be taken from a peer (Linux 6.16)? Yes, until the kernel refuses. */
  let removesSingly = true;
  /** Did it do so? WireGuard before Linux 5.2, out of tree, ignores flags of allowed IPs. */
  let isVerified = false;

  function request(command: keyof typeof COMMANDS, message: DeviceMessage): Request {
    family ??= resolveFamily(connection, WG_GENL_NAME);
    const header = { cmd: COMMANDS[command], version: WG_GENL_VERSION };
    return {
      kind: "wireguard",
      describe: () => command,
      type: family,
      flags: 0,
      write: (out) => writeBody(out, [GENLMSGHDR, header], [WGDEVICE, message]),
    };
  }

  function send(change: DeviceChange): void {
    if (isEmptyChange(change)) return;
    const messages = encodeChange(name, change);
    const results = connection.execute(messages.map((it) => request("WG_CMD_SET_DEVICE", it)));
    for (const error of results) if (error) throw error;
  }

  function sendRemovals(removals: DeviceChange): void {
    if (isEmptyChange(removals)) return;
    if (removesSingly) {
      try {
        send(removals);
        isVerified ||= !hasAny(read(), removals);
        if (isVerified) return;
      } catch (error) {
        if (!(error instanceof NetlinkError && error.errno === EINVAL)) throw error;
      }
      removesSingly = false;
    }
    send(withScratchPeer(removals, generatePresharedKey()));
  }

  function read(): DeviceState {
    const layout = { header: GENLMSGHDR, attributes: WGDEVICE };
    const messages = connection.dump(request("WG_CMD_GET_DEVICE", { WGDEVICE_A_IFNAME: name }));
    return decodeDevice(messages.map((message) => readBody(message, layout).attributes));
  }

  return {
    name,
    kind: "kernel",
    read: () => attempt(`read WireGuard device ${name} of the kernel`, read),
    apply: (change) =>
      attempt(`configure WireGuard device ${name} of the kernel`, () => {
        const { rest, removals } = splitRemovals(change);
        send(rest);
        sendRemovals(removals);
        return [];
      }),
  };
}

/** Does a peer still have an allowed IP that was to be taken from it? */
function hasAny(state: DeviceState, removals: DeviceChange): boolean {
  const there = peersByKey(state);
  return removals.peers.some((peer) => {
    if (peer.kind === "remove") return false;
    const networks = new Set(there.get(peer.publicKey)?.allowedIPs.map(networkKey));
    return peer.removeAllowedIPs.some((prefix) => networks.has(networkKey(prefix)));
  });
}

const COMMANDS = { WG_CMD_GET_DEVICE, WG_CMD_SET_DEVICE } as const;

async function attempt<T>(doing: string, step: () => T): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    const errno = cause instanceof NetlinkError ? cause.errno : undefined;
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new WireGuardError(`cannot ${doing}: ${text}`, { reason: reasonOf(cause), errno, cause });
  }
}

function reasonOf(cause: unknown): WireGuardErrorReason {
  if (cause instanceof MalformedError) return "malformed";
  if (!(cause instanceof NetlinkError) || cause.isOutcomeUnknown()) return "broken";
  if (cause.isPermission()) return "denied";
  // No such family, no such interface, an interface of another kind.
  return [ENOENT, ENODEV, EOPNOTSUPP].includes(cause.errno) ? "absent" : "refused";
}
