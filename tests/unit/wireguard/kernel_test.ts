import assert from "node:assert/strict";
import { keyFromBytes } from "../../../src/net/key.ts";
import { parsePrefix } from "../../../src/net/prefix.ts";
import { Connection } from "../../../src/netlink/connection.ts";
import { EBUSY, EINVAL, ENODEV, ENOENT, EOPNOTSUPP, EPERM } from "../../../src/os/errno.ts";
import { GENLMSGHDR } from "../../../src/netlink/genetlink.ts";
import {
  type Message,
  NLM_F_ACK,
  NLM_F_DUMP_INTR,
  NLM_F_MULTI,
  readBody,
  writeBody,
} from "../../../src/netlink/message.ts";
import { type WireGuardClient, WireGuardError } from "../../../src/wireguard/client.ts";
import { kernelClient } from "../../../src/wireguard/kernel.ts";
import { type DeviceMessage, WGDEVICE } from "../../../src/wireguard/kernel_codec.ts";
import { Writer } from "../../../src/netlink/writer.ts";
import { wgDump } from "../../lab/wg_dump.ts";
import { answer, done, fakeTransport, message } from "../netlink/fake_kernel.ts";
import { PAYLOADS, WG_SHOW_DUMP } from "./kernel_answer.ts";

const FAMILY = 0x21;
const key = (fill: number) => keyFromBytes(new Uint8Array(32).fill(fill));
const prefix = (text: string) => parsePrefix(text)!;

interface Script {
  /** Errno of the family, 0 if there is one. */
  readonly family?: number;
  /** What a dump answers. */
  readonly dump?: (request: Message) => Uint8Array[];
  /** Errno for what a set request holds. */
  readonly set?: (message: DeviceMessage) => number;
}

/** A kernel with WireGuard that does as the script says, and what it was told to set. */
function open({ family = 0, dump = () => [], set = () => 0 }: Script) {
  const reported: DeviceMessage[] = [];
  let lookups = 0;
  const transport = fakeTransport((requests) =>
    requests.flatMap((request) => {
      if (request.type !== FAMILY) {
        lookups++;
        return family === 0 ? [familyAnswer(request), answer(request)] : [answer(request, family)];
      }
      const { header, attributes } = readBody(request, {
        header: GENLMSGHDR,
        attributes: WGDEVICE,
      });
      assert.deepEqual([header.version, attributes.WGDEVICE_A_IFNAME], [1, "wg0"]);
      if (header.cmd === 0) return dump(request);
      reported.push(attributes);
      const errno = set(attributes);
      return errno !== 0 || request.flags & NLM_F_ACK ? [answer(request, errno)] : [];
    })
  );
  const client = kernelClient("wg0", new Connection(transport));
  return { client, reported, lookups: () => lookups };
}

/** CTRL_CMD_NEWFAMILY with CTRL_ATTR_FAMILY_ID. */
function familyAnswer({ type, sequence }: Message): Uint8Array {
  const payload = Uint8Array.fromHex("01020000" + "06000100" + "21000000");
  return message({ type, sequence, payload });
}

function deviceAnswer({ sequence }: Message, flags = 0): Uint8Array[] {
  return PAYLOADS.map((payload) =>
    message({ type: FAMILY, sequence, flags: NLM_F_MULTI | flags, payload })
  );
}

Deno.test("read() reads the whole device, and finds its family once", async () => {
  const { client, lookups } = open({ dump: (it) => [...deviceAnswer(it), done(it)] });
  for (let pass = 0; pass < 2; pass++) {
    assert.equal(wgDump(await client.read(), key(0x41)), WG_SHOW_DUMP);
  }
  assert.equal(lookups(), 1);
});

Deno.test("read() begins again when the device changed meanwhile", async () => {
  const dumps: Message[] = [];
  const { client } = open({
    dump(it) {
      dumps.push(it);
      return [...deviceAnswer(it, dumps.length === 1 ? NLM_F_DUMP_INTR : 0), done(it)];
    },
  });
  assert.equal((await client.read()).peers.length, 3);
  assert.equal(dumps.length, 2);
});

/** A device whose one peer has 10.4.0.N for each of these. */
function deviceWith({ sequence }: Message, ips: readonly number[]): Uint8Array {
  const out = new Writer();
  writeBody(out, [GENLMSGHDR, { cmd: 0, version: 1 }], [WGDEVICE, {
    WGDEVICE_A_IFNAME: "wg0",
    WGDEVICE_A_PEERS: [{
      WGPEER_A_PUBLIC_KEY: UPDATE.publicKey,
      WGPEER_A_ALLOWEDIPS: ips.map((ip) => ({
        WGALLOWEDIP_A_FAMILY: 2,
        WGALLOWEDIP_A_IPADDR: prefix(`10.4.0.${ip}/32`).ip,
        WGALLOWEDIP_A_CIDR_MASK: 32,
      })),
    }],
  }]);
  return message({ type: FAMILY, sequence, flags: NLM_F_MULTI, payload: out.bytes() });
}

function reasonOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(() => "none", (error) => {
    assert.ok(error instanceof WireGuardError);
    assert.match(error.message, /^cannot (read|configure) WireGuard device wg0 of the kernel: /);
    return error.reason;
  });
}

