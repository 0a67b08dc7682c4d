/** Meshes on BoringTun, which the original's own k3s manifest ships. */

import assert from "node:assert/strict";
import { boringtun } from "./boringtun.ts";
import { scrape } from "./http.ts";
import { wireGuardPeers } from "./kernel.ts";
import { peerObject } from "./manifests.ts";
import { mesh, peersReach, podsReach } from "./mesh.ts";

const program = await boringtun();

/** Things that were changed on the device so far, and reconciles. */
const CHANGES = 'kilo_reconcile_changes_total{subsystem="device"}';
const RECONCILES = "kilo_reconciles_total";

/**
 * Both sides may begin a handshake at once, and each is left with a session that the other lacks. A peer
 * on BoringTun notices after 15 s (KEEPALIVE_TIMEOUT and REKEY_TIMEOUT), and tries again.
 */
const LONG = { timeout: 60_000 };

Deno.test({
  name: "a mesh on BoringTun stands, changes, and is left alone when it does not",
  ignore: program === undefined,
  async fn() {
    await using lab = await mesh(["berlin-1", "berlin-2", "tokyo-1", "office-1", "laptop"], {
      boringtun: program!,
      flags: ["--resync-period=1s"],
    });
    await lab.waitFor("pods reach each other", () => podsReach(lab.nodes), LONG);

    const tokyo = lab.node("tokyo-1");
    const laptop = lab.peer("laptop");
    const key = await laptop.publicKey();
    await lab.objects.put(peerObject(laptop.spec, key));
    await lab.waitFor("the laptop reaches all pods", () => peersReach(lab), LONG);

    // A peer with a session changes: it gains an allowed IP, and loses it again.
    const allowed = async () => (await wireGuardPeers(tokyo.namespace)).get(key)?.allowedIPs.length;
    for (const more of [["10.10.11.0/24"], []]) {
      const allowedIPs = [...laptop.spec.allowedIPs, ...more];
      await lab.objects.put(peerObject({ ...laptop.spec, allowedIPs }, key));
      await lab.waitFor("BoringTun has it", async () => await allowed() === allowedIPs.length);
      await lab.waitFor("the laptop still reaches all pods", () => peersReach(lab), LONG);
    }
    await lab.waitFor("pods still reach each other", () => podsReach(lab.nodes), LONG);

    // Looked at again and again: nothing is set again, be it the private key, which is not shown.
    const before = await scrape(tokyo.namespace);
    let after = before;
    await lab.waitFor("it has looked five times", async () => {
      after = await scrape(tokyo.namespace);
      return after.get(RECONCILES)! >= before.get(RECONCILES)! + 5;
    });
    assert.equal(after.get(CHANGES), before.get(CHANGES));
    const ages = [...after].filter(([name]) => name.startsWith("kilo_last_handshake_age_seconds"));
    assert.equal(ages.length, 3);
    for (const [name, age] of ages) assert.ok(age >= 0 && age < 600, `${name} ${age}`);

    await lab.objects.delete("Peer", "laptop");
    await lab.waitFor("the laptop is gone", async () => await allowed() === undefined);
    assert.ok(await podsReach(lab.nodes), "and nobody else");
    for (const { agent } of lab.nodes) assert.doesNotMatch(agent!.output, /errno|panicked/);
  },
});
