/** What a host refuses is said, and costs only itself. */

import assert from "node:assert/strict";
import { ask, scrape } from "./http.ts";
import { ourRoutes } from "./kernel.ts";
import { Lab } from "./lab.ts";
import { peerObject } from "./manifests.ts";
import { mesh, podsReach, stands } from "./mesh.ts";
import type { LabNode } from "./node.ts";
import { addWireGuard } from "./wireguard.ts";
import { only, THREE_LOCATIONS } from "./world.ts";
import { generatePrivateKey, publicKeyOf } from "../../src/wireguard/key.ts";
import { run } from "../../tools/command.ts";
import { kernelHasIPIP, provision } from "../../tools/provision.ts";

const hasIPIP = await kernelHasIPIP();

interface Health {
  readonly status: number;
  readonly parts: readonly { readonly name: string; readonly state: string }[];
  readonly warnings: readonly { readonly code: string; readonly text: string }[];
}

async function ready({ namespace }: LabNode): Promise<Health> {
  const { status, body } = await ask(namespace, "/ready");
  return { status, ...JSON.parse(body) };
}

async function routesTo(node: LabNode): Promise<string[]> {
  return (await ourRoutes(node.namespace)).map((line) => line.split(" ")[0]!);
}

/** Takes UDP port 51820; returns whom the message must name, and how to let it go again. */
const HOLDERS: Readonly<
  Record<string, (node: LabNode) => Promise<[RegExp, () => Promise<unknown>]>>
> = {
  async "another WireGuard device"({ namespace }) {
    await addWireGuard(namespace, "wg9");
    await namespace.script("wg set wg9 listen-port 51820; ip link set wg9 up");
    return [/WireGuard device wg9/, () => namespace.exec(["ip", "link", "del", "wg9"])];
  },
  async "a program"({ namespace }) {
    const perl = `use Socket; socket(S, PF_INET, SOCK_DGRAM, 0);
      bind(S, pack_sockaddr_in(51820, INADDR_ANY)) or die; sleep 1000`;
    const child = namespace.spawn(["perl", "-e", perl]);
    const udp = () => namespace.exec(["cat", "/proc/net/udp"]);
    while (!(await udp()).includes(":CA6C ")) await new Promise((done) => setTimeout(done, 5));
    return [/process perl \(\d+\)/, () => (child.kill("SIGKILL"), child.status)];
  },
};

for (const [who, take] of Object.entries(HOLDERS)) {
  Deno.test(`UDP port 51820 taken by ${who} costs only the tunnels`, async () => {
    await using lab = await Lab.create({
      world: only(THREE_LOCATIONS, ["berlin-1", "berlin-2", "tokyo-1"]),
    });
    const [node, neighbour, other] = lab.nodes as [LabNode, LabNode, LabNode];
    const [name, letGo] = await take(node);
    for (const each of lab.nodes) await each.startAgent();
    await lab.waitFor(
      "its neighbour's pods are routed",
      async () => (await routesTo(node)).includes(neighbour.spec.podCIDR),
    );
    const warning = await lab.waitFor(
      "it says who has the port",
      async () => (await ready(node)).warnings.find(({ text }) => /UDP port 51820/.test(text)),
    );
    assert.match(warning.text, name);
    await lab.waitFor("pods reach each other on the LAN", () => podsReach([node, neighbour]));
    assert.match(await node.exec(["nft", "list", "table", "ip", "kilo"]), /masquerade/);
    assert.match(
      await node.exec(["nft", "list", "set", "ip", "kilo", "sources"]),
      new RegExp(node.spec.podCIDR),
    );
    assert.ok(!(await routesTo(node)).includes(other.spec.podCIDR), "it waits for the tunnel");
    assert.equal((await ready(node)).status, 503);
    const series = await scrape(node.namespace);
    assert.equal(series.get('kilo_warnings{code="device"}'), 1);
    assert.ok(series.get('kilo_errors_total{event="apply"}')! > 0);

    await letGo();
    await lab.waitFor("the mesh stands", () => stands(lab.nodes));
    await lab.waitFor("all pods reach each other", () => podsReach(lab.nodes));
    await lab.waitFor("it is ready", async () => (await ready(node)).status === 200);
    assert.deepEqual((await ready(node)).warnings, []);
  });
}

