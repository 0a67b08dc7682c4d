/** Peers come, change and go; whoever is not meant does not notice, whoever stays neither. */

import type { Key } from "../../src/net/key.ts";
import { generatePrivateKey, publicKeyOf } from "../../src/wireguard/key.ts";
import { onEachBackend } from "../lab/backends.ts";
import { type PeerManifest, peerObject } from "../lab/manifests.ts";
import { waitFor } from "../lab/wait.ts";
import { type Fates, Mesh } from "./mesh.ts";

const NODES = ["berlin-1", "berlin-2", "tokyo-1", "office-1"];
const LEADERS = ["berlin-1", "tokyo-1", "office-1"];

const TITLE = "Peers come, change and go without a packet lost that they do not forbid";

onEachBackend(TITLE, async (t, backend) => {
  await using mesh = await Mesh.create({ backend });
  await mesh.start(...NODES);
  const other = await strangerKey();
  const { spec } = mesh.lab.peer("laptop");
  const key = await mesh.lab.peer("laptop").publicKey();
  const own = spec.allowedIPs[0]!;
  const laptop = (allowedIPs: readonly string[]) => peerObject({ ...spec, allowedIPs }, key);

  /** Puts an object, or deletes it, and waits until all leaders' devices are as told. */
  const change = async (
    what: string,
    object: PeerManifest | { readonly deleted: string },
    isDone: (peers: ReadonlyMap<Key, Entry>) => boolean,
  ): Promise<Fates> => {
    const { objects } = mesh.lab;
    const isLaptopIn = (await objects.peers()).some(({ metadata }) => metadata.name === "laptop");
    const ends = [...mesh.pods(), ...isLaptopIn ? [mesh.laptop] : []];
    const affected = ends.map(({ name }) => name);
    const cut = "deleted" in object && object.deleted === "laptop" ? ["laptop"] : [];
    return await mesh.during(what, { ends, affected, cut }, async () => {
      if ("deleted" in object) await objects.delete("Peer", object.deleted);
      else await objects.put(object);
      await waitFor(`${what}: on the devices`, async () => {
        const devices = await Promise.all(LEADERS.map((name) => peersOf(mesh, name)));
        return devices.every(isDone);
      });
    });
  };
  const step = (
    name: string,
    ...[object, isDone]: [
      Parameters<typeof change>[1],
      Parameters<typeof change>[2],
    ]
  ) => t.step(name, async () => (await change(name, object, isDone)).assertLossless());

  await step(
    "a Peer added that never answers",
    stranger(other, { allowedIPs: ["10.20.0.0/24", "10.20.1.0/24"] }),
    (peers) => allowed(peers, other) === "10.20.0.0/24,10.20.1.0/24",
  );
  await step(
    "an allowed IP of it removed",
    stranger(other, { allowedIPs: ["10.20.0.0/24"] }),
    (peers) => allowed(peers, other) === "10.20.0.0/24",
  );
  await step("it removed", { deleted: "stranger" }, (peers) => !peers.has(other));

  await t.step("the laptop added", () => mesh.addLaptop());
  await step(
    "two allowed IPs of the laptop added",
    laptop(["10.30.0.0/16", own, "10.31.0.0/16"]),
    (peers) => allowed(peers, key)?.split(",").length === 3,
  );
  await step(
    "one of three allowed IPs of the laptop removed",
    laptop([own, "10.31.0.0/16"]),
    (peers) => allowed(peers, key)?.split(",").length === 2,
  );
  await step(
    "an allowed IP of the laptop moved to another Peer",
    stranger(other, { name: "a-stranger", allowedIPs: ["10.31.0.0/16"] }),
    (peers) => allowed(peers, other) === "10.31.0.0/16" && allowed(peers, key) === own,
  );
  await step(
    "and back, with that Peer removed",
    { deleted: "a-stranger" },
    (peers) => !peers.has(other) && allowed(peers, key)?.split(",").length === 2,
  );
  await step(
    "the laptop's endpoint declared",
    withEndpoint(laptop([own, "10.31.0.0/16"]), "192.0.2.200"),
    (peers) => peers.get(key)?.endpoint === "192.0.2.200:51820",
  );
  await step(
    "the laptop's keepalive changed",
    peerObject({ ...spec, persistentKeepalive: 25 }, key),
    (peers) => allowed(peers, key) === own, // what a Peer's is for is the other end
  );
  const presharedKey = generatePrivateKey();
  mesh.lab.secrets.add(presharedKey);
  const secret = { ...laptop([own]).spec, presharedKey };
  await step(
    "the laptop given a preshared key",
    { ...laptop([own]), spec: secret },
    (peers) => peers.get(key)?.presharedKey === presharedKey,
  );
  await t.step("… which it sets itself", async () => {
    const fates = await mesh.during(
      "a preshared key set on the laptop",
      { ends: [...mesh.pods(), mesh.laptop], affected: ["laptop"] },
      async () => await sharesKey(mesh, presharedKey),
    );
    fates.assertLossless();
  });
  await step(
    "the preshared key taken away",
    laptop([own]),
    (peers) => peers.get(key)?.presharedKey === "(none)",
  );
  await t.step("the laptop removed", async () => {
    const fates = await change(
      "the laptop removed",
      { deleted: "laptop" },
      (peers) => !peers.has(key),
    );
    fates.without("laptop").assertLossless();
  });
});

async function strangerKey(): Promise<Key> {
  return await publicKeyOf(generatePrivateKey());
}

function stranger(
  publicKey: Key,
  { name = "stranger", allowedIPs }: { name?: string; allowedIPs: readonly string[] },
): PeerManifest {
  const spec = { name, allowedIPs, persistentKeepalive: 0, site: "", addresses: [] };
  return peerObject(spec, publicKey);
}

function withEndpoint(peer: PeerManifest, ip: string): PeerManifest {
  return { ...peer, spec: { ...peer.spec, endpoint: { dnsOrIP: { ip }, port: 51820 } } };
}

/** Sets the key on the laptop for all that it reaches, as a person does it. */
async function sharesKey(mesh: Mesh, key: Key): Promise<void> {
  const { namespace } = mesh.lab.peer("laptop");
  const peers = await namespace.exec(["wg", "show", "wg0", "peers"]);
  for (const peer of peers.trim().split("\n")) {
    await namespace.exec(["wg", "set", "wg0", "peer", peer, "preshared-key", "/dev/stdin"], key);
  }
}

interface Entry {
  readonly endpoint: string;
  /** `(none)` if there is none. */
  readonly presharedKey: string;
  /** Sorted, with commas. */
  readonly allowedIPs: string;
}

/** The peers on a node's device. */
async function peersOf(mesh: Mesh, node: string): Promise<Map<Key, Entry>> {
  const dump = await mesh.lab.node(node).exec(["wg", "show", "kilo0", "dump"]);
  return new Map(
    dump.trim().split("\n").slice(1).map((line) => {
      const [key, presharedKey, endpoint, allowedIPs] = line.split("\t");
      return [key as Key, {
        endpoint: endpoint!,
        presharedKey: presharedKey!,
        allowedIPs: allowedIPs!.split(",").sort().join(","),
      }];
    }),
  );
}

function allowed(peers: ReadonlyMap<Key, Entry>, key: Key): string | undefined {
  return peers.get(key)?.allowedIPs;
}
