/** Addresses that come and go on a host, under a kg that runs. */

import assert from "node:assert/strict";
import { addresses, AT_ONCE, ip, NO_RESYNC, published, together } from "./addresses.ts";
import { scrape } from "./http.ts";
import { ourRoutes, wireGuardPeers } from "./kernel.ts";
import { Lab } from "./lab.ts";
import { mesh, podsReach, stands } from "./mesh.ts";
import type { LabNode } from "./node.ts";
import { addWireGuard } from "./wireguard.ts";
import { only, THREE_LOCATIONS } from "./world.ts";

const THREE = ["berlin-1", "berlin-2", "tokyo-1"];

/** Waits until a kg has looked at all there is so many times more. */
async function passes(lab: Lab, node: LabNode, count: number): Promise<void> {
  const reconciles = async () => (await scrape(node.namespace)).get("kilo_reconciles_total")!;
  const start = await lab.waitFor("it answers", async () => await reconciles() + 1) - 1;
  await lab.waitFor("it has looked", async () => await reconciles() >= start + count);
}

const FLOATING: readonly (readonly [what: string, add: string, remove: string])[] = [
  ["secondary", "addr add 10.1.0.100/24 dev eth0", "addr del 10.1.0.100/24 dev eth0"],
  ["a /32", "addr add 10.1.0.10/32 dev eth0", "addr del 10.1.0.10/32 dev eth0"],
  ["of another network", "addr add 10.0.0.5/24 dev eth0", "addr del 10.0.0.5/24 dev eth0"],
  ["public", "addr add 198.51.100.10/32 dev eth0", "addr del 198.51.100.10/32 dev eth0"],
  [
    "leased",
    "addr add 10.1.0.100/24 dev eth0 valid_lft 900 preferred_lft 900",
    "addr del 10.1.0.100/24 dev eth0",
  ],
  ["IPv6", "addr add fd00:1::5/64 dev eth0", "addr del fd00:1::5/64 dev eth0"],
  ["public IPv6", "addr add 2001:db8::5/128 dev eth0", "addr del 2001:db8::5/128 dev eth0"],
  ["on loopback", "addr add 10.1.0.100/32 dev lo", "addr del 10.1.0.100/32 dev lo"],
  ["on another device", "addr add 10.0.0.5/24 dev vip0", "addr del 10.0.0.5/24 dev vip0"],
];

Deno.test("a floating address changes nothing where it comes, stays or goes", async (t) => {
  await using lab = await mesh(THREE, { flags: ["--resync-period=500ms"] });
  const [berlin1, berlin2] = lab.nodes as [LabNode, LabNode, LabNode];
  for (const node of [berlin1, berlin2]) {
    await ip(node, "link add vip0 type bridge", "link set vip0 up");
  }
  const routes = await Promise.all(lab.nodes.map(({ namespace }) => ourRoutes(namespace)));
  const unchanged = async () => {
    assert.deepEqual(await Promise.all(lab.nodes.map(addresses)), [
      "198.51.100.11 10.1.0.11/24",
      "198.51.100.12 10.1.0.12/24",
      "203.0.113.31 10.2.0.31/24",
    ]);
    const now = await Promise.all(lab.nodes.map(({ namespace }) => ourRoutes(namespace)));
    assert.deepEqual(now, routes);
    assert.ok(await podsReach(lab.nodes));
  };
  for (const [what, add, remove] of FLOATING) {
    await t.step(what, async () => {
      await ip(berlin1, add);
      await passes(lab, berlin1, 2);
      await unchanged();
      await ip(berlin1, remove);
      await ip(berlin2, add);
      await passes(lab, berlin2, 2);
      await unchanged();
      await ip(berlin2, remove);
      await passes(lab, berlin2, 2);
      await unchanged();
    });
  }
  await t.step("all of them, over restarts", async () => {
    await ip(berlin1, ...FLOATING.filter(([what]) => what !== "leased").map(([, add]) => add));
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      await berlin1.agent!.stop(signal);
      await berlin1.startAgent({ flags: ["--resync-period=500ms"] });
      await lab.waitFor("the mesh stands", () => stands(lab.nodes));
      await passes(lab, berlin1, 2);
      await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
      await unchanged();
    }
  });
});

