/** IPIP that comes from another address than the node's internal one, on a kernel that has IPIP. */

import assert from "node:assert/strict";
import { nodeObject } from "../lab/manifests.ts";
import { podAddress } from "../lab/wiring.ts";
import type { NodeSpec } from "../lab/world.ts";
import type { GuestWorld } from "./guests.ts";

/**
 * The second node's internal address becomes its second address, from which the kernel sends nothing:
 * the first node accepts what comes from the first address, since that is published.
 */
export async function otherSourcesAreAccepted(
  world: GuestWorld,
  specs: readonly NodeSpec[],
): Promise<void> {
  const [first, second] = world.nodes;
  const [to, spec] = specs;
  await second!.script("ip addr add 10.1.0.99/24 dev eth0");
  await world.put(nodeObject(spec!, { "force-internal-ip": "10.1.0.99/24" }));
  const status = () => world.vm.script(`cat /cluster/status/${spec!.name}.yaml`);
  const internal = await world.waitFor("its internal address", async () => {
    const text = await status();
    return text.includes("10.1.0.99/24") ? text : undefined;
  });
  assert.match(internal, /encapsulation-ip: "10\.1\.0\.12\/32"/, "in one patch");
  await world.waitFor("its neighbour accepts both", async () => {
    const text = await first!.script("nft list set ip kilo ipip");
    return text.includes("10.1.0.12") && text.includes("10.1.0.99");
  });
  await first!.script(`nft -f - <<'END'
    table ip watch {
      chain passes {
        type filter hook input priority 10
        ip protocol 4 ip saddr 10.1.0.12 counter
      }
    }
END`);
  await world.waitFor("packets pass", () => second!.pod.pings(podAddress(to!), { count: 3 }));
  const text = await first!.script("nft list table ip watch; nft delete table ip watch");
  assert.ok(Number(/packets (\d+)/.exec(text)?.[1]) >= 3, text);

  await second!.script("ip addr del 10.1.0.99/24 dev eth0");
  await world.waitFor("its routes do without the address", async () => {
    const routes = await second!.script("ip route show proto 107");
    return routes.includes("10.42.1.0/24 ") && !routes.includes(" src ");
  });
  const said = (await second!.log()).map(({ msg }) => msg);
  assert.ok(said.some((msg) => /10\.1\.0\.99\/24.*IPIP.*from 10\.1\.0\.12/.test(msg)));

  await world.put(nodeObject(spec!));
  await world.waitFor("all is as before", async () => {
    const text = await first!.script("nft list set ip kilo ipip");
    return !text.includes("10.1.0.99") && await second!.pod.pings(podAddress(to!));
  });
}
