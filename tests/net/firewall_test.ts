/** The firewall that the kernel has, as nft sees it. */

import { deepEqual, equal, ok } from "node:assert/strict";
import { FirewallApplier, planFirewall } from "../../src/dataplane/firewall/applier.ts";
import type { Firewall } from "../../src/net/firewall.ts";
import { width } from "../../src/net/ip.ts";
import type { Prefix } from "../../src/net/prefix.ts";
import { DESIRED, elements, firewall, openMeddled } from "./firewalls.ts";
import { NetworkNamespace } from "./namespace.ts";

/** A table's chains and rules without handles. */
function chains(namespace: NetworkNamespace, table: string): string {
  const text = namespace.run(`nft -nn -s list table ${table}`);
  return text.slice(text.indexOf("\tchain")).replaceAll("\t", "").replaceAll("\n\n", "\n");
}

Deno.test("FirewallApplier.apply() makes what nft lists", () => {
  using namespace = NetworkNamespace.enter("nft");
  const { connection } = openMeddled();
  using _connection = connection;
  new FirewallApplier(connection).apply(DESIRED);

  deepEqual(elements(namespace, "ip", "sources"), ["10.42.0.0/24", "10.5.0.1"]);
  deepEqual(elements(namespace, "ip", "destinations"), ["192.168.1.0/24"]);
  deepEqual(elements(namespace, "ip", "known"), ["10.4.0.1", "10.42.0.0/23", "255.255.255.0/24"]);
  deepEqual(elements(namespace, "ip", "ipip"), ["172.16.0.1-172.16.0.2"]);
  deepEqual(elements(namespace, "ip", "forward"), ["10.42.0.0/24"]);
  deepEqual(elements(namespace, "ip6", "sources"), ["fd42::/64"]);
  deepEqual(elements(namespace, "ip6", "destinations"), ["2001:db8:1::/48"]);
  deepEqual(elements(namespace, "ip6", "known"), ["fd42::/63"]);
  deepEqual(elements(namespace, "ip6", "ipip"), []);
  deepEqual(elements(namespace, "ip6", "forward"), ["fd42::/64"]);

  const expected = (ip: "ip" | "ip6") =>
    `
chain postrouting {
type nat hook postrouting priority 95; policy accept;
${ip} daddr @known return comment "Kilo: leave known destinations alone"
${ip} saddr @sources masquerade comment "Kilo: masquerade what pods and peers send elsewhere"
${ip} daddr @destinations masquerade comment "Kilo: masquerade what goes to allowed location IPs"
}
chain input {
type filter hook input priority -1; policy accept;
meta l4proto 4 ${ip} saddr != @ipip drop comment "Kilo: reject other IPIP traffic"
}
chain forward {
type filter hook forward priority -1; policy accept;
${ip} saddr @forward meta mark set meta mark | 0x10000000 comment "Kilo: mark packets from pods and their nodes"
${ip} daddr @forward meta mark set meta mark | 0x10000000 comment "Kilo: mark packets to pods and their nodes"
}
}
`.trimStart();
  equal(chains(namespace, "ip kilo"), expected("ip"));
  equal(chains(namespace, "ip6 kilo"), expected("ip6"));
});

Deno.test("FirewallApplier.apply() of an unchanged desired state sends the kernel nothing", () => {
  using _namespace = NetworkNamespace.enter("nft");
  const { connection, transport } = openMeddled();
  using _connection = connection;
  const applier = new FirewallApplier(connection);
  applier.apply(DESIRED);
  const { sends } = transport;
  deepEqual(applier.apply(DESIRED), []);
  deepEqual(applier.apply(structuredClone(DESIRED)), []);
  deepEqual(applier.apply(structuredClone(DESIRED), { stage: "begin" }), []);
  equal(transport.sends, sends);
});

Deno.test("FirewallApplier.apply() looks and changes nothing where a predecessor left all right", () => {
  using _namespace = NetworkNamespace.enter("nft");
  const { connection, transport } = openMeddled();
  using _connection = connection;
  new FirewallApplier(connection).apply(DESIRED);
  equal(transport.batches, 1);
  deepEqual(planFirewall(connection, DESIRED), []);
  const successor = new FirewallApplier(connection);
  deepEqual(successor.apply(DESIRED, { stage: "begin" }), []);
  deepEqual(successor.apply(DESIRED), []);
  equal(transport.batches, 1);
});

