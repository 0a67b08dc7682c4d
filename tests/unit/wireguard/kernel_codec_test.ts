import assert from "node:assert/strict";
import { formatPrefix } from "../../../src/net/prefix.ts";
import type { DeviceState } from "../../../src/net/device.ts";
import { parseEndpoint } from "../../../src/net/endpoint.ts";
import { keyFromBytes, ZERO_KEY } from "../../../src/net/key.ts";
import { parsePrefix } from "../../../src/net/prefix.ts";
import { readAttributes, writeAttributes } from "../../../src/netlink/attribute.ts";
import { MalformedError } from "../../../src/netlink/error.ts";
import { Writer } from "../../../src/netlink/writer.ts";
import type { DeviceChange, PeerSetting } from "../../../src/wireguard/change.ts";
import { decodeDevice, encodeChange, WGDEVICE } from "../../../src/wireguard/kernel_codec.ts";
import { wgDump } from "../../lab/wg_dump.ts";
import { PAYLOADS, WG_SHOW_DUMP } from "./kernel_answer.ts";

const key = (fill: number) => keyFromBytes(new Uint8Array(32).fill(fill));
const prefix = (text: string) => parsePrefix(text)!;
const endpoint = (text: string) => {
  const { ip, port } = parseEndpoint(text)!;
  return { ip: ip!, port };
};

function setting(values: Partial<PeerSetting>): PeerSetting {
  const lists = { addAllowedIPs: [], removeAllowedIPs: [] };
  return { kind: "add", publicKey: key(2), ...lists, ...values };
}

function bytes(message: ReturnType<typeof encodeChange>[number]): Uint8Array<ArrayBuffer> {
  const out = new Writer();
  writeAttributes(out, WGDEVICE, message);
  return out.bytes();
}

const K = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
const [PUBLIC, PRIVATE, PSK] = ["02".repeat(32), "01".repeat(32), "03".repeat(32)];

/**
 * What wg (wireguard-tools 1.0.20210914) sends for the command after its `struct genlmsghdr`, and
 * where ours differs on purpose: what stands there and what here.
 */
const GOLDENS: readonly (readonly [
  command: string,
  DeviceChange,
  wg: string,
  but?: readonly [string, string],
])[] = [
  [
    "wg set wg0 private-key FILE listen-port 51820",
    { privateKey: key(1), listenPort: 51820, peers: [] },
    `080002007767300024000300${PRIVATE}060006006cca0000`,
  ],
  [
    `wg set wg0 peer ${K} preshared-key FILE endpoint 203.0.113.1:51820 persistent-keepalive 25`,
    {
      peers: [setting({
        presharedKey: key(3),
        endpoint: endpoint("203.0.113.1:51820"),
        persistentKeepalive: 25,
      })],
    },
    `08000200776730006c0008806800008024000100${PUBLIC}24000200${PSK}` +
    `140004000200ca6ccb00710100000000000000000600050019000000`,
  ],
  [
    `wg set wg0 peer ${K} endpoint [fd00::1]:51820 persistent-keepalive off`,
    { peers: [setting({ endpoint: endpoint("[fd00::1]:51820"), persistentKeepalive: 0 })] },
    `0800020077673000540008805000008024000100${PUBLIC}` +
    `200004000a00ca6c00000000fd000000000000000000000000000001000000000600050000000000`,
  ],
  [
    `wg set wg0 peer ${K} preshared-key /dev/null`,
    { peers: [setting({ presharedKey: ZERO_KEY })] },
    `0800020077673000500008804c00008024000100${PUBLIC}24000200${"00".repeat(32)}`,
  ],
  [
    `wg set wg0 peer ${K} remove`,
    { peers: [{ kind: "remove", publicKey: key(2) }] },
    `0800020077673000340008803000008024000100${PUBLIC}0800030001000000`,
  ],
  [
    // WGPEER_F_REPLACE_ALLOWEDIPS (2) there; here WGPEER_F_UPDATE_ONLY (4), and it keeps what it has.
    `wg set wg0 peer ${K} allowed-ips 10.4.0.1/32,fd00::/64`,
    {
      peers: [
        setting({ kind: "update", addAllowedIPs: [prefix("10.4.0.1/32"), prefix("fd00::/64")] }),
      ],
    },
    `08000200776730007c0008807800008024000100${PUBLIC}0800030002000000480009801c000080` +
    `0600010002000000080002000a04000105000300200000002800008006000100` +
    `0a00000014000200fd0000000000000000000000000000000500030040000000`,
    ["0800030002000000", "0800030004000000"],
  ],
];

for (const [command, change, wg, [there, here] = ["", ""]] of GOLDENS) {
  Deno.test(`encodeChange() sends the bytes of ${command}`, () => {
    const messages = encodeChange("wg0", change);
    assert.deepEqual(messages.map((message) => bytes(message).toHex()), [wg.replace(there, here)]);
  });
}

Deno.test("encodeChange() marks the allowed IPs that go", () => {
  // No released wg does this yet: WGALLOWEDIP_A_FLAGS (4) is WGALLOWEDIP_F_REMOVE_ME (1).
  const removeAllowedIPs = [prefix("10.4.0.1/32")];
  const messages = encodeChange("wg0", { peers: [setting({ kind: "update", removeAllowedIPs })] });
  const expected = `08000200776730005c0008805800008024000100${PUBLIC}0800030004000000` +
    `28000980240000800600010002000000080002000a04000105000300200000000800040001000000`;
  assert.equal(bytes(messages[0]!).toHex(), expected);
});

