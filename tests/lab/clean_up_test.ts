import assert from "node:assert/strict";
import { Lab } from "./lab.ts";
import { mesh, stands } from "./mesh.ts";
import type { LabNode } from "./node.ts";
import { changes } from "./snapshot.ts";
import { only, THREE_LOCATIONS } from "./world.ts";

const NAMES = ["berlin-1", "berlin-2", "tokyo-1"];
/** Milliseconds; what takes longer waits for something. */
const PROMPT = 5000;

function newLab(): Promise<Lab> {
  return Lab.create({ world: only(THREE_LOCATIONS, NAMES) });
}

/** Starts kg on each node; answers what the first one's kernel held before, when the mesh stands. */
async function startAll(lab: Lab, flags: readonly string[] = []): Promise<string> {
  const before = await lab.nodes[0]!.snapshot();
  await Promise.all(lab.nodes.map((node) => node.startAgent({ flags })));
  await lab.waitFor("the mesh stands", () => stands(lab.nodes));
  return before;
}

/** What was found, without the WireGuard interface and all that hangs on it. */
function withoutInterface(snapshot: string): string {
  return sections(snapshot).filter(([title]) => title !== "# kilo0")
    .map(([title, lines]) => [title, ...lines.filter((line) => !line.includes("kilo0"))].join("\n"))
    .join("\n");
}

function sections(snapshot: string): [title: string, lines: string[]][] {
  return snapshot.split(/^(?=# )/m).map((section) => {
    const [title = "", ...lines] = section.trimEnd().split("\n");
    return [title, lines];
  });
}

/** The part of a snapshot that clean-up leaves as it is, if the interface stays. */
function remainder(snapshot: string, { firewall }: { firewall: string[] }): string {
  return sections(snapshot).map(([title, lines]) => {
    const kept = title === "# firewall"
      ? firewall
      : lines.filter((line) => !/proto 107/.test(line));
    return [title, ...kept].join("\n");
  }).join("\n");
}

async function stopInTime(node: LabNode): Promise<void> {
  const start = performance.now();
  const { code } = await node.agent!.stop();
  assert.equal(code, 0);
  const took = performance.now() - start;
  assert.ok(took < PROMPT, `it took ${Math.round(took)} ms`);
  assert.equal(node.agent!.stderr, "");
  assert.deepEqual(node.agent!.log.filter(({ level }) => level === "error"), []);
}

Deno.test("with --clean-up-interface a node is left as it was found", async () => {
  await using lab = await newLab();
  const before = await startAll(lab, ["--clean-up-interface"]);
  const [node] = lab.nodes as [LabNode];
  await stopInTime(node);
  await lab.waitFor(
    "the interface is gone",
    async () => !/kilo0/.test(await node.exec(["ip", "link"])),
  );
  // The flag says that the interface goes, even if somebody else had made it.
  assert.equal(changes(withoutInterface(before), await node.snapshot()), "");
  assert.deepEqual(await node.status(), {}, "nothing is published any more");
  const files = await node.exec(["ls", "/var/lib/kilo/key", "/etc/cni/net.d/10-kilo.conflist"]);
  assert.equal(files.trim().split("\n").length, 2, "key and CNI configuration stay");
});

Deno.test("without it the interface stays, so that peers keep their sessions", async () => {
  await using lab = await newLab();
  const before = await startAll(lab);
  const [node] = lab.nodes as [LabNode];
  const during = await node.snapshot();
  await stopInTime(node);
  const firewall = sections(before).find(([title]) => title === "# firewall")![1];
  assert.match(during, /proto 107/);
  assert.equal(changes(remainder(during, { firewall }), await node.snapshot()), "");
  assert.deepEqual(await node.status(), {}, "nothing is published any more");
});

Deno.test("with --clean-up=false everything stays", async () => {
  await using lab = await mesh(NAMES, { flags: ["--clean-up=false"] });
  const [node] = lab.nodes as [LabNode];
  const during = await node.snapshot();
  const status = await node.status();
  await stopInTime(node);
  assert.equal(changes(during, await node.snapshot()), "");
  assert.deepEqual(await node.status(), status);
});

Deno.test("kg clean-up takes out what a killed kg left, interface and all", async () => {
  await using lab = await newLab();
  const before = await startAll(lab);
  const [node] = lab.nodes as [LabNode];
  await node.agent!.stop("SIGKILL");
  const { code, stderr } = await node.runKg(["clean-up"]);
  assert.equal(stderr, "");
  assert.equal(code, 0);
  await lab.waitFor(
    "the interface is gone",
    async () => !/kilo0/.test(await node.exec(["ip", "link"])),
  );
  assert.equal(changes(withoutInterface(before), await node.snapshot()), "");
  assert.deepEqual(await node.status(), {});
  assert.equal((await node.runKg(["clean-up"])).code, 0, "there is nothing more to do");
});

Deno.test("a clean-up that cannot be finished says so, in time, and does the rest", async () => {
  await using lab = await newLab();
  const before = await startAll(lab, ["--clean-up-interface"]);
  const [node] = lab.nodes as [LabNode];
  const status = `${lab.manifests.directory}/status`;
  await lab.waitFor("no agent makes the directory again at just that moment", async () => {
    try {
      await Deno.remove(status, { recursive: true }).catch(() => {});
      await Deno.writeTextFile(status, "in the way");
      return true;
    } catch {
      return false;
    }
  });
  const { code } = await node.agent!.stop();
  assert.equal(code, 0);
  assert.ok(node.agent!.log.some(({ level, msg }) => level === "error" && /^clean-up: /.test(msg)));
  await lab.waitFor(
    "the interface is gone",
    async () => !/kilo0/.test(await node.exec(["ip", "link"])),
  );
  assert.equal(changes(withoutInterface(before), await node.snapshot()), "");
});

Deno.test("kg clean-up says what kept it from taking the annotations away", async () => {
  await using lab = await Lab.create({ world: only(THREE_LOCATIONS, ["berlin-1"]) });
  const [node] = lab.nodes as [LabNode];
  const missing = `${lab.manifests.directory}/missing`;
  const { code, stdout, stderr } = await node.runKg(["clean-up", `--backend-path=${missing}`]);
  assert.deepEqual([code, stderr.split("\n").length], [1, 2]);
  assert.match(stdout, new RegExp(`"warn".*"${missing} cannot be listed`));
  assert.match(stdout, /"error".*"clean-up: taking this node's annotations away took over 8 s"/);
});

Deno.test("told to stop before it has seen both lists, kg ends at once and cleans nothing", async () => {
  await using lab = await Lab.create({ world: only(THREE_LOCATIONS, ["berlin-1"]) });
  const [node] = lab.nodes as [LabNode];
  await node.exec(["ip", "route", "add", "10.77.0.0/16", "dev", "eth0", "proto", "107"]);
  const before = await node.snapshot();
  const missing = `--backend-path=${lab.manifests.directory}/missing`;
  await node.startAgent({ flags: [missing] });
  await lab.waitFor("it has started", () => node.agent!.log.some(({ msg }) => msg === "starting"));
  await stopInTime(node);
  assert.equal(changes(before, await node.snapshot()), "");
});
