/**
 * Messages of Linux 6.18 under the lines that conntrack 1.4.7 prints for them (recorded with strace),
 * and ours: a deletion is of what `conntrack -D` sends that the kernel looks at, and the id.
 */

import { deepEqual, equal } from "node:assert/strict";
import { formatIP, parseIP } from "../../../src/net/ip.ts";
import { Connection } from "../../../src/netlink/connection.ts";
import {
  deleteConnection,
  IPS_SEEN_REPLY,
  IPS_SRC_NAT,
  listConnections,
  listRequest,
  parseConnection,
  type TrackedConnection,
} from "../../../src/netlink/conntrack.ts";
import { datagram, done, fakeTransport, message } from "./fake_kernel.ts";
import { received, written } from "./nftables/hex.ts";

/** Tuples as both sides write them. */
const ICMP_ORIGINAL = "140001800800" + "01000a2a0002080002000a2b0007" +
  "24000280050001000100000006000400004d00000500050008000000050006000000" + "0000";
const ICMP_REPLY = "14000180080001000a2b000708000200c0000201" +
  "24000280050001000100000006000400004d0000050005000000000005000600" + "00000000";
const UDP4_ORIGINAL = "14000180080001000a2a0002080002000a2b0001" +
  "1c000280050001001100000006000200126700000600030000350000";
const UDP4_REPLY = "14000180080001000a2b000108000200c0000201" +
  "1c000280050001001100000006000200003500000600030012670000";
const UDP6_ORIGINAL = "2c00018014000300fd420000000000000000000000000002" +
  "14000400fd430000000000000000000000000001" +
  "1c000280050001001100000006000200126700000600030000350000";
const UDP6_REPLY = "2c00018014000300fd430000000000000000000000000001" +
  "1400040020010db8000000000000000000000001" +
  "1c000280050001001100000006000200003500000600030012670000";

/** CTA_STATUS confirmed, source translated, both decided; CTA_MARK; CTA_ID; CTA_USE; CTA_TIMEOUT. */
const rest = (id: string) =>
  `0800030000000198080008000000000008000c00${id}08000b0000000001080007000000001d`;

const GOLDEN = [
  {
    conntrack:
      "icmp 1 29 src=10.42.0.2 dst=10.43.0.7 type=8 code=0 id=77 [UNREPLIED] src=10.43.0.7 dst=192.0.2.1 type=0 code=0 id=77",
    hex: `020000003c000180${ICMP_ORIGINAL}3c000280${ICMP_REPLY}${rest("5b4df794")}`,
    addresses: ["10.42.0.2", "10.43.0.7", "10.43.0.7", "192.0.2.1"],
    protocol: {
      CTA_PROTO_NUM: 1,
      CTA_PROTO_ICMP_ID: 77,
      CTA_PROTO_ICMP_TYPE: 8,
      CTA_PROTO_ICMP_CODE: 0,
    },
    deletion: `020000003c000180${ICMP_ORIGINAL}08000c005b4df794`,
  },
  {
    conntrack:
      "udp 17 29 src=10.42.0.2 dst=10.43.0.1 sport=4711 dport=53 [UNREPLIED] src=10.43.0.1 dst=192.0.2.1 sport=53 dport=4711",
    hex: `0200000034000180${UDP4_ORIGINAL}34000280${UDP4_REPLY}${rest("25e96cb7")}`,
    addresses: ["10.42.0.2", "10.43.0.1", "10.43.0.1", "192.0.2.1"],
    protocol: { CTA_PROTO_NUM: 17, CTA_PROTO_SRC_PORT: 4711, CTA_PROTO_DST_PORT: 53 },
    deletion: `0200000034000180${UDP4_ORIGINAL}08000c0025e96cb7`,
  },
  {
    conntrack:
      "udp 17 29 src=fd42::2 dst=fd43::1 sport=4711 dport=53 [UNREPLIED] src=fd43::1 dst=2001:db8::1 sport=53 dport=4711",
    hex: `0a0000004c000180${UDP6_ORIGINAL}4c000280${UDP6_REPLY}${rest("a217de07")}`,
    addresses: ["fd42::2", "fd43::1", "fd43::1", "2001:db8::1"],
    protocol: { CTA_PROTO_NUM: 17, CTA_PROTO_SRC_PORT: 4711, CTA_PROTO_DST_PORT: 53 },
    deletion: `0a0000004c000180${UDP6_ORIGINAL}08000c00a217de07`,
  },
] as const;

