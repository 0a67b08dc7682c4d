import { deepEqual, equal } from "node:assert/strict";
import { FlowApplier } from "../../../src/dataplane/flow_applier.ts";
import { newlyKnown, staleFlows } from "../../../src/dataplane/flows.ts";
import { mergePrefixes } from "../../../src/dataplane/firewall/intervals.ts";
import { type Family, parseIP } from "../../../src/net/ip.ts";
import { parsePrefix } from "../../../src/net/prefix.ts";
import { Connection } from "../../../src/netlink/connection.ts";
import {
  IPS_SEEN_REPLY,
  IPS_SRC_NAT,
  type TrackedConnection,
} from "../../../src/netlink/conntrack.ts";
import { EINVAL, ENOENT, EPERM } from "../../../src/os/errno.ts";
import type { Message } from "../../../src/netlink/message.ts";
import type { FirewallChange } from "../../../src/netlink/nftables/change.ts";
import type { Interval } from "../../../src/netlink/nftables/interval.ts";
import { answer, done, fakeTransport, message } from "../netlink/fake_kernel.ts";

function intervals(text: string, family: Family = 4): readonly Interval[] {
  return mergePrefixes(text.split(" ").filter((it) => it).map((it) => parsePrefix(it)!), family);
}

const MASQUERADING = {
  sources: intervals("10.42.0.0/24 10.5.0.1/32"),
  destinations: intervals("192.168.0.0/24"),
  known: intervals("10.1.0.1/32 10.42.0.0/22 10.4.0.0/24 192.168.0.0/24"),
};

const NEW = { added: intervals("10.42.0.0/22 192.168.0.0/24"), removed: intervals("10.42.0.0/24") };

/** `10.42.0.2>10.42.1.2 as 192.0.2.1`, and `via` where its destination is translated to. */
function flow(text: string, status = IPS_SRC_NAT): TrackedConnection {
  const [, from, to, via = to, as] = /^(\S+)>(\S+)(?: via (\S+))? as (\S+)$/.exec(text)!;
  const tuple = (source: string, destination: string) => ({
    source: parseIP(source)!,
    destination: parseIP(destination)!,
    protocol: { CTA_PROTO_NUM: 17, CTA_PROTO_SRC_PORT: 1, CTA_PROTO_DST_PORT: 2 },
    zone: undefined,
  });
  const original = tuple(from!, to!);
  const { family } = original.source;
  return { family, original, reply: tuple(via!, as!), status, id: 1, zone: undefined };
}

function isStale(text: string, status = IPS_SRC_NAT): boolean {
  return staleFlows([flow(text, status)], MASQUERADING, NEW).length > 0;
}

Deno.test("staleFlows() names masqueraded flows to what has become known", () => {
  equal(isStale("10.42.0.2>10.42.1.2 as 192.0.2.1"), true);
  equal(isStale("10.5.0.1>10.42.3.255 as 192.0.2.1"), true, "of a Peer");
  equal(isStale("10.9.0.1>192.168.0.7 as 192.0.2.1"), true, "whoever sends to such destinations");
  equal(isStale("10.42.0.2>10.43.0.1 via 10.42.1.2 as 192.0.2.1"), true, "through a service");
});

Deno.test("staleFlows() leaves alone what is not masqueraded by us", () => {
  equal(isStale("10.42.0.2>10.42.1.2 as 192.0.2.1", 0), false, "not translated");
  equal(isStale("10.42.0.2>10.42.1.2 as 10.42.0.2"), false, "only its port is");
  equal(isStale("10.9.0.1>10.42.1.2 as 192.0.2.1"), false, "another's");
});

Deno.test("staleFlows() leaves alone flows to where nothing has changed", () => {
  equal(isStale("10.42.0.2>8.8.8.8 as 192.0.2.1"), false, "unknown");
  equal(
    isStale("10.42.0.2>10.42.1.2 via 8.8.8.8 as 192.0.2.1"),
    false,
    "translated to the unknown",
  );
  equal(isStale("10.42.0.2>10.4.0.1 as 192.0.2.1"), false, "known before");
  equal(
    isStale("10.42.0.2>10.42.0.3 as 192.0.2.1"),
    false,
    "known before as part of another interval",
  );
  const gone = { added: intervals("10.99.0.0/24"), removed: [] };
  const flows = [flow("10.42.0.2>10.99.0.1 as 192.0.2.1")];
  deepEqual(staleFlows(flows, MASQUERADING, gone), [], "known for a moment");
});

Deno.test("staleFlows() leaves alone what lives under an address of the mesh", () => {
  equal(isStale("10.42.0.2>10.42.1.2 as 10.1.0.1", IPS_SRC_NAT | IPS_SEEN_REPLY), false);
  equal(isStale("10.42.0.2>10.42.1.2 as 10.1.0.1", IPS_SRC_NAT), true, "never answered");
  equal(isStale("10.42.0.2>10.42.1.2 as 192.0.2.1", IPS_SRC_NAT | IPS_SEEN_REPLY), true, "refused");
});