/** What a kernel would have after the messages, which all must be small enough for it. */
function carryOut(messages: ReturnType<typeof encodeChange>): Map<string, string[]> {
  const peers = new Map<string, string[]>();
  for (const message of messages) {
    const encoded = bytes(message);
    assert.ok(encoded.length < 0xffff);
    const { WGDEVICE_A_PEERS = [] } = readAttributes(
      WGDEVICE,
      new DataView(encoded.buffer, 0, encoded.length),
    );
    for (const peer of WGDEVICE_A_PEERS) {
      const name = peer.WGPEER_A_PUBLIC_KEY!;
      if (peer.WGPEER_A_FLAGS === 4) assert.ok(peers.has(name));
      const ips = peers.get(name) ?? peers.set(name, []).get(name)!;
      for (const it of peer.WGPEER_A_ALLOWEDIPS ?? []) {
        ips.push(`${it.WGALLOWEDIP_A_IPADDR!.value}/${it.WGALLOWEDIP_A_CIDR_MASK}`);
      }
    }
  }
  return peers;
}

Deno.test("encodeChange() splits a peer with many allowed IPs over messages", () => {
  const addAllowedIPs = Array.from({ length: 5000 }, (_, index) => ({
    ip: { family: 6 as const, value: (0xfd00n << 112n) + BigInt(index) },
    bits: 128,
  }));
  const change = { listenPort: 7, peers: [setting({ persistentKeepalive: 9, addAllowedIPs })] };
  const messages = encodeChange("wg0", change);
  assert.ok(messages.length > 3);
  assert.equal(messages.filter((it) => it.WGDEVICE_A_LISTEN_PORT !== undefined).length, 1);
  const pieces = messages.flatMap((it) => it.WGDEVICE_A_PEERS ?? []);
  const [first, ...rest] = pieces;
  assert.deepEqual([first!.WGPEER_A_FLAGS, first!.WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL], [
    undefined,
    9,
  ]);
  for (const piece of rest) {
    assert.equal(piece.WGPEER_A_FLAGS, 4);
    assert.equal(piece.WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, undefined);
  }
  const ips = addAllowedIPs.map(({ ip }) => `${ip.value}/128`);
  assert.deepEqual(carryOut(messages), new Map([[key(2) as string, ips]]));
});

Deno.test("encodeChange() splits many peers over messages", () => {
  const peers = Array.from({ length: 1000 }, (_, index) => {
    const publicKey = keyFromBytes(new Uint8Array(new Uint32Array(8).fill(index + 1).buffer));
    const ip = { family: 4 as const, value: BigInt(index) };
    return setting({
      publicKey,
      presharedKey: key(3),
      endpoint: endpoint("[fd00::1]:51820"),
      persistentKeepalive: 1,
      addAllowedIPs: Array.from({ length: index % 300 }, () => ({ ip, bits: 32 })),
    });
  });
  const messages = encodeChange("wg0", { peers });
  assert.ok(messages.length > 10);
  const expected = peers.map(({ publicKey, addAllowedIPs }) =>
    [publicKey as string, addAllowedIPs.map(({ ip }) => `${ip.value}/32`)] as const
  );
  assert.deepEqual(carryOut(messages), new Map(expected));
});

function decode(payloads: readonly Uint8Array<ArrayBuffer>[]): DeviceState {
  return decodeDevice(payloads.map((payload) => {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    return readAttributes(WGDEVICE, view, { start: 4, end: payload.length });
  }));
}

Deno.test("decodeDevice() reads what wg reads, and joins the pieces of a peer", () => {
  const state = decode(PAYLOADS);
  assert.equal(wgDump(state, key(0x41)), WG_SHOW_DUMP);
  assert.equal(state.peers[0]!.lastHandshake, 1_700_000_000_123);
});

Deno.test("decodeDevice() refuses what is incomplete or out of range", () => {
  const peer = { WGPEER_A_PUBLIC_KEY: key(2) };
  const ip = prefix("10.4.0.1/32").ip;
  for (
    const pieces of [
      [{}],
      [{ ...peer, WGPEER_A_ALLOWEDIPS: [{}] }],
      [{ ...peer, WGPEER_A_ALLOWEDIPS: [{ WGALLOWEDIP_A_IPADDR: ip }] }],
      [{
        ...peer,
        WGPEER_A_ALLOWEDIPS: [{ WGALLOWEDIP_A_IPADDR: ip, WGALLOWEDIP_A_CIDR_MASK: 33 }],
      }],
    ]
  ) assert.throws(() => decodeDevice([{ WGDEVICE_A_PEERS: pieces }]), MalformedError);
});

Deno.test("decodeDevice() keeps a network wider than that of IPv4 in IPv6 form apart from IPv4", () => {
  const { peers } = decodeDevice([{
    WGDEVICE_A_PEERS: [{
      WGPEER_A_PUBLIC_KEY: key(2),
      WGPEER_A_ALLOWEDIPS: [96, 104].map((bits) => ({
        WGALLOWEDIP_A_FAMILY: 10,
        WGALLOWEDIP_A_IPADDR: prefix("10.0.0.0/8").ip,
        WGALLOWEDIP_A_CIDR_MASK: bits,
      })),
    }],
  }]);
  assert.deepEqual(peers[0]!.allowedIPs.map(formatPrefix), ["::ffff:a00:0/96", "10.0.0.0/8"]);
});

Deno.test("decodeDevice() reads a device that nobody has configured", () => {
  assert.deepEqual(decodeDevice([{ WGDEVICE_A_IFNAME: "wg0", WGDEVICE_A_PRIVATE_KEY: ZERO_KEY }]), {
    listenPort: 0,
    firewallMark: 0,
    peers: [],
  });
});