const REPLACEMENTS: readonly (readonly [what: string, commands: readonly string[]])[] = [
  ["at once", ["addr del 10.1.0.11/24 dev eth0", "addr add 10.1.0.21/24 dev eth0"]],
  ["the new one first", ["addr add 10.1.0.31/24 dev eth0", "addr del 10.1.0.21/24 dev eth0"]],
  ["with another length", ["addr del 10.1.0.31/24 dev eth0", "addr add 10.1.0.31/25 dev eth0"]],
  ["by one of another length again", [
    "addr del 10.1.0.31/25 dev eth0",
    "addr add 10.1.0.41/24 dev eth0",
  ]],
];

Deno.test("a replaced private address is in routes and published by its event", async (t) => {
  await using lab = await mesh(THREE, { flags: NO_RESYNC });
  const [berlin1, berlin2, tokyo] = lab.nodes as [LabNode, LabNode, LabNode];
  // As systemd sets it: secondary addresses stay when the primary one goes.
  await berlin1.exec(["sysctl", "-qw", "net.ipv4.conf.all.promote_secondaries=1"]);
  const follow = async (address: string) => {
    const [own] = address.split("/") as [string];
    await published(lab, berlin1, `198.51.100.11 ${address}`);
    await lab.waitFor("its routes", async () => {
      const routes = await ourRoutes(berlin1.namespace);
      return routes.some((route) =>
        route.startsWith(`${tokyo.spec.podCIDR} `) && route.includes(` src ${own} `)
      );
    }, AT_ONCE);
    await lab.waitFor("its neighbour's", async () => {
      const routes = await ourRoutes(berlin2.namespace);
      return routes.some((it) => it.startsWith(`${berlin1.spec.podCIDR} via ${own} `)) &&
        routes.some((it) => it.startsWith(`${tokyo.spec.podCIDR} via ${own} `));
    }, AT_ONCE);
    await together(lab);
  };
  for (const [what, commands] of REPLACEMENTS) {
    await t.step(what, async () => {
      await ip(berlin1, ...commands);
      const added = commands.find((line) => line.includes(" add "))!;
      await follow(added.split(" ")[2]!);
    });
  }
  await t.step("after a while without", async () => {
    await ip(berlin1, "addr del 10.1.0.41/24 dev eth0");
    await published(lab, berlin1, "198.51.100.11 ");
    await ip(berlin1, "addr add 10.1.0.51/24 dev eth0");
    await follow("10.1.0.51/24");
  });
  await t.step("on a device that nobody knew", async () => {
    await ip(berlin1, "addr del 10.1.0.51/24 dev eth0");
    await published(lab, berlin1, "198.51.100.11 ");
    await ip(
      berlin1,
      "link add vip0 type bridge",
      "link set vip0 up",
      "addr add 10.7.0.1/24 dev vip0",
    );
    await published(lab, berlin1, "198.51.100.11 10.7.0.1/24");
  });
});

Deno.test("an address that is set again was never away", async () => {
  await using lab = await mesh(THREE, { flags: NO_RESYNC });
  const [berlin1] = lab.nodes as [LabNode, LabNode, LabNode];
  await ip(berlin1, "addr add 10.1.0.100/32 dev eth0", "addr add 10.0.0.9/24 dev eth0");
  const before = (await berlin1.status())["last-seen"];
  for (let turn = 0; turn < 5; turn++) {
    await ip(berlin1, "addr del 10.1.0.11/24 dev eth0", "addr add 10.1.0.11/24 dev eth0");
  }
  await lab.waitFor("pods reach each other", () => podsReach(lab.nodes), AT_ONCE);
  const after = await berlin1.status();
  assert.equal(after["internal-ip"], "10.1.0.11/24");
  const unchanged = after["last-seen"] === before ||
    Number(after["last-seen"]) >= Number(before) + 29; // a check-in
  assert.ok(unchanged, "nothing was published meanwhile");
});

