/** An internal address that this host has not got, or from which its packets do not come. */

import assert from "node:assert/strict";
import { kernelHasIPIP } from "../../tools/provision.ts";
import { AT_ONCE, ip, NO_RESYNC, published } from "./addresses.ts";
import { ask } from "./http.ts";
import { ourRoutes } from "./kernel.ts";
import { Lab } from "./lab.ts";
import { nodeObject } from "./manifests.ts";
import { stands } from "./mesh.ts";
import type { LabNode } from "./node.ts";
import { only, THREE_LOCATIONS } from "./world.ts";

const NODES = ["berlin-1", "berlin-2", "tokyo-1"];

interface Warning {
  readonly code: string;
  readonly subject: string;
  readonly text: string;
}

async function warnings({ namespace }: LabNode): Promise<readonly Warning[]> {
  return JSON.parse((await ask(namespace, "/health")).body).warnings;
}

/** Whose IPIP packets its firewall accepts. */
async function accepted({ namespace }: LabNode): Promise<string[]> {
  const text = await namespace.exec(["nft", "-j", "list", "set", "ip", "kilo", "ipip"]);
  return [...text.matchAll(/\d+\.\d+\.\d+\.\d+/g)].map(([address]) => address).sort();
}

Deno.test("an internal address that no interface has is no preferred source", async (t) => {
  await using lab = await Lab.create({ world: only(THREE_LOCATIONS, NODES) });
  const [berlin1, berlin2, tokyo] = lab.nodes as [LabNode, LabNode, LabNode];
  for (const node of lab.nodes) {
    if (!await kernelHasIPIP()) await ip(node, "link add tunl0 type bridge"); // routes look the same
    await node.startAgent({ flags: [...NO_RESYNC, "--encapsulate=always"] });
  }
  await lab.waitFor("the mesh stands", () => stands(lab.nodes));
  assert.ok(!("encapsulation-ip" in await berlin1.status()));
  const annotate = (node: LabNode, annotations: Record<string, string>) =>
    lab.objects.put(nodeObject(node.spec, annotations));
  const sourceOf = (node: LabNode) =>
    node.status().then((status) => status["encapsulation-ip"] ?? "");

  await t.step("forced", async () => {
    await annotate(berlin1, { "force-internal-ip": "10.1.0.99/24" });
    await published(lab, berlin1, "198.51.100.11 10.1.0.99/24");
    assert.equal(await sourceOf(berlin1), "10.1.0.11/32", "in one patch");
    await lab.waitFor("its routes, without a source", async () => {
      const routes = await ourRoutes(berlin1.namespace);
      return routes.length > 0 && routes.every((route) => !route.includes(" src ")) &&
        [berlin2, tokyo].every(({ spec }) =>
          routes.some((route) => route.startsWith(`${spec.podCIDR} `))
        );
    }, AT_ONCE);
    await lab.waitFor(
      "the real source",
      async () => await sourceOf(berlin1) === "10.1.0.11/32",
      AT_ONCE,
    );
    const reported = await warnings(berlin1);
    const warning = reported.find(({ code }) => code === "address");
    assert.match(warning?.text ?? "", /10\.1\.0\.99\/24.*IPIP.*from 10\.1\.0\.11/);
    assert.ok(berlin1.agent!.log.some(({ msg }) => msg === warning!.text));
    assert.deepEqual(reported.filter(({ code }) => code === "route"), []);
  });
  await t.step("accepted by the neighbour, and nowhere else", async () => {
    const all = ["10.1.0.11", "10.1.0.12", "10.1.0.99"];
    await lab.waitFor(
      "its firewall",
      async () => (await accepted(berlin2)).join() === all.join(),
      AT_ONCE,
    );
    assert.deepEqual(await accepted(tokyo), ["10.2.0.31"]);
  });
  await t.step("kept over a restart", async () => {
    await berlin1.agent!.stop("SIGKILL");
    const { status } = lab.objects;
    assert.equal(
      (await status.call(lab.objects, berlin1.name))["kilo.squat.ai/encapsulation-ip"],
      "10.1.0.11/32",
    );
    await berlin1.startAgent({ flags: [...NO_RESYNC, "--encapsulate=always"] });
    await lab.waitFor(
      "the warning again",
      async () => (await warnings(berlin1)).some(({ code }) => code === "address"),
    );
    assert.equal(await sourceOf(berlin1), "10.1.0.11/32");
  });
  await t.step("once an interface has it, as second one", async () => {
    await ip(berlin1, "addr add 10.1.0.99/24 dev eth0");
    await lab.waitFor("routes with it", async () => {
      const routes = await ourRoutes(berlin1.namespace);
      return routes.some((route) => route.includes(" src 10.1.0.99 "));
    }, AT_ONCE);
    assert.equal(await sourceOf(berlin1), "10.1.0.11/32");
    await lab.waitFor("another warning", async () => {
      const codes = (await warnings(berlin1)).map(({ code }) => code);
      return codes.includes("encapsulation") && !codes.includes("address");
    });
  });
  await t.step("no longer forced", async () => {
    await annotate(berlin1, {});
    await published(lab, berlin1, "198.51.100.11 10.1.0.11/24");
    await lab.waitFor("nothing to tell", async () =>
      await sourceOf(berlin1) === "" &&
      (await warnings(berlin1)).every(({ code }) =>
        code !== "address" && code !== "encapsulation"
      ));
    await lab.waitFor(
      "the neighbour's firewall",
      async () => (await accepted(berlin2)).join() === "10.1.0.11,10.1.0.12",
      AT_ONCE,
    );
  });
  await t.step("taken back by a clean-up", async () => {
    await annotate(berlin2, { "force-internal-ip": "10.1.0.98/24" });
    await lab.waitFor(
      "the real source",
      async () => await sourceOf(berlin2) === "10.1.0.12/32",
      AT_ONCE,
    );
    await berlin2.agent!.stop("SIGTERM");
    assert.deepEqual(await berlin2.status(), {});
  });
});
