/** Flows that began before their destination was known, in a kernel that remembers them. */

import { deepEqual, equal, ok } from "node:assert/strict";
import { FirewallApplier } from "../../src/dataplane/firewall/applier.ts";
import { FlowApplier } from "../../src/dataplane/flow_applier.ts";
import type { Firewall } from "../../src/net/firewall.ts";
import { Connection } from "../../src/netlink/connection.ts";
import { NETLINK_NETFILTER, Socket } from "../../src/netlink/socket.ts";
import { firewall, openMeddled } from "./firewalls.ts";
import { Router } from "./router.ts";

const PODS = "10.42.0.0/24 fd42::/64";
const NOTHING_KNOWN = firewall({ sources: PODS });
const KNOWN = firewall({ sources: PODS, keep: "10.43.0.0/24 fd43::/64" });

/** A pod's packets of one flow to the newly known, so the kernel decided once. */
const FLOW = 77;

function openNetfilter(): Connection {
  return new Connection(Socket.open(NETLINK_NETFILTER));
}

class Machine implements Disposable {
  readonly router = new Router();
  readonly opened = openMeddled();
  readonly applier = new FirewallApplier(this.opened.connection);
  flows = new FlowApplier(this.opened.connection, openNetfilter);

  /** Returns how many flows were forgotten. */
  async apply(desired: Firewall): Promise<number> {
    return await this.flows.follow(this.applier.apply(desired), this.applier.sets);
  }

  /** All connections that the host tracks, as conntrack prints them, by their ids. */
  tracked(): Map<string, string> {
    const lines = ["ipv4", "ipv6"].flatMap((family) =>
      this.router.sh(`conntrack -L -f ${family} -o id 2>/dev/null`).trim().split("\n")
    );
    return new Map(
      lines.filter((line) => line !== "").map((line) => [/id=(\d+)$/.exec(line)![1]!, line]),
    );
  }

  [Symbol.dispose](): void {
    this.opened.connection[Symbol.dispose]();
    this.router[Symbol.dispose]();
  }
}

Deno.test("a masqueraded flow is itself with the next packet after its destination is known", async () => {
  using machine = new Machine();
  const { router } = machine;
  await machine.apply(NOTHING_KNOWN);
  const seen = () => ["10.43.0.1", "fd43::1"].map((each) => router.seenAs(each, { flow: FLOW }));
  deepEqual(seen(), ["192.0.2.1", "2001:db8::1"]);
  machine.applier.apply(KNOWN);
  deepEqual(seen(), ["192.0.2.1", "2001:db8::1"], "the kernel remembers");
  await machine.apply(NOTHING_KNOWN);
  equal(await machine.apply(KNOWN), 2);
  deepEqual(seen(), ["10.42.0.2", "fd42::2"]);
});

Deno.test("of all flows only the stale ones are forgotten", async () => {
  using machine = new Machine();
  const { router } = machine;
  await machine.apply(NOTHING_KNOWN);
  router.dropTCP();
  for (const destination of ["10.43.0.1", "fd43::1"]) {
    router.connect("udp", destination);
    router.connect("tcp", destination);
    router.seenAs(destination, { flow: FLOW });
  }
  for (const destination of ["192.0.2.2", "2001:db8::2"]) {
    router.connect("udp", destination);
    router.seenAs(destination);
  }
  router.sh("ping -n -q -c 1 -W 1 10.43.0.1; ping -n -q -c 1 -W 1 fd43::1");
  const before = machine.tracked();
  ok(before.size >= 12);
  const isStale = (line: string) => /src=(10\.42\.0\.2|fd42::2) dst=(10\.43|fd43)/.test(line);
  equal(await machine.apply(KNOWN), 6);
  const after = machine.tracked();
  const gone = [...before].filter(([id]) => !after.has(id)).map(([, line]) => line);
  deepEqual(gone, [...before.values()].filter(isStale));
  equal(gone.length, 6);
});

Deno.test("a flow that is answered and bears an address of the mesh goes on as it is", async () => {
  using machine = new Machine();
  const { router } = machine;
  await machine.apply(NOTHING_KNOWN);
  equal(router.seenAs("10.43.0.1", { flow: FLOW }), "192.0.2.1");
  equal(await machine.apply(firewall({ sources: PODS, keep: "10.43.0.0/24 192.0.2.1/32" })), 0);
  equal(router.seenAs("10.43.0.1", { flow: FLOW }), "192.0.2.1");
});

Deno.test("a successor forgets what its predecessor did not come to", async () => {
  using machine = new Machine();
  const { router } = machine;
  await machine.apply(NOTHING_KNOWN);
  router.seenAs("10.43.0.1", { flow: FLOW });
  machine.applier.apply(KNOWN);
  machine.flows = new FlowApplier(machine.opened.connection, openNetfilter);
  machine.applier.invalidate();
  equal(await machine.apply(KNOWN), 1);
  equal(router.seenAs("10.43.0.1", { flow: FLOW }), "10.42.0.2");
  const { sends } = machine.opened.transport;
  equal(await machine.apply(structuredClone(KNOWN)), 0);
  equal(machine.opened.transport.sends, sends, "nothing is asked when nothing is added");
});