Deno.test("a replaced public address is published by its event, and packets follow", async () => {
  await using lab = await mesh(THREE, { flags: NO_RESYNC });
  const [berlin1, , tokyo] = lab.nodes as [LabNode, LabNode, LabNode];
  await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
  await ip(
    berlin1,
    "addr del 198.51.100.11/24 dev eth0",
    "addr add 198.51.100.21/24 dev eth0",
    "route replace default via 198.51.100.1",
  );
  await published(lab, berlin1, "198.51.100.21 10.1.0.11/24");
  const { key } = await berlin1.status();
  await lab.waitFor(
    "the endpoint",
    async () =>
      (await wireGuardPeers(tokyo.namespace)).get(key!)?.endpoint === "198.51.100.21:51820",
    AT_ONCE,
  );
  await together(lab);
});

Deno.test("packets follow a replaced address behind NAT, too", async () => {
  await using lab = await mesh(["berlin-1", "office-1"], { flags: NO_RESYNC });
  const [, office] = lab.nodes as [LabNode, LabNode];
  await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
  await ip(
    office,
    "addr del 192.168.7.41/24 dev eth0",
    "addr add 192.168.7.42/24 dev eth0",
    "route add default via 192.168.7.1",
  );
  await published(lab, office, "192.168.7.42 192.168.7.42/24");
  await together(lab);
});

Deno.test("a node that gets a public address is reached there", async () => {
  await using lab = await mesh(["berlin-1", "office-1"], { flags: NO_RESYNC });
  const [, office] = lab.nodes as [LabNode, LabNode];
  assert.equal(await addresses(office), "192.168.7.41 192.168.7.41/24");
  await ip(
    office,
    "link add up0 type bridge",
    "link set up0 up",
    "addr add 203.0.113.41/32 dev up0",
  );
  await published(lab, office, "203.0.113.41 192.168.7.41/24");
  await ip(office, "link del up0");
  await published(lab, office, "192.168.7.41 192.168.7.41/24");
});

Deno.test("a tunnel's address is taken only where there is no other", async (t) => {
  await using lab = await Lab.create({ world: only(THREE_LOCATIONS, ["berlin-1", "office-1"]) });
  const [berlin, office] = lab.nodes as [LabNode, LabNode];
  for (const node of lab.nodes) {
    await addWireGuard(node.namespace, "wg0");
    await ip(
      node,
      "addr add 10.0.0.1/24 dev wg0",
      "link set wg0 up",
      "tuntap add tailscale0 mode tun",
      "addr add 100.101.102.103/32 dev tailscale0",
      "link set tailscale0 up",
      "tuntap add zt0 mode tap",
      "addr add 10.0.1.1/24 dev zt0",
      "addr add 1.0.0.1/24 dev zt0",
      "link set zt0 up",
    );
    await node.startAgent({ flags: NO_RESYNC });
  }
  await lab.waitFor("the mesh stands", () => stands(lab.nodes));
  assert.equal(await addresses(berlin), "198.51.100.11 10.1.0.11/24");
  assert.equal(await addresses(office), "192.168.7.41 192.168.7.41/24");
  await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
  await t.step("there is no other", async () => {
    await ip(office, "addr del 192.168.7.41/24 dev eth0");
    await published(lab, office, "1.0.0.1 10.0.0.1/24");
  });
  await t.step("there is another one again", async () => {
    await ip(office, "addr add 192.168.7.42/24 dev eth0", "route add default via 192.168.7.1");
    await published(lab, office, "192.168.7.42 192.168.7.42/24");
    await together(lab);
  });
});