const IP_TABLE = { kind: "table", table: { family: "ip", name: "kilo" } } as const;

function known(verb: "add" | "delete", text: string, family: "ip" | "ip6" = "ip"): FirewallChange {
  const type = family === "ip" ? "ipv4_addr" : "ipv6_addr";
  const set = { family, table: "kilo", name: "known", type } as const;
  return { kind: "elements", verb, set, intervals: intervals(text, family === "ip" ? 4 : 6) };
}

Deno.test("newlyKnown() finds a family's additions to the known destinations", () => {
  const changes = [
    known("delete", "10.42.0.0/24"),
    known("add", "10.42.0.0/23"),
    known("delete", "fd42::/64", "ip6"),
  ];
  deepEqual(newlyKnown(changes, 4), {
    added: intervals("10.42.0.0/23"),
    removed: intervals("10.42.0.0/24"),
  });
  equal(newlyKnown(changes, 6), undefined);
  const [change] = changes;
  const sources = change?.kind === "elements" &&
    { ...change, verb: "add", set: { ...change.set, name: "sources" } } as const;
  equal(newlyKnown(sources ? [sources] : [], 4), undefined);
});

/** A kernel that tracks one flow, and what is asked of it; it may answer with errors. */
function kernel(errors = { list: 0, deletion: 0 }) {
  const asked: string[] = [];
  const transport = fakeTransport((requests) =>
    requests.flatMap((request) => {
      const isDeletion = request.type === 0x102;
      const family = request.payload.getUint8(0) === 2 ? "ip" : "ip6";
      asked.push(`${isDeletion ? "delete" : "list"} ${family}`);
      if (isDeletion) return [answer(request, errors.deletion)];
      return errors.list ? [answer(request, errors.list)] : [entry(request), done(request)];
    })
  );
  const open = () => new Connection(transport);
  return { asked, flows: new FlowApplier(open(), open) };
}

/** 10.42.0.2 → 10.43.0.1 as 192.0.2.1 (see tests/unit/netlink/conntrack_test.ts). */
function entry(request: Message): Uint8Array {
  const payload = Uint8Array.fromHex(
    "020000003400018014000180080001000a2a0002080002000a2b00011c0002800500010011000000060002001267" +
      "00000600030000350000" +
      "3400028014000180080001000a2b000108000200c00002011c000280050001001100000006000200003500000600" +
      "030012670000" + "080003000000019808000c0025e96cb7",
  );
  return message({ type: 0x100, flags: 2, sequence: request.sequence, payload });
}

const IN_FORCE = new Map(
  [[4, {
    sources: intervals("10.42.0.0/24"),
    destinations: [],
    known: intervals("10.43.0.0/16"),
  }]] as const,
);

Deno.test("FlowApplier looks at what it finds at first, and then only when something is added", async () => {
  const { asked, flows } = kernel();
  equal(await flows.follow([], IN_FORCE), 1);
  deepEqual(asked.splice(0), ["list ip", "delete ip"]);
  const [gone, others] = [known("delete", "10.43.0.0/16"), known("add", "fd42::/64", "ip6")];
  for (const changes of [[], [gone], [others]]) equal(await flows.follow(changes, IN_FORCE), 0);
  deepEqual(asked, []);
  equal(await flows.follow([known("add", "10.43.0.0/16")], IN_FORCE), 1);
  deepEqual(asked, ["list ip", "delete ip"]);
});

Deno.test("FlowApplier asks nothing where nobody was masqueraded before", async () => {
  const { asked, flows } = kernel();
  const made = [{ ...IP_TABLE, verb: "add" }, known("add", "10.43.0.0/16")] as const;
  equal(await flows.follow(made, IN_FORCE), 0);
  deepEqual(asked, []);
  equal(await flows.follow([{ ...IP_TABLE, verb: "delete" }, ...made], IN_FORCE), 1, "made again");
  equal(await flows.followOthers(IN_FORCE), 1, "rules of the original agent");
});

Deno.test("FlowApplier tells what is wrong until it no longer is, and never throws", async () => {
  const errors = { list: 0, deletion: 0 };
  const { flows } = kernel(errors);
  const problemWith = async (now: typeof errors) => {
    Object.assign(errors, now);
    await flows.followOthers(IN_FORCE);
    equal(await flows.follow([], IN_FORCE), 0);
    return flows.problem?.message;
  };
  equal(await problemWith({ list: EINVAL, deletion: 0 }), "list IPv4 connections: EINVAL");
  equal(
    await problemWith({ list: 0, deletion: EPERM }),
    "forget connection 10.42.0.2 → 10.43.0.1: EPERM",
  );
  equal(await problemWith({ list: 0, deletion: ENOENT }), undefined, "it has gone by itself");
});
