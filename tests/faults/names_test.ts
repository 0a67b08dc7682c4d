import assert from "node:assert/strict";
import { generatePrivateKey, publicKeyOf } from "../../src/wireguard/key.ts";
import { Lab } from "../lab/lab.ts";
import { peerObject } from "../lab/manifests.ts";
import { stands } from "../lab/mesh.ts";
import type { LabNode } from "../lab/node.ts";
import { waitFor } from "../lab/wait.ts";
import { only, THREE_LOCATIONS } from "../lab/world.ts";
import { assertUnharmed, complaints } from "./fault.ts";

const COUNT = 800;
/** Descriptors that a careless system lets a program have at first. */
const SOFT_LIMIT = 100;

/** A DNS server on the node's loopback; tells how many questions it got, each second. */
function serveDNS(node: LabNode) {
  const path = new URL("../lab/dns_server.ts", import.meta.url).pathname;
  const command = [Deno.execPath(), "run", "--allow-net", "--no-config", path];
  const child = node.namespace.spawn(command, { stdout: "piped", stderr: "null" });
  const counts: number[] = [];
  let text = "";
  child.stdout.pipeThrough(new TextDecoderStream()).pipeTo(
    new WritableStream({
      write(chunk) {
        text += chunk;
        const lines = text.split("\n").slice(0, -1);
        counts.splice(0, counts.length, ...lines.filter((line) => /^\d/.test(line)).map(Number));
      },
    }),
  ).catch(() => {});
  return { counts, isReady: () => text.startsWith("ready") };
}

const read = (pid: number, file: string) => Deno.readTextFileSync(`/proc/${pid}/${file}`);
const descriptors = (pid: number) => [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
/** Megabytes that are no pages of files. */
const memory = (pid: number) => Number(/RssAnon:\s+(\d+)/.exec(read(pid, "status"))![1]) / 1024;

/** A kg whose soft limit of descriptors is low. */
async function withLowLimit(lab: Lab): Promise<string> {
  const kg = new URL("../../dist/kg", import.meta.url).pathname;
  const path = `${lab.directory}/kg-low-limit`;
  const script = `#!/bin/sh\nulimit -Sn ${SOFT_LIMIT}\nexec ${kg} "$@"\n`;
  await Deno.writeTextFile(path, script, { mode: 0o755 });
  return path;
}

Deno.test("800 Peers with names resolve whatever resolv.conf holds, and cost few descriptors", async () => {
  await using lab = await Lab.create({ world: only(THREE_LOCATIONS, ["berlin-1"]) });
  const [node] = lab.nodes as [LabNode];
  const label = "x".repeat(70);
  await node.namespace.script(`printf '%s\\n' 'options no-aaaa edns0 trust-ad unheard-of' \
    'search ${label}.example' 'nonsense' 'nameserver 127.0.0.1' >/etc/resolv.conf`);
  const server = serveDNS(node);
  await lab.waitFor("the DNS server", server.isReady);

  const publicKeys = await Promise.all(
    Array.from({ length: COUNT }, () => publicKeyOf(generatePrivateKey())),
  );
  const documents = publicKeys.map((publicKey, at) => {
    const spec = {
      ...{ name: `p${at}`, site: "", addresses: [], persistentKeepalive: 0 },
      allowedIPs: [`10.20.${at >> 8}.${at & 255}/32`],
    };
    const object = peerObject(spec, publicKey);
    const endpoint = { dnsOrIP: { dns: `p${at}.example` }, port: 51820 };
    return { ...object, spec: { ...object.spec, endpoint } };
  });
  const text = JSON.stringify({ kind: "List", items: documents });
  await lab.manifests.putText(`${lab.manifests.directory}/peers.json`, text);

  const flags = ["--resync-period=3s"];
  const agent = await node.startAgent({ program: await withLowLimit(lab), flags });
  await lab.waitFor("the mesh stands", () => stands(lab.nodes));
  const { pid } = agent;
  let most = 0;
  const watch = setInterval(() => most = Math.max(most, descriptors(pid)), 20);
  try {
    await lab.waitFor("all names have addresses on the device", async () => {
      const dump = await node.exec(["wg", "show", "kilo0", "endpoints"]);
      return dump.split("\n").filter((line) => /\t10\.99\.\d+\.\d+:51820$/.test(line)).length ===
        COUNT;
    }, { timeout: 60_000 });
    // Some resyncs later: whatever is not given back would be seen by now.
    const before = memory(pid);
    const asked = () => server.counts.reduce((sum, count) => sum + count, 0);
    const from = asked();
    await waitFor("ten more rounds of lookups", () => asked() - from >= 10 * COUNT, {
      timeout: 120_000,
    });
    const [soft, hard] = /Max open files\s+(\d+)\s+(\d+)/.exec(read(pid, "limits"))!.slice(1);
    assert.equal(soft, hard);
    console.log(
      `measured: at most ${most} descriptors; ${before.toFixed(0)} MB, ` +
        `${memory(pid).toFixed(0)} after ten rounds of ${COUNT} names`,
    );
    assert(most < 150, `${most} descriptors`);
    assert(memory(pid) < before + 15, `${before} MB grew to ${memory(pid)}`);
  } finally {
    clearInterval(watch);
  }
  assert.deepEqual(complaints(node).filter((text) => /DNS|resolv/i.test(text)), []);
  await assertUnharmed(lab);
});

Deno.test("a server at a link-local address is asked", async () => {
  await using lab = await Lab.create({ world: only(THREE_LOCATIONS, ["berlin-1"]) });
  const [node] = lab.nodes as [LabNode];
  await node.namespace.script(`
    ip link add dns0 type veth peer name dns1
    ip link set dns0 addrgenmode none
    ip -6 address add fe80::53/64 dev dns0 nodad
    ip link set dns0 up; ip link set dns1 up
    echo 'nameserver fe80::53%dns0' >/etc/resolv.conf`);
  const path = new URL("../lab/dns_server.ts", import.meta.url).pathname;
  const command = [Deno.execPath(), "run", "--allow-net", "--no-config", path, "::"];
  node.namespace.spawn(command, { stdout: "null", stderr: "null" });
  const spec = {
    ...{ name: "p", site: "", addresses: [], allowedIPs: ["10.20.0.1/32"], persistentKeepalive: 0 },
  };
  const object = peerObject(spec, await publicKeyOf(generatePrivateKey()));
  const endpoint = { dnsOrIP: { dns: "p7.example" }, port: 51820 };
  await lab.objects.put({ ...object, spec: { ...object.spec, endpoint } });
  await node.startAgent({ flags: ["--resync-period=1s"] });
  await lab.waitFor("its endpoint", async () => {
    const dump = await node.exec(["wg", "show", "kilo0", "endpoints"]);
    return dump.includes("\t10.99.0.7:51820");
  });
});
