/** WireGuard tells nobody what is changed: the agent looks every 5 s. */

import assert from "node:assert/strict";
import type { DeviceState, PeerState } from "../../src/net/device.ts";
import { formatPrefix } from "../../src/net/prefix.ts";
import { generatePrivateKey, publicKeyOf } from "../../src/wireguard/key.ts";
import { userspaceClient } from "../../src/wireguard/userspace.ts";
import { onEachBackend } from "../lab/backends.ts";
import { mesh, podsReach } from "../lab/mesh.ts";
import type { LabNode } from "../lab/node.ts";
import { waitFor } from "../lab/wait.ts";
import { hasKernelWireGuard } from "../lab/wireguard.ts";

/** Milliseconds between two looks, and what a look and its repair may take. */
const POLL = 5000;
const REPAIR = 1000;

// It is read here as userspace devices are.
const USERSPACE = { ignore: await hasKernelWireGuard() };

onEachBackend(
  "what `wg set` changes is changed back by the next look",
  async (_, backend) => {
    await using lab = await mesh(["berlin-1", "tokyo-1", "office-1"], { backend });
    const [berlin, tokyo, office] = lab.nodes as [LabNode, LabNode, LabNode];
    await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
    const directory = berlin.namespace.path("/run/wireguard");
    const device = userspaceClient("kilo0", { directory });
    const right = essence(await device.read());
    const [tokyoKey, officeKey] = [await keyOf(tokyo), await keyOf(office)];
    const stranger = await publicKeyOf(generatePrivateKey());

    const damage: readonly (readonly [what: string, name: keyof Essence, command: string])[] = [
      ["a peer removed", "keys", `peer ${tokyoKey} remove`],
      ["a peer added", "keys", `peer ${stranger} allowed-ips 10.88.0.0/16`],
      ["an allowed IP taken away", "allowedIPs", `peer ${officeKey} allowed-ips 10.4.0.2/32`],
      ["a keepalive", "keepalives", `peer ${officeKey} persistent-keepalive 33`],
      ["a preshared key", "presharedKeys", `peer ${officeKey} preshared-key /dev/stdin`],
      ["the port", "port", "listen-port 4444"],
      ["the private key", "privateKey", "private-key /dev/stdin"],
    ];
    // A look that comes in between repairs the first half of it.
    await waitFor("all is damaged at once", async () => {
      for (const [, , command] of damage) {
        const input = command.endsWith("/dev/stdin") ? generatePrivateKey() : "";
        await berlin.exec(["wg", "set", "kilo0", ...command.split(" ")], input);
      }
      const wrong = essence(await device.read());
      return damage.every(([, name]) => wrong[name] !== right[name]);
    });
    const start = performance.now();
    await waitFor("all is as it was", async () => {
      const is = essence(await device.read());
      return JSON.stringify(is) === JSON.stringify(right);
    });
    const time = performance.now() - start;
    console.log(`measured: ${damage.map(([what]) => what).join(", ")}: ${time.toFixed(0)} ms`);
    assert.ok(time < POLL + REPAIR, `${time} ms`);
    await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
  },
  USERSPACE,
);

type Essence = Readonly<
  Record<"keys" | "allowedIPs" | "keepalives" | "presharedKeys" | "port" | "privateKey", string>
>;

function essence({ peers, listenPort, privateKey }: DeviceState): Essence {
  /** A line a peer. */
  const each = (text: (peer: PeerState) => string) =>
    peers.map((peer) => `${peer.publicKey} ${text(peer)}`).sort().join("\n");
  return {
    keys: each(() => ""),
    allowedIPs: each(({ allowedIPs }) => allowedIPs.map(formatPrefix).sort().join(" ")),
    keepalives: each(({ persistentKeepalive }) => `${persistentKeepalive}`),
    presharedKeys: each(({ presharedKey }) => presharedKey ?? ""),
    port: `${listenPort}`,
    privateKey: privateKey ?? "",
  };
}

async function keyOf(node: LabNode): Promise<string> {
  return (await node.status()).key!;
}