Deno.test("FirewallApplier.apply() sends one transaction with the elements of other members", () => {
  using namespace = NetworkNamespace.enter("nft");
  const { connection, transport } = openMeddled();
  using _connection = connection;
  const applier = new FirewallApplier(connection);
  applier.apply(firewall({ keep: "10.0.0.0/24 10.0.2.0/24 255.255.255.255/32 fd00::/128" }));
  const { sends } = transport;
  const steps: readonly [keep: string, ip: string[], ip6: string[]][] = [
    // joins two intervals, then splits them
    ["10.0.0.0/24 10.0.1.0/24 10.0.2.0/24", ["10.0.0.0-10.0.2.255"], []],
    ["10.0.0.0/24 10.0.2.0/24", ["10.0.0.0/24", "10.0.2.0/24"], []],
    // everything, and back
    ["10.0.0.0/24 0.0.0.0/0 ::/0", ["0.0.0.0/0"], ["::/0"]],
    ["10.0.0.7/32 128.0.0.0/1 fd00::/16", ["10.0.0.7", "128.0.0.0/1"], ["fd00::/16"]],
    ["", [], []],
  ];
  steps.forEach(([keep, ip, ip6], index) => {
    const changes = applier.apply(firewall({ keep }));
    ok(changes.every(({ kind }) => kind === "elements"));
    deepEqual(elements(namespace, "ip", "known"), ip);
    deepEqual(elements(namespace, "ip6", "known"), ip6);
    equal(transport.sends, sends + index + 1);
  });
});

Deno.test("FirewallApplier.apply() makes 15,000 intervals of each family in one transaction", () => {
  using _namespace = NetworkNamespace.enter("nft");
  const { connection, transport } = openMeddled();
  using _connection = connection;
  const keep = ([4, 6] as const).flatMap((family) =>
    Array.from({ length: 15_000 }, (_, index): Prefix => ({
      ip: { family, value: BigInt(2 * index + 1) },
      bits: width(family),
    }))
  );
  const desired: Firewall = { nat: { sources: [], destinations: [], keep } };
  const applier = new FirewallApplier(connection);
  applier.apply(desired);
  equal(transport.batches, 1);
  deepEqual(planFirewall(connection, desired), []);
  const [change, ...more] = applier.apply({
    nat: { ...desired.nat, keep: keep.toSpliced(7000, 1) },
  });
  ok(change?.kind === "elements" && change.intervals.length === 1);
  deepEqual(more, []);
});

Deno.test("FirewallApplier.apply() repairs after invalidate() whatever was done to its tables", () => {
  using namespace = NetworkNamespace.enter("nft");
  const { connection } = openMeddled();
  using _connection = connection;
  const applier = new FirewallApplier(connection);
  applier.apply(DESIRED);
  const right = namespace.run("nft list ruleset");
  const damages = [
    "delete element ip kilo known { 10.42.0.0/23 }",
    "add element ip kilo known { 8.8.8.8 }",
    "flush set ip6 kilo sources",
    "add set ip kilo foreign { type ipv4_addr; }",
    "add map ip kilo foreign { type ipv4_addr : verdict; }",
    "add counter ip kilo foreign",
    "add chain ip kilo foreign",
    "add rule ip kilo forward drop",
    "flush chain ip6 kilo postrouting",
    "add chain ip kilo input { policy drop; }",
    "add table ip kilo { flags dormant; }",
    "delete table ip kilo",
    "flush ruleset",
    "flush ruleset; add table ip kilo; add chain ip kilo x; add rule ip kilo x counter",
  ];
  for (const damage of damages) {
    Deno.writeTextFileSync("/dev/shm/nft-damage", damage);
    namespace.run("nft -f /dev/shm/nft-damage");
    applier.invalidate();
    ok(applier.apply(DESIRED).length > 0, damage);
    equal(sorted(namespace.run("nft list ruleset")), sorted(right), damage);
  }
  Deno.removeSync("/dev/shm/nft-damage");
});

Deno.test("FirewallApplier.apply() looks after verify() if there was a transaction", () => {
  using namespace = NetworkNamespace.enter("nft");
  const { connection } = openMeddled();
  using _connection = connection;
  let observations = 0;
  const applier = new FirewallApplier(connection, {
    did: (operations) =>
      observations += operations.some((each) => each.operation === "ListChains") ? 1 : 0,
  });
  const observationsOf = (damage?: string): number => {
    if (damage) namespace.run(`nft ${damage}`);
    const before = observations;
    applier.verify();
    ok(applier.apply(DESIRED).length === (damage?.includes("kilo") ? 1 : 0), damage);
    return observations - before;
  };
  applier.apply(DESIRED);
  equal(observationsOf(), 0);
  ok(observationsOf("add table ip others") > 0);
  equal(observationsOf(), 0);
  ok(observationsOf("delete element ip kilo known { 10.42.0.0/23 }") > 0);
  equal(observationsOf(), 0);

  const fewer = { ...DESIRED, nat: { ...DESIRED.nat, keep: [] } };
  applier.apply(fewer);
  equal(applier.apply(DESIRED).length > 0, true);
  equal(observationsOf(), 0);
  applier.apply(fewer);
  namespace.run("nft add table ip more");
  applier.apply(DESIRED);
  ok(observationsOf() > 0, "another's transaction before ours");
});

/** The tables in the order of their text: a new one is listed last. */
function sorted(ruleset: string): string {
  return ruleset.split(/^(?=table)/m).sort().join("");
}

