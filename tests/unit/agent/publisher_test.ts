import assert from "node:assert/strict";
import { openLog } from "../../../src/agent/log.ts";
import { Monitor } from "../../../src/agent/monitor.ts";
import { type OwnFacts, Publisher } from "../../../src/agent/publisher.ts";
import type { Backend } from "../../../src/backend/backend.ts";
import { ANNOTATIONS, type Strings } from "../../../src/mesh/object.ts";
import { NOTHING_PUBLISHED } from "../../../src/mesh/publish.ts";
import { parseIP } from "../../../src/net/ip.ts";
import { parseKey } from "../../../src/net/key.ts";
import { parsePrefix } from "../../../src/net/prefix.ts";
import { waitFor } from "../../lab/wait.ts";

const OWN: OwnFacts = {
  key: parseKey("GY5aT1N9dTR/nJnT1N2f4ClZWVj0jOAld0r8ysWLyjg=")!,
  granularity: "location",
  port: 51820,
  endpointIP: parseIP("192.0.2.1")!,
};

const reconciled = (address: string): OwnFacts => ({
  ...OWN,
  reconciled: { wireGuardIP: parsePrefix(address)!, discoveredEndpoints: new Map() },
});

Deno.test("run() sends a first change at once, and those of a mesh that comes together in one", async () => {
  let own: Strings = {};
  const patches: { readonly at: number; readonly patch: Strings }[] = [];
  const backend = {
    cluster: () => ({ nodes: new Map(), peers: new Map(), problems: [], own }),
    patchOwn: (patch: Strings) => {
      patches.push({ at: performance.now(), patch });
      own = { ...own, ...patch };
      return Promise.resolve();
    },
  } as unknown as Backend;
  const memory = { published: NOTHING_PUBLISHED };
  const publisher = new Publisher(backend, {
    memory,
    log: openLog("test"),
    monitor: new Monitor(),
  });

  const start = performance.now();
  publisher.update(OWN);
  const running = publisher.run();
  await waitFor("the first patch", () => patches.length === 1);
  assert.equal(patches[0]!.patch[ANNOTATIONS.key], OWN.key);
  assert.ok(patches[0]!.at - start < 250);

  for (const host of [1, 2, 3]) {
    publisher.update(reconciled(`10.4.0.${host}/16`));
    await new Promise((resolve) => setTimeout(resolve));
  }
  await waitFor("the second patch", () => patches.length === 2);
  assert.equal(patches[1]!.patch[ANNOTATIONS.wireGuardIP], "10.4.0.3/16");
  assert.ok(patches[1]!.at - patches[0]!.at > 450);

  publisher.stop();
  await running;
});