for (const { conntrack, hex, addresses, protocol, deletion } of GOLDEN) {
  Deno.test(`parseConnection() reads \`${conntrack}\``, () => {
    const { original, reply, status, zone } = parse(hex);
    const read = [original.source, original.destination, reply.source, reply.destination];
    deepEqual(read.map(formatIP), addresses);
    deepEqual({ ...original.protocol }, protocol);
    equal(status & (IPS_SRC_NAT | IPS_SEEN_REPLY), IPS_SRC_NAT);
    equal(zone, undefined);
  });
  Deno.test(`deleteConnection() names tuple and id of \`${conntrack}\``, () => {
    const request = deleteConnection(parse(hex));
    equal(request.type, 0x102);
    equal(written(request), deletion);
  });
}

Deno.test("deleteConnection() tells the zones", () => {
  const connection = parse(GOLDEN[1].hex);
  equal(
    written(deleteConnection({ ...connection, zone: 7 })),
    `${GOLDEN[1].deletion}0600120000070000`,
  );
  const original = { ...connection.original, zone: 7 };
  equal(
    written(deleteConnection({ ...connection, original })),
    `020000003c000180${UDP4_ORIGINAL}060003000007000008000c0025e96cb7`,
  );
});

Deno.test("deleteConnection() says what it tries", () => {
  equal(
    deleteConnection(parse(GOLDEN[1].hex)).describe(),
    "forget connection 10.42.0.2 → 10.43.0.1",
  );
});

Deno.test("listRequest() is that of `conntrack -L -f ipv6`, filtered by status", () => {
  const request = listRequest(6, IPS_SRC_NAT);
  equal(request.type, 0x101);
  equal(written(request), "0a0000000800030000000010");
});

Deno.test("parseConnection() leaves out what is no connection between addresses of its family", () => {
  const damages: readonly (readonly [string, string])[] = [
    ["0200000034", "0700000034"], // another family
    ["0200000034", "0a00000034"], // addresses of IPv4 in one of IPv6
    ["34000280", "34007f80"], // without reply
    ["08000c00", "08007f00"], // without id
  ];
  for (const [whole, damaged] of damages) {
    equal(parseConnection(received(GOLDEN[1].hex.replace(whole, damaged))), undefined);
  }
});

Deno.test("listConnections() leaves out what an older kernel did not filter", async () => {
  const payload = (hex: string) => Uint8Array.fromHex(hex);
  const { hex } = GOLDEN[1];
  const transport = fakeTransport(([request]) => {
    const fields = { type: 0x100, sequence: request!.sequence, flags: 2 };
    return [datagram(
      message({ ...fields, payload: payload(hex.replace("00000198", "00000188")) }),
      message({ ...fields, payload: payload(hex) }),
      message({ ...fields, payload: payload(GOLDEN[2].hex) }),
      done(request!),
    )];
  });
  const from: bigint[] = [];
  const list = (isWanted: boolean) =>
    Array.fromAsync(listConnections(new Connection(transport), {
      family: 4,
      status: IPS_SRC_NAT,
      answersFrom: (address) => (from.push(address), isWanted),
    }));
  const found = (await list(true)).flat();
  deepEqual(found.map(({ original }) => original.source), [parseIP("10.42.0.2")]);
  deepEqual(from, [parseIP("10.43.0.1")!.value, parseIP("10.43.0.1")!.value]);
  deepEqual(await list(false), []);
});

function parse(hex: string): TrackedConnection {
  return parseConnection(received(hex))!;
}