Deno.test("rejections say why", async () => {
  const change = { listenPort: 7, peers: [] };
  const read = ({ client }: { client: WireGuardClient }) => reasonOf(client.read());
  const apply = ({ client }: { client: WireGuardClient }) => reasonOf(client.apply(change));
  assert.equal(await read(open({ family: ENOENT })), "absent");
  assert.equal(await apply(open({ family: ENOENT })), "absent");
  for (
    const [errno, reason] of [
      [ENODEV, "absent"],
      [EOPNOTSUPP, "absent"],
      [EPERM, "denied"],
      [EBUSY, "refused"],
    ] as const
  ) {
    assert.equal(await read(open({ dump: (it) => [answer(it, errno)] })), reason);
    assert.equal(await apply(open({ set: () => errno })), reason);
  }
  const short = (it: Message) => [
    message({ type: FAMILY, sequence: it.sequence, payload: new Uint8Array(2) }),
    done(it),
  ];
  assert.equal(await read(open({ dump: short })), "malformed");
  assert.equal(await read(open({ dump: () => [] })), "broken");
});

Deno.test("apply() of nothing says nothing", async () => {
  const { client, reported, lookups } = open({});
  await client.apply({ peers: [] });
  assert.deepEqual([reported, lookups()], [[], 0]);
});

const UPDATE = {
  kind: "update",
  publicKey: key(2),
  addAllowedIPs: [prefix("10.4.0.1/32")],
  removeAllowedIPs: [prefix("10.4.0.2/32")],
} as const;

/** Per message and peer: flags of the peer, and CIDRs with their flags. */
function legible(reported: readonly DeviceMessage[]): unknown {
  return reported.map(({ WGDEVICE_A_PEERS: peers = [] }) =>
    peers.map((peer) => [
      peer.WGPEER_A_PUBLIC_KEY === UPDATE.publicKey ? "peer" : "scratch",
      peer.WGPEER_A_FLAGS ?? 0,
      ...(peer.WGPEER_A_ALLOWEDIPS ?? []).map((it) => [
        Number(it.WGALLOWEDIP_A_IPADDR!.value & 0xffn),
        it.WGALLOWEDIP_A_FLAGS ?? 0,
      ]),
    ])
  );
}

Deno.test("apply() takes single allowed IPs away by flag, and reads the first time back", async () => {
  let dumps = 0;
  const { client, reported } = open({
    dump(it) {
      dumps++;
      return [done(it)];
    },
  });
  for (let pass = 0; pass < 3; pass++) {
    reported.length = 0;
    await client.apply({ peers: [UPDATE] });
    assert.deepEqual(legible(reported), [[["peer", 4, [1, 0]]], [["peer", 4, [2, 1]]]]);
  }
  assert.equal(dumps, 1);
});

// WireGuard as a module out of tree (DKMS) on Linux 4.19; none of the kernels at hand is as old.
Deno.test("apply() sees that flags of allowed IPs are ignored, and remembers it", async () => {
  let has: readonly number[] = [1, 2];
  let dumps = 0;
  const { client, reported } = open({
    dump(it) {
      dumps++;
      return [deviceWith(it, has), done(it)];
    },
    set({ WGDEVICE_A_PEERS: peers = [] }) {
      const moved = peers.filter((peer) => peer.WGPEER_A_PUBLIC_KEY !== UPDATE.publicKey)
        .flatMap(({ WGPEER_A_ALLOWEDIPS: ips = [] }) => ips)
        .map((it) => Number(it.WGALLOWEDIP_A_IPADDR!.value & 0xffn));
      has = has.filter((ip) => !moved.includes(ip));
      return 0;
    },
  });
  await client.apply({ peers: [UPDATE] });
  const scratch = [["scratch", 0, [2, 0]], ["scratch", 1]];
  assert.deepEqual(legible(reported), [[["peer", 4, [1, 0]]], [["peer", 4, [2, 1]]], scratch]);
  assert.deepEqual(has, [1]);
  reported.length = 0;
  await client.apply({ peers: [UPDATE] });
  assert.deepEqual(legible(reported), [[["peer", 4, [1, 0]]], scratch]);
  assert.equal(dumps, 1);
});

Deno.test("apply() takes single allowed IPs away with a scratch peer on older kernels", async () => {
  const { client, reported } = open({
    dump: (it) => [done(it)],
    set: ({ WGDEVICE_A_PEERS: peers = [] }) =>
      peers.some(({ WGPEER_A_ALLOWEDIPS: ips = [] }) =>
          ips.some((it) => it.WGALLOWEDIP_A_FLAGS !== undefined)
        )
        ? EINVAL
        : 0,
  });
  await client.apply({ peers: [UPDATE] });
  const scratch = [["scratch", 0, [2, 0]], ["scratch", 1]];
  assert.deepEqual(legible(reported), [[["peer", 4, [1, 0]]], [["peer", 4, [2, 1]]], scratch]);
  reported.length = 0;
  await client.apply({ peers: [UPDATE] });
  assert.deepEqual(legible(reported), [[["peer", 4, [1, 0]]], scratch]);
});

Deno.test("no key of a refused request is in the error", async () => {
  const { client } = open({ set: () => EINVAL });
  const secret = { privateKey: key(1), peers: [{ ...UPDATE, presharedKey: key(3) }] };
  const error = await client.apply(secret).catch((error) => error);
  assert.ok(error instanceof WireGuardError);
  assert.doesNotMatch(Deno.inspect(error), /AQEB|AgIC|AwMD|0101|0202|0303/);
});
