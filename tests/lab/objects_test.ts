import assert from "node:assert/strict";
import { dump } from "js-yaml";
import { generatePrivateKey, publicKeyOf } from "../../src/wireguard/key.ts";
import { ourRoutes, wireGuardPeers } from "./kernel.ts";
import type { Lab } from "./lab.ts";
import { type PeerManifest, peerObject } from "./manifests.ts";
import { mesh } from "./mesh.ts";
import type { LabNode } from "./node.ts";

async function newKey(): Promise<string> {
  return await publicKeyOf(generatePrivateKey());
}

/** A Peer object with this one allowed IP; the key is its own unless given. */
async function newPeer(name: string, allowedIP: string, key?: string): Promise<PeerManifest> {
  const publicKey = await publicKeyOf(generatePrivateKey());
  const spec = { name, site: "", addresses: [], allowedIPs: [allowedIP], persistentKeepalive: 0 };
  const object = peerObject(spec, publicKey);
  return key === undefined ? object : { ...object, spec: { ...object.spec, publicKey: key } };
}

async function hasRoute(node: LabNode, to: string): Promise<boolean> {
  return (await ourRoutes(node.namespace)).some((route) => route.startsWith(`${to} `));
}

/** Adds a Peer and waits for it: all that was written before has been seen then. */
async function settle(lab: Lab, { node, ip }: { node: LabNode; ip: string }) {
  await lab.objects.put(await newPeer(`settle-${ip}`, `${ip}/32`));
  await lab.waitFor(`the Peer with ${ip}`, () => hasRoute(node, ip));
}

function warnings(node: LabNode, pattern: RegExp): string[] {
  return node.agent!.log.map(({ level, msg }) => `${level}: ${msg}`)
    .filter((text) => pattern.test(text));
}

Deno.test("a broken file is told once, by name and line; what it held stays in force", async () => {
  await using lab = await mesh(["berlin-1"]);
  const [node] = lab.nodes as [LabNode];
  const path = `${lab.manifests.directory}/people.yaml`;
  const [one, two] = [await newPeer("one", "10.11.1.0/24"), await newPeer("two", "10.11.2.0/24")];
  await lab.manifests.putText(path, `${dump(one)}---\n${dump(two)}`);
  await lab.waitFor(
    "both Peers",
    async () => await hasRoute(node, "10.11.1.0/24") && await hasRoute(node, "10.11.2.0/24"),
  );

  await lab.manifests.putText(path, "apiVersion: kilo.squat.ai/v1alpha1\nkind: [Peer\nspec: {\n");
  await settle(lab, { node, ip: "10.12.0.1" });
  await Deno.writeTextFile(`${lab.manifests.directory}/README`, "makes it look at everything");
  await settle(lab, { node, ip: "10.12.0.2" });
  const reported = warnings(node, /people\.yaml/);
  assert.equal(reported.length, 1, reported.join("\n"));
  assert.match(reported[0]!, /^warn: \S+people\.yaml:3: .+; its last valid objects stay in force$/);
  assert.ok(await hasRoute(node, "10.11.1.0/24") && await hasRoute(node, "10.11.2.0/24"));

  await lab.manifests.putText(path, dump(two));
  await lab.waitFor("the mended file", async () => !await hasRoute(node, "10.11.1.0/24"));
  assert.ok(await hasRoute(node, "10.11.2.0/24"));
});

Deno.test("an invalid Peer is told once and ignored, alone", async () => {
  await using lab = await mesh(["berlin-1"]);
  const [node] = lab.nodes as [LabNode];
  await lab.objects.put(await newPeer("bad", "10.11.1.0/33"));
  await lab.objects.put(await newPeer("worse", "10.11.2.0/24", "no key"));
  await settle(lab, { node, ip: "10.12.0.1" });
  await settle(lab, { node, ip: "10.12.0.2" });
  assert.equal((await wireGuardPeers(node.namespace)).size, 2);
  assert.equal(warnings(node, /^warn: .*Peer "bad" is ignored: .*10\.11\.1\.0\/33/).length, 1);
  assert.equal(warnings(node, /^warn: .*Peer "worse" is ignored: .*publicKey/).length, 1);
  assert.equal(warnings(node, /"(bad|worse)"/).length, 2);

  await lab.objects.put(await newPeer("bad", "10.11.1.0/24"));
  await lab.waitFor("the mended Peer", () => hasRoute(node, "10.11.1.0/24"));
});

Deno.test("of two Peers with one key the first by name is on the device, with one warning", async () => {
  await using lab = await mesh(["berlin-1"]);
  const [node] = lab.nodes as [LabNode];
  const key = await newKey();
  await lab.objects.put(await newPeer("b", "10.11.2.0/24", key));
  await settle(lab, { node, ip: "10.12.0.1" });
  const allowed = async () => (await wireGuardPeers(node.namespace)).get(key)?.allowedIPs;
  assert.deepEqual(await allowed(), ["10.11.2.0/24"]);
  await lab.objects.put(await newPeer("a", "10.11.1.0/24", key));
  await lab.waitFor("the first by name", async () => (await allowed())?.[0] === "10.11.1.0/24");
  await settle(lab, { node, ip: "10.12.0.2" });
  assert.deepEqual(await allowed(), ["10.11.1.0/24"]);
  assert.equal(warnings(node, /^warn: .*\bkey\b/).length, 1, node.agent!.output);
  await lab.objects.delete("Peer", "a");
  await lab.waitFor("the other one", async () => (await allowed())?.[0] === "10.11.2.0/24");
});

Deno.test("a name given twice is the first file's, with a warning", async () => {
  await using lab = await mesh(["berlin-1"]);
  const [node] = lab.nodes as [LabNode];
  const { directory } = lab.manifests;
  await lab.manifests.putText(`${directory}/z.yaml`, dump(await newPeer("twin", "10.11.2.0/24")));
  await lab.manifests.putText(`${directory}/y.yaml`, dump(await newPeer("twin", "10.11.1.0/24")));
  await lab.waitFor(
    "the first file's",
    async () => await hasRoute(node, "10.11.1.0/24") && !await hasRoute(node, "10.11.2.0/24"),
  );
  assert.equal(warnings(node, /^warn: .*z\.yaml.*"twin"/).length, 1, node.agent!.output);
});
