/** The original agent's rules, made by the program it makes them with, go when ours are in force. */

import { deepEqual, equal, ok } from "node:assert/strict";
import { FirewallApplier } from "../../src/dataplane/firewall/applier.ts";
import { takeOver } from "../../src/dataplane/firewall/takeover.ts";
import { firewall, openMeddled } from "./firewalls.ts";
import { Router } from "./router.ts";

/** What the original leaves: a leader with IPIP, forward rules and a peer. */
const original = (iptables: string, { pods, peer, service }: Record<string, string>) => `
k() { c="$1"; shift; ${iptables} "$@" -m comment --comment "Kilo: $c" -j "$TO"; }
${iptables} -N KILO-IPIP; ${iptables} -t nat -N KILO-NAT
TO=KILO-IPIP k "jump to IPIP chain" -A INPUT -p ipencap
TO=DROP k "reject other IPIP traffic" -A INPUT -p ipencap
TO=ACCEPT k "allow IPIP traffic" -I KILO-IPIP -s ${peer}
TO=RETURN k "do not NAT packets destined for service CIDRs" -t nat -A KILO-NAT -d ${service}
TO=MASQUERADE k "NAT remaining packets" -t nat -A KILO-NAT
TO=KILO-NAT k "jump to KILO-NAT chain" -t nat -I POSTROUTING -s ${pods}
TO=ACCEPT k "forward packets from the pod subnet" -I FORWARD -s ${pods}
TO=ACCEPT k "forward packets to the pod subnet" -I FORWARD -d ${pods}
TO=RETURN k "do not NAT packets destined for WireGuared IPs" -t nat -I KILO-NAT -d ${peer}
TO=KILO-NAT k "jump to NAT chain" -t nat -I POSTROUTING -s ${peer}
`;

const ORIGINAL = original("iptables", {
  pods: "10.42.0.0/24",
  peer: "10.5.0.1/32",
  service: "10.96.0.0/13",
}) + original("ip6tables", { pods: "fd42::/64", peer: "fd05::1/128", service: "fd96::/108" });

const OTHERS = ["iptables", "ip6tables"].map((iptables) => `
${iptables} -A INPUT -p ipencap -m comment --comment "kilo: mine" -j ACCEPT
${iptables} -A FORWARD -m comment --comment "not Kilo: mine" -j ACCEPT
${iptables} -N OTHER; ${iptables} -A OTHER -m comment --comment "Kilo: in a chain of mine" -j RETURN
${iptables} -t nat -A POSTROUTING -j ACCEPT
${iptables} -t mangle -A FORWARD -m comment --comment "Kilo: in a table of mine" -j ACCEPT
`).join("");

const DESIRED = firewall({
  sources: "10.42.0.0/24 fd42::/64",
  keep: "10.43.0.0/16 fd43::/16",
  ipip: "10.5.0.1/32",
  forward: "10.42.0.0/24 fd42::/64",
});

/** Rules without counters, per table and family. */
function saved(router: Router): string {
  return router.sh(
    "for t in filter nat mangle; do iptables -t $t -S; ip6tables -t $t -S; done",
  );
}

Deno.test("takeOver() removes the original's rules and chains and nobody else's", () => {
  using router = new Router();
  const { connection, transport } = openMeddled();
  using _connection = connection;
  router.sh(OTHERS);
  const applier = new FirewallApplier(connection);
  applier.apply(DESIRED);
  const without = saved(router);
  applier.remove();

  router.sh(ORIGINAL);
  applier.apply(DESIRED);
  const { batches } = transport;
  ok(saved(router).includes("KILO-NAT"));
  equal(router.seenAs("192.0.2.2"), "192.0.2.1");
  ok(takeOver(connection).length > 0);
  equal(transport.batches, batches + 1);
  equal(saved(router), without);
  equal(router.seenAs("192.0.2.2"), "192.0.2.1");
  equal(router.seenAs("10.43.0.1"), "10.42.0.2");

  deepEqual(takeOver(connection), []);
  equal(transport.batches, batches + 1);
});

Deno.test("takeOver() empties a chain of the original that somebody else's rule uses", () => {
  using router = new Router();
  const { connection } = openMeddled();
  using _connection = connection;
  router.sh(ORIGINAL);
  router.sh("iptables -t nat -A POSTROUTING -s 10.77.0.0/16 -j KILO-NAT");
  takeOver(connection);
  const left = saved(router).split("\n").filter((line) => /kilo/i.test(line));
  deepEqual(left, [
    "-N KILO-IPIP",
    "-N KILO-IPIP",
    "-N KILO-NAT",
    "-A POSTROUTING -s 10.77.0.0/16 -j KILO-NAT",
    "-N KILO-NAT",
  ]);
});
