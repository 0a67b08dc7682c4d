/**
 * The mark on packets whose forwarding we accept. Our own table cannot overrule a drop elsewhere, so
 * its forward chain marks, and one rule in the host's own FORWARD chain accepts the mark.
 *
 * It is a single bit, set and tested without touching the others. Of the bits that the registry at
 * github.com/fwmark/registry lists, those of programs that run beside Kilo are lower: AWS (7), the
 * portmap plugin (13), kube-proxy (14, 15), Weave (17, 18), Tailscale (16 to 23). Calico's and Cilium's
 * masks have all the upper bits, but those are networks of their own: beside them Kilo runs without
 * `--cni`, and then marks nothing.
 */

import { LITTLE_ENDIAN } from "../../netlink/codec.ts";
import { maskAndXor } from "../../netlink/nftables/expression/bitwise.ts";
import { equal } from "../../netlink/nftables/expression/cmp.ts";
import type { Expression } from "../../netlink/nftables/expression/expression.ts";
import { loadMeta, NFT_META_MARK, setMeta } from "../../netlink/nftables/expression/meta.ts";

export const FORWARD_MARK = 1 << 28;

/** `meta mark set meta mark | 0x10000000` */
export function setMark(): Expression[] {
  return [
    loadMeta(NFT_META_MARK),
    maskAndXor(register(~FORWARD_MARK), register(FORWARD_MARK)),
    setMeta(NFT_META_MARK),
  ];
}

/** `meta mark & 0x10000000 == 0x10000000` */
export function hasMark(): Expression[] {
  return [
    loadMeta(NFT_META_MARK),
    maskAndXor(register(FORWARD_MARK), register(0)),
    equal(register(FORWARD_MARK)),
  ];
}

/** The mark in a register: 4 bytes in the machine's order. */
function register(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, LITTLE_ENDIAN);
  return bytes;
}
