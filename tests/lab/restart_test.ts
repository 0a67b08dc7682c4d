import assert from "node:assert/strict";
import { ourRoutes, ourRules } from "./kernel.ts";
import { Lab } from "./lab.ts";
import { mesh, podsReach, stands } from "./mesh.ts";
import type { LabNode } from "./node.ts";
import { changes } from "./snapshot.ts";
import { waitFor } from "./wait.ts";
import { only, THREE_LOCATIONS } from "./world.ts";

const NAMES = ["berlin-1", "berlin-2", "tokyo-1"];

/** Of others, and none of kg's business, however much some of it looks like kg's or the original's. */
const FOREIGN = `
ip route add 10.99.1.0/24 via 10.1.0.1 proto static
ip route add 10.99.2.0/24 dev eth0 table 200 proto static
ip rule add from 10.99.0.0/16 lookup 200
ip rule add from 10.99.0.0/16 lookup 201 protocol static
nft -f - <<END
table ip foreign {
  set members { type ipv4_addr; elements = { 10.99.0.1 }; }
  chain postrouting { type nat hook postrouting priority srcnat; ip saddr @members masquerade; }
}
END
iptables-nft -t nat -A POSTROUTING -s 10.99.0.0/16 -m comment --comment "not Kilo" -j RETURN
iptables-nft -A FORWARD -s 10.99.0.0/16 -j ACCEPT
iptables-nft -A INPUT -s 10.99.0.0/16 -j ACCEPT
`;

/** What a kg that was killed may leave of a mesh that has changed since. */
const STALE = `
ip route add 10.77.1.0/24 via 10.4.0.9 dev kilo0 onlink proto 107
ip route add 10.77.2.0/24 dev flannel.1 table 1107 proto 107
ip -6 route add fd00:77::/64 dev kilo0 proto 107
ip rule add to 10.77.3.1 lookup 1107 protocol 107 priority 31000
nft add element ip kilo sources { 10.77.4.0/24 }
nft add element ip kilo known { 10.77.5.0/24 }
`;

/** What the original agent leaves when it is killed. */
const ORIGINAL = `
ip route add 10.78.1.0/24 dev kilo0 proto static
ip route add 10.78.2.0/24 dev eth0 table 1107 proto static
ip rule add to 10.78.3.1 lookup 1107
iptables-nft -t nat -N KILO-NAT
iptables-nft -t nat -A KILO-NAT -d 10.78.4.0/24 -m comment --comment "Kilo: do not NAT packets destined for known IPs" -j RETURN
iptables-nft -t nat -A KILO-NAT -m comment --comment "Kilo: NAT remaining packets" -j MASQUERADE
iptables-nft -t nat -I POSTROUTING -s 10.78.5.0/24 -m comment --comment "Kilo: jump to KILO-NAT chain" -j KILO-NAT
iptables-nft -N KILO-IPIP
iptables-nft -A INPUT -p ipencap -m comment --comment "Kilo: jump to IPIP chain" -j KILO-IPIP
`;

/** Starts kg with Flannel's device, so that there are policy rules too, until the mesh stands. */
async function startWithFlannel(lab: Lab): Promise<void> {
  for (const node of lab.nodes) {
    await node.exec("ip link add flannel.1 up type vxlan id 1 dev eth0 dstport 8472".split(" "));
    await node.startAgent({ flags: FLANNEL });
  }
  await lab.waitFor("the mesh stands", () => stands(lab.nodes));
}

const FLANNEL = ["--compatibility=flannel", "--encapsulate=always"];

/** Follows what happens to a node's routes, rules and firewall until the answer is asked for. */
async function monitor(lab: Lab, node: LabNode): Promise<() => Promise<string[]>> {
  const file = (name: string) => `${lab.directory}/${name}.monitor`;
  const commands = { routes: "ip monitor route rule", firewall: "nft monitor" };
  for (const [name, command] of Object.entries(commands)) {
    node.namespace.spawn(["sh", "-c", `exec stdbuf -oL ${command} >${file(name)}`]);
  }
  const read = (name: string) => Deno.readTextFile(file(name));
  let count = 0;
  const touch = async () => {
    const name = `mark${++count}`;
    const address = `10.255.0.${count}`;
    await waitFor("the monitors have come this far", async () => {
      await node.namespace.script(`
        ip route add blackhole ${address} table 255255; ip route del blackhole ${address} table 255255
        nft add table ip ${name}; nft delete table ip ${name}`);
      return (await read("routes")).includes(address) && (await read("firewall")).includes(name);
    });
  };
  await touch();
  return async () => {
    await touch();
    const lines = `${await read("routes")}${await read("firewall")}`.split("\n");
    return lines.filter((line) => !/^#|^$|table 255255|\bmark\d/.test(line));
  };
}

Deno.test("after kill -9 what is stale goes, and nothing else is touched", async () => {
  await using lab = await Lab.create({ world: only(THREE_LOCATIONS, NAMES) });
  const [node] = lab.nodes as [LabNode];
  await node.namespace.script(FOREIGN);
  await startWithFlannel(lab);
  assert.equal((await ourRules(node.namespace)).length, 2);
  const before = await node.snapshot();
  await node.agent!.stop("SIGKILL");
  assert.equal(changes(before, await node.snapshot()), "", "what it made is there without it");
  await node.namespace.script(STALE + ORIGINAL);
  assert.ok(changes(before, await node.snapshot()).split("\n").length >= 12);

  const events = await monitor(lab, node);
  await node.startAgent({ flags: FLANNEL });
  await lab.waitFor("what is stale is gone", async () => {
    const difference = changes(before, await node.snapshot());
    if (difference) throw new Error(difference);
    return true;
  });
  // Of rules nft tells no more than the chain; that the right ones went is seen above.
  const planted = /10\.7[78]\.|fd00:77:|KILO-(NAT|IPIP)|^delete rule ip (nat|filter) /;
  const others = (await events()).filter((line) => !planted.test(line));
  assert.deepEqual(others, [], "what is right, and what is others'");
});

Deno.test("after kill -9 a mesh that has changed meanwhile is followed", async () => {
  await using lab = await mesh(NAMES);
  const [first, , tokyo] = lab.nodes as [LabNode, LabNode, LabNode];
  await first.agent!.stop("SIGKILL");
  await tokyo.agent!.stop();
  await first.startAgent();
  await lab.waitFor(
    "the node that left is gone",
    async () =>
      !(await ourRoutes(first.namespace)).some((line) => line.startsWith(tokyo.spec.podCIDR)),
  );
  await tokyo.startAgent();
  await lab.waitFor("the mesh stands", () => stands(lab.nodes));
  await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
});