Deno.test({
  name: "a kernel without IPIP: a warning, not ready, a metric, and a mesh that goes on",
  ignore: hasIPIP,
  async fn() {
    await using lab = await mesh(["berlin-1", "berlin-2", "tokyo-1"], {
      flags: ["--encapsulate=always"],
    });
    const [node] = lab.nodes as [LabNode];
    await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
    const { status, warnings, parts } = await ready(node);
    assert.equal(status, 503);
    assert.deepEqual(warnings.map(({ code }) => code), ["encapsulation"]);
    assert.match(warnings[0]!.text, /tunl0.*--encapsulate=never/);
    assert.equal(parts.find(({ name }) => name === "encapsulation")?.state, "fails");
    const series = await scrape(node.namespace);
    assert.equal(series.get('kilo_warnings{code="encapsulation"}'), 1);
    assert.equal(series.get('kilo_part_failing{part="encapsulation"}'), 1);
    const reported = node.agent!.log.filter(({ level, msg }) =>
      level === "warn" && /IPIP/.test(msg)
    );
    assert.equal(reported.length, 1);
  },
});

/** A Peer that is nowhere. */
async function peer(name: string, allowedIP: string) {
  const spec = { name, site: "", addresses: [], allowedIPs: [allowedIP], persistentKeepalive: 0 };
  return peerObject(spec, await publicKeyOf(generatePrivateKey()));
}

Deno.test("a kernel without IPv6 (ipv6.disable=1) and a Peer that has it: the agent goes on", async () => {
  await provision(["gcc", "headers"]);
  await using lab = await Lab.create({ world: only(THREE_LOCATIONS, ["berlin-1", "tokyo-1"]) });
  // As such a kernel answers; this one has IPv6.
  const program = `${lab.directory}/without-ipv6`;
  await Deno.writeTextFile(`${program}.c`, WITHOUT_IPV6);
  const kg = new URL("../../dist/kg", import.meta.url).pathname;
  await run(["gcc", `-DPROGRAM="${kg}"`, "-o", program, `${program}.c`]);
  // More than are sent a packet at once, from the first reconcile on: the others wait for a timer.
  const addresses = Array.from({ length: 24 }, (_, at) => `10.78.${at}.1/32`);
  addresses.push("2001:db8:77::1/128");
  for (const [at, address] of addresses.entries()) {
    await lab.objects.put(await peer(`peer-${String(at).padStart(2, "0")}`, address));
  }
  for (const node of lab.nodes) await node.startAgent({ program, flags: ["--resync-period=1s"] });
  const [node] = lab.nodes as [LabNode];
  await lab.waitFor("the mesh stands", () => stands(lab.nodes));
  await lab.waitFor("all are routed", async () => {
    const destinations = await routesTo(node);
    return addresses.every((address) => destinations.includes(address.replace(/\/.*/, "")));
  });
  await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
  const count = async () => (await scrape(node.namespace)).get("kilo_reconciles_total")!;
  const enough = await count() + 3; // in as many seconds, and the packets are gone in one
  await lab.waitFor("it goes on", async () => await count() >= enough);
  assert.equal(node.agent!.ended, undefined);
  assert.doesNotMatch(node.agent!.output, /EAFNOSUPPORT.*first packets|Uncaught/);
});

/** Runs kg with a socket(2) that knows no IPv6 (seccomp(2)). */
const WITHOUT_IPV6 = `
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int argc, char **argv) {
  struct sock_filter filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = { sizeof filter / sizeof *filter, filter };
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 9;
  argv[0] = PROGRAM;
  execv(PROGRAM, argv);
  return 10;
}
`;

Deno.test("routes that the kernel refuses are shown as long as they are", async () => {
  await using lab = await mesh(["berlin-1", "tokyo-1"]);
  const [node] = lab.nodes as [LabNode];
  await node.namespace.script("echo 1 >/proc/sys/net/ipv6/conf/kilo0/disable_ipv6");
  await lab.objects.put(await peer("sixth", "2001:db8:77::/64"));
  const warning = await lab.waitFor(
    "it is shown",
    async () => (await ready(node)).warnings.find(({ code }) => code === "route"),
  );
  assert.match(warning.text, /2001:db8:77::\/64/);
  const { parts } = await ready(node);
  assert.equal(parts.find(({ name }) => name === "routes")?.state, "fails");
  await lab.waitFor(
    "it is counted",
    async () => (await scrape(node.namespace)).get('kilo_refused{subsystem="routes"}') === 1,
  );
  await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));

  await node.namespace.script("echo 0 >/proc/sys/net/ipv6/conf/kilo0/disable_ipv6");
  await lab.objects.delete("Peer", "sixth");
  await lab.waitFor("it is over", async () => {
    const { warnings, parts } = await ready(node);
    return warnings.length === 0 && !parts.some(({ name }) => name === "routes");
  });
  await lab.waitFor(
    "nothing is counted any more",
    async () => (await scrape(node.namespace)).get('kilo_refused{subsystem="routes"}') === 0,
  );
});
