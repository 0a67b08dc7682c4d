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

/** An own Node that takes patches, but for those that `refuse` has something against. */
function ownNode(refuse: (patch: Strings) => Error | undefined = () => undefined) {
  let own: Strings = {};
  const patches: { readonly at: number; readonly patch: Strings }[] = [];
  const backend = {
    cluster: () => ({ nodes: new Map(), peers: new Map(), problems: [], own }),
    patchOwn: async (patch: Strings) => {
      patches.push({ at: performance.now(), patch });
      const refusal = refuse(patch);
      await new Promise((resolve) => setTimeout(resolve, 20)); // as a server does
      if (refusal) throw refusal;
      own = { ...own, ...patch };
    },
  } as unknown as Backend;
  const publisher = new Publisher(backend, {
    hostname: "a",
    memory: { published: NOTHING_PUBLISHED },
    log: openLog("test"),
    monitor: new Monitor(),
  });
  return { publisher, patches };
}

Deno.test("run() sends a first change at once, and those of a mesh that comes together in one", async () => {
  const { publisher, patches } = ownNode();
  const start = performance.now();
  publisher.update(OWN);
  const running = publisher.run();
  await waitFor("the first patch", () => patches.length === 1);
  assert.equal(patches[0]!.patch[ANNOTATIONS.key], OWN.key);
  assert.ok(ANNOTATIONS.lastSeen in patches[0]!.patch, "the first one checks in, too");
  assert.ok(patches[0]!.at - start < 250);
  publisher.update(OWN); // while that is under way
  await waitFor("it arrives", () => publisher.liveUntil > performance.now());
  assert.equal(patches.length, 1);

  for (const host of [1, 2, 3]) {
    publisher.update(reconciled(`10.4.0.${host}/16`));
    await new Promise((resolve) => setTimeout(resolve));
  }
  await waitFor("the second patch", () => patches.length === 2);
  assert.deepEqual(patches[1]!.patch, {
    [ANNOTATIONS.wireGuardIP]: "10.4.0.3/16",
    [ANNOTATIONS.discoveredEndpoints]: "{}",
  });
  assert.ok(patches[1]!.at - patches[0]!.at > 450);

  publisher.stop();
  await running;
});

Deno.test("run() checks in with last-seen alone, whatever is refused of the rest", async () => {
  const { publisher, patches } = ownNode((patch) =>
    ANNOTATIONS.key in patch ? new Error("413 too large") : undefined
  );
  publisher.update(OWN);
  const running = publisher.run();
  await waitFor("a check-in", () => publisher.liveUntil > performance.now());
  const { patch } = patches.find(({ patch }) => !(ANNOTATIONS.key in patch))!;
  assert.deepEqual(Object.keys(patch), [ANNOTATIONS.lastSeen]);
  assert.match(publisher.warnings[0]!.text, /not published: 413 too large/);
  publisher.stop();
  await running;
});
