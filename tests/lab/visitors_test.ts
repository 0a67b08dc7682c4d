/** What others do to the agent's HTTP address does not reach the mesh. */

import assert from "node:assert/strict";
import { generatePrivateKey, publicKeyOf } from "../../src/wireguard/key.ts";
import { ask } from "./http.ts";
import { ourRoutes } from "./kernel.ts";
import type { Lab } from "./lab.ts";
import { peerObject } from "./manifests.ts";
import { mesh } from "./mesh.ts";
import type { LabNode } from "./node.ts";
import { waitFor } from "./wait.ts";

const KG = new URL("../../dist/kg", import.meta.url).pathname;
const CROWD = new URL("crowd.ts", import.meta.url).pathname;

/** Bytes of memory that the agent may have, whatever happens. */
const MOST_MEMORY = 150e6;

/** Milliseconds for an answer to a probe; 2 s where nothing else runs. */
const PROBE_TIMEOUT = 5000;

/** So many Peers that a drawing of the mesh is work. */
async function addPeers(lab: Lab, count: number): Promise<void> {
  for (let at = 0; at < count; at++) {
    const name = `peer-${at}`;
    const spec = { name, site: "", addresses: [], persistentKeepalive: 0 };
    const allowedIPs = [`10.64.${at >> 8}.${at & 255}/32`];
    const key = await publicKeyOf(generatePrivateKey());
    await lab.objects.put(peerObject({ ...spec, allowedIPs }, key));
  }
}

function residentMemory(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)![1]) * 1024;
}

function descriptors(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

Deno.test("a crowd of visitors from outside keeps nothing from the agent", async (t) => {
  await using lab = await mesh(["berlin-1", "tokyo-1"]);
  const [berlin, tokyo] = lab.nodes as [LabNode, LabNode];
  await addPeers(lab, 300);
  await lab.waitFor(
    "the Peers",
    async () => (await ask(berlin.namespace, "/metrics")).body.includes("kilo_peers 300"),
  );
  const { pid } = berlin.agent!;
  const host = berlin.spec.addresses[0]!.split("/")[0]!;
  const listening = await berlin.exec(["ss", "-Hltn"]);
  assert.match(
    listening,
    /^LISTEN \S+ +\S+ +\*:1107 [^\n]*\n$/,
    "there is no way round its limits",
  );
  const before = descriptors(pid);
  const route = (await ourRoutes(berlin.namespace)).find((route) => route.includes(" via "))!;

  let [longest, largest] = [0, 0];
  const probe = async () => {
    for (const address of ["127.0.0.1", host, "[::1]"]) {
      const start = performance.now();
      const { status, body } = await ask(berlin.namespace, "/health", { address });
      const took = performance.now() - start;
      assert.deepEqual([status, JSON.parse(body).ready], [200, true]);
      assert.ok(took < PROBE_TIMEOUT, `${took} ms`);
      const memory = residentMemory(pid);
      [longest, largest] = [Math.max(longest, took), Math.max(largest, memory)];
      assert.ok(memory < MOST_MEMORY, `${memory / 1e6} MB`);
      assert.ok(descriptors(pid) < before + 300);
    }
  };
  const lastSeen = async () => (await berlin.status())["last-seen"];

  const floods: Readonly<Record<string, readonly (readonly string[])[]>> = {
    "many connections that are kept": [[
      "wrk",
      "-t1",
      "-c400",
      "-d20s",
      `http://${host}:1107/metrics`,
    ]],
    "a connection for each request": [
      ["wrk", "-t1", "-c400", "-d20s", "-H", "Connection: close", `http://${host}:1107/graph`],
    ],
    "slow readers and writers, silence and other protocols": [
      [Deno.execPath(), "run", "--no-config", "--allow-net", CROWD, host, "1107", "100"],
      ["wrk", "-t1", "-c50", "-d40s", `http://${host}:1107/graph?format=dot`],
    ],
  };
  for (const [name, commands] of Object.entries(floods)) {
    await t.step(name, async () => {
      const seen = await lastSeen();
      const running = commands.map((command) => tokyo.namespace.spawn(command, { stdout: "null" }));
      try {
        let answers = 0;
        await waitFor("another check-in", async () => {
          await probe();
          return ++answers > 20 && await lastSeen() !== seen;
        }, { timeout: 120_000 });
        await berlin.exec(["ip", "route", "del", route.split(" ")[0]!, "proto", "107"]);
        await lab.waitFor(
          "the route is repaired",
          async () => (await ourRoutes(berlin.namespace)).includes(route),
        );
      } finally {
        console.log(`measured: ${Math.round(longest)} ms, ${Math.round(largest / 1e6)} MB`);
        for (const child of running) kill(child);
        await Promise.all(running.map(({ status }) => status));
      }
    });
  }
  await lab.waitFor("all have been let go", () => descriptors(pid) <= before + 4, {
    timeout: 60_000,
  });
  assert.equal(berlin.agent!.ended, undefined);
  assert.deepEqual(berlin.agent!.log.filter(({ level }) => level === "error"), []);
});

Deno.test("an agent with few descriptors keeps enough of them for itself", async () => {
  const program = await Deno.makeTempFile({ prefix: "kg-few-" });
  await using lab = await mesh(["berlin-1", "tokyo-1"]);
  const [berlin, tokyo] = lab.nodes as [LabNode, LabNode];
  try {
    await Deno.writeTextFile(program, `#!/bin/sh\nexec prlimit --nofile=120:120 ${KG} "$@"\n`);
    await Deno.chmod(program, 0o755);
    await berlin.agent!.stop();
    await berlin.startAgent({ program });
    await lab.waitFor(
      "it is ready",
      async () => (await ask(berlin.namespace, "/ready")).status === 200,
    );
    const host = berlin.spec.addresses[0]!.split("/")[0]!;
    const seen = (await berlin.status())["last-seen"];
    const crowd = tokyo.namespace.spawn([
      ...[Deno.execPath(), "run", "--no-config", "--allow-net", CROWD, host, "1107", "60"],
    ]);
    await waitFor("another check-in", async () => {
      assert.equal((await ask(berlin.namespace, "/health")).status, 200);
      return (await berlin.status())["last-seen"] !== seen;
    }, { timeout: 120_000 });
    kill(crowd);
    await crowd.status;
    assert.deepEqual(berlin.agent!.log.filter(({ level }) => level === "error"), []);
  } finally {
    await Deno.remove(program);
  }
});

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // it has ended
  }
}