Deno.test("FirewallApplier.apply() looks by itself when the kernel has not what it remembers", () => {
  using namespace = NetworkNamespace.enter("nft");
  const { connection } = openMeddled();
  using _connection = connection;
  const applier = new FirewallApplier(connection);
  applier.apply(firewall({ keep: "10.0.0.0/24 10.0.2.0/24" }));
  namespace.run("nft delete table ip kilo");
  applier.apply(firewall({ keep: "10.0.0.0/24" }));
  deepEqual(elements(namespace, "ip", "known"), ["10.0.0.0/24"]);
});

Deno.test("FirewallApplier.apply() withholds masquerading only where nothing is masqueraded", () => {
  using namespace = NetworkNamespace.enter("nft");
  const { connection } = openMeddled();
  using _connection = connection;
  const applier = new FirewallApplier(connection);
  applier.apply(DESIRED, { stage: "begin" });
  deepEqual(elements(namespace, "ip", "sources"), []);
  deepEqual(elements(namespace, "ip", "known"), ["10.4.0.1", "10.42.0.0/23", "255.255.255.0/24"]);
  // Killed here, the next start withholds again.
  const successor = new FirewallApplier(connection);
  deepEqual(successor.apply(DESIRED, { stage: "begin" }), []);
  deepEqual(successor.apply(structuredClone(DESIRED), { stage: "begin" }), []);
  ok(successor.apply(DESIRED).every(({ kind }) => kind === "elements"));
  deepEqual(elements(namespace, "ip", "sources"), ["10.42.0.0/24", "10.5.0.1"]);

  const other = firewall({ sources: "10.42.0.0/24 10.6.0.1/32", keep: "10.42.0.0/24" });
  new FirewallApplier(connection).apply(other, { stage: "begin" });
  deepEqual(elements(namespace, "ip", "sources"), ["10.42.0.0/24", "10.5.0.1", "10.6.0.1"]);
});

Deno.test("FirewallApplier.apply() begins with what is added, and ends with what is removed", () => {
  using namespace = NetworkNamespace.enter("nft");
  const { connection, transport } = openMeddled();
  using _connection = connection;
  const applier = new FirewallApplier(connection);
  const keeping = (keep: string) => firewall({ sources: "10.42.0.0/24", keep });
  applier.apply(keeping("10.0.0.0/24 10.0.2.0/24"));
  /** Both stages: what is known then, and the transactions it took. */
  const stages = (keep: string) => {
    const desired = keeping(keep);
    return (["begin", "complete"] as const).map((stage) => {
      const { batches } = transport;
      applier.apply(desired, { stage });
      return [elements(namespace, "ip", "known").join(" "), transport.batches - batches];
    });
  };
  deepEqual(stages("10.0.2.0/24 10.0.4.0/24"), [
    ["10.0.0.0/24 10.0.2.0/24 10.0.4.0/24", 1],
    ["10.0.2.0/24 10.0.4.0/24", 1],
  ]);
  deepEqual(stages("10.0.0.0/24 10.0.2.0/24 10.0.4.0/24").at(-1)![1], 0, "only additions");
  deepEqual(stages("10.0.4.0/24"), [
    ["10.0.0.0/24 10.0.2.0/24 10.0.4.0/24", 0],
    ["10.0.4.0/24", 1],
  ]);
  deepEqual(stages("10.0.5.0/24"), [["10.0.4.0/23", 1], ["10.0.5.0/24", 1]]);
});

Deno.test("FirewallApplier.apply() makes and removes the chains that are desired", () => {
  using namespace = NetworkNamespace.enter("nft");
  const { connection } = openMeddled();
  using _connection = connection;
  const applier = new FirewallApplier(connection);
  const names = () =>
    [...chains(namespace, "ip kilo").matchAll(/^chain (\w+)/gm)].map(([, name]) => name);
  applier.apply(firewall({}));
  deepEqual(names(), ["postrouting"]);
  applier.apply(firewall({ ipip: "" }));
  deepEqual(names(), ["postrouting", "input"]);
  applier.apply(firewall({ forward: "10.42.0.0/24" }));
  deepEqual(names(), ["postrouting", "forward"]);
});

Deno.test("FirewallApplier leaves everything of others as it is", () => {
  using namespace = NetworkNamespace.enter("nft");
  const { connection } = openMeddled();
  using _connection = connection;
  const foreign = `table inet kilo {
	chain forward {
		type filter hook forward priority filter; policy accept;
		ip saddr 10.42.0.0/24 counter packets 0 bytes 0 accept
	}
}
table ip filter {
	chain KILO {
		accept
	}

	chain FORWARD {
		type filter hook forward priority filter; policy drop;
		accept comment "Kilo"
	}
}
`;
  Deno.writeTextFileSync("/dev/shm/nft-foreign", foreign);
  namespace.run("nft -f /dev/shm/nft-foreign");
  Deno.removeSync("/dev/shm/nft-foreign");
  const applier = new FirewallApplier(connection);
  applier.apply(DESIRED);
  ok(namespace.run("nft list ruleset").includes("table inet kilo"));
  ok(namespace.run("nft list chain ip filter FORWARD").includes("table kilo marked"));
  applier.remove();
  equal(namespace.run("nft list ruleset"), foreign);
  deepEqual(applier.remove(), []);
});
