/** A host that tracks 200,000 masqueraded flows: nothing stands still when destinations become known. */

import { equal, ok } from "node:assert/strict";
import { FirewallApplier } from "../../src/dataplane/firewall/applier.ts";
import { FlowApplier } from "../../src/dataplane/flow_applier.ts";
import { Connection } from "../../src/netlink/connection.ts";
import { NETLINK_NETFILTER, Socket } from "../../src/netlink/socket.ts";
import { firewall } from "./firewalls.ts";
import { NetworkNamespace } from "./namespace.ts";
import { describeStrain, strainOf } from "./stalls.ts";

const COUNT = 200_000;
const PODS = "10.42.0.0/24";

/** What conntrack(8) loads: one flow to each address from 198.18.0.0 on, masqueraded. */
function flows(): string {
  const lines = Array.from({ length: COUNT }, (_, at) => {
    const destination = `198.${18 + (at >> 16)}.${at >> 8 & 255}.${at & 255}`;
    return `-I -p udp -s 10.42.0.2 -d ${destination} --sport 1000 --dport 2000 -t 3600 ` +
      "--src-nat 192.0.2.1\n";
  });
  return lines.join("");
}

Deno.test("200,000 tracked flows are looked through in pieces", async () => {
  using namespace = NetworkNamespace.enter("kg-flows");
  using connection = new Connection(Socket.open(NETLINK_NETFILTER));
  const applier = new FirewallApplier(connection);
  applier.apply(firewall({ sources: PODS }));
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, flows());
    namespace.run(`conntrack -R ${file}`);
  } finally {
    await Deno.remove(file);
  }
  const tracked = () => Number(namespace.run("conntrack -C"));
  equal(tracked(), COUNT);

  const open = () => new Connection(Socket.open(NETLINK_NETFILTER));
  const forgotten = async (keep: string) => {
    const flowApplier = new FlowApplier(connection, open);
    let count = 0;
    const changes = applier.apply(firewall({ sources: PODS, keep }));
    const strain = await strainOf(async () => {
      count = await flowApplier.follow(changes, applier.sets);
    });
    equal(flowApplier.problem, undefined);
    console.log(`measured: ${COUNT} tracked flows, ${count} forgotten: ${describeStrain(strain)}`);
    ok(strain.stall < Math.max(200, strain.time / 4), "50 ms, and a loaded machine takes its time");
    ok(strain.memory < 60, "20 MB are meant");
    return count;
  };
  equal(await forgotten("10.43.0.0/16"), 0);
  equal(await forgotten("10.43.0.0/16 198.18.7.0/24"), 256);
  equal(tracked(), COUNT - 256);
  equal(await forgotten("10.43.0.0/16 198.18.0.0/16"), 65_536 - 256);
  equal(tracked(), COUNT - 65_536);
});
