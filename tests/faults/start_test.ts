import assert from "node:assert/strict";
import { parseKey } from "../../src/net/key.ts";
import { onEachBackend } from "../lab/backends.ts";
import { Lab } from "../lab/lab.ts";
import { peerObject } from "../lab/manifests.ts";
import { mesh, stands } from "../lab/mesh.ts";
import type { LabNode } from "../lab/node.ts";
import { API_SERVER } from "../lab/wiring.ts";
import { only, THREE_LOCATIONS } from "../lab/world.ts";
import { privateKeyOf } from "../lab/secrets.ts";
import { assertDiscreet, assertUnharmed, withoutRights } from "./fault.ts";

const TWO = only(THREE_LOCATIONS, ["berlin-1", "tokyo-1"]);

/** Starts kg on a node where it cannot work; answers its last words, one line. */
async function refusal(node: LabNode, program?: string): Promise<string> {
  const agent = await node.startAgent(program === undefined ? {} : { program });
  const { code } = await agent.end();
  assert.equal(code, 1);
  assert.equal(agent.stderr.trimEnd().split("\n").length, 1, agent.output);
  return agent.stderr.trim();
}

onEachBackend("without the right to change the network an agent says so", async (_, backend) => {
  await using lab = await Lab.create({ world: TWO, backend });
  const [node] = lab.nodes as [LabNode, LabNode];
  const program = await withoutRights(lab, "net_admin");
  const words = await refusal(node, program);
  assert.match(words, /^Error: no right to change the network \(CAP_NET_ADMIN\): .*EPERM$/);
});

onEachBackend("a key that cannot be read is fatal, named, and left alone", async (_, backend) => {
  await using lab = await mesh(["berlin-1", "tokyo-1"], { backend });
  const [node] = lab.nodes as [LabNode, LabNode];
  await node.agent!.stop("SIGKILL");
  const key = privateKeyOf(node);
  await node.namespace.script("chown 12345 /var/lib/kilo/key; chmod 400 /var/lib/kilo/key");
  const words = await refusal(node, await withoutRights(lab, "dac_override", "dac_read_search"));
  assert.match(words, /\/var\/lib\/kilo\/key/);
  assert.match(words, /[Pp]ermission denied/);
  assert.equal(privateKeyOf(node), key);
  assertDiscreet(lab);
});

onEachBackend("a directory in which no key can be made is fatal and named", async (_, backend) => {
  await using lab = await Lab.create({ world: TWO, backend });
  const [node] = lab.nodes as [LabNode, LabNode];
  await node.namespace.script("mkdir /var/lib/kilo; mount -t tmpfs -o ro none /var/lib/kilo");
  assert.match(await refusal(node), /Read-only.*\/var\/lib\/kilo\//);
});

onEachBackend(
  "dead DNS and an own name that does not resolve delay nothing",
  async (_, backend) => {
    await using lab = await Lab.create({ world: TWO, backend });
    const [node, other] = lab.nodes as [LabNode, LabNode];
    await node.namespace.script(`
    echo 'nameserver 203.0.113.99' >/etc/resolv.conf
    echo '127.0.0.1 localhost' >/etc/hosts`);
    const spec = { name: "vpn", site: "", addresses: [], allowedIPs: ["10.10.9.0/24"] };
    const key = parseKey("9GzWJHTLWNSIRIQ3BIEYCmMPBoJOBjDhr4GNMdGpYAE=")!;
    const peer = peerObject({ ...spec, persistentKeepalive: 0 }, key);
    const endpoint = { dnsOrIP: { dns: "vpn.example" }, port: 51820 };
    await lab.objects.put({ ...peer, spec: { ...peer.spec, endpoint } });
    const start = performance.now();
    await Promise.all([node, other].map((each) => each.startAgent()));
    await lab.waitFor("the mesh stands", () => stands(lab.nodes));
    const time = performance.now() - start;
    console.log(`measured: with dead DNS the mesh stands after ${time.toFixed(0)} ms`);
    assert.ok(time < 5000, `${time} ms`);
    await assertUnharmed(lab);
    const stopping = performance.now();
    await node.agent!.stop();
    assert.ok(performance.now() - stopping < 3000, "nor does it wait at its end");
  },
);

const NO_ROUTE = "without a default route the mesh stands, and one that comes later counts";

onEachBackend(NO_ROUTE, async (_, backend) => {
  await using lab = await Lab.create({ world: TWO, backend });
  const [node] = lab.nodes as [LabNode, LabNode];
  await node.namespace.script(`
    ip link set eth0 mtu 1400
    ip route add 203.0.113.0/24 via 198.51.100.1
    ip route add ${API_SERVER} via 198.51.100.1
    ip route del default`);
  for (const each of lab.nodes) await each.startAgent();
  await lab.waitFor("the mesh stands", () => stands(lab.nodes));
  const mtu = async () => /mtu (\d+)/.exec(await node.exec("ip link show kilo0".split(" ")))?.[1];
  assert.equal(await mtu(), "1420");
  await node.exec("ip route add default via 198.51.100.1".split(" "));
  await lab.waitFor("its MTU counts", async () => await mtu() === "1320");
  await assertUnharmed(lab);
});
