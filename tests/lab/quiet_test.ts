import assert from "node:assert/strict";
import { Lab } from "./lab.ts";
import { nodeObject } from "./manifests.ts";
import { stands } from "./mesh.ts";
import type { LabNode } from "./node.ts";
import { systemCalls } from "./syscalls.ts";
import { waitFor } from "./wait.ts";
import { hasKernelWireGuard } from "./wireguard.ts";
import { only, THREE_LOCATIONS } from "./world.ts";

/** Calls that send, or that tell which files and sockets the program turned to. */
const CALLS = "sendto,sendmsg,sendmmsg,write,writev,openat,connect";

function newLab(): Promise<Lab> {
  return Lab.create({ world: only(THREE_LOCATIONS, ["berlin-1", "tokyo-1"]) });
}

/** Starts kg on each node; answers the first one's system calls so far, when the mesh stands. */
async function trace(lab: Lab, { flags }: { flags: string[] }): Promise<() => Promise<string[]>> {
  const [node, other] = lab.nodes as [LabNode, LabNode];
  const file = `${lab.directory}/strace`;
  await other.startAgent();
  await node.startAgent({ flags, trace: { calls: CALLS, file } });
  await lab.waitFor("the mesh stands", () => stands(lab.nodes));
  return () => systemCalls(file);
}

/** A look at the WireGuard device, whose changes nobody tells. */
const POLL = await hasKernelWireGuard()
  ? /^send.*<NETLINK:\[GENERIC.*NLM_F_DUMP/
  : /^(send|write).*<UNIX.*"get=1/;

function observations(calls: readonly string[]): number {
  return calls.filter((call) => POLL.test(call)).length;
}

/** Other messages to the kernel over netlink. */
function toKernel(calls: readonly string[]): string[] {
  return calls.filter((call) => /^(send|write)\w*\(\d+<NETLINK:/.test(call) && !POLL.test(call));
}

/** Those that ask for a change, and changes of a WireGuard device that is not the kernel's. */
function changing(calls: readonly string[]): string[] {
  return [
    ...toKernel(calls).filter((call) =>
      [...call.matchAll(/nlmsg_type=([^,]+)/g)].some(([, type]) => !type!.includes("GET"))
    ),
    ...calls.filter((call) => /<UNIX.*"set=1/.test(call)),
  ];
}

Deno.test("an unchanged mesh sends the kernel no message at all", async () => {
  await using lab = await newLab();
  const [node, other] = lab.nodes as [LabNode, LabNode];
  const calls = await trace(lab, { flags: ["--resync-period=1h"] });
  await lab.waitFor("three looks in a row find nothing to do", async () => {
    const all = await calls();
    const isBusy = (call: string) => toKernel([call]).concat(changing([call])).length > 0;
    return observations(all.slice(all.findLastIndex(isBusy) + 1)) >= 3;
  }, { timeout: 30_000 });
  const before = (await calls()).length;
  const since = async () => (await calls()).slice(before);

  // The other node checks in; its manifest is written again; everything is looked through.
  const { directory } = lab.manifests;
  const status = `${directory}/status/${other.name}.yaml`;
  const lastSeen = `last-seen: '${Math.floor(Date.now() / 1000) + 1}'`;
  const checkedIn = (await Deno.readTextFile(status)).replace(/last-seen: .*/, lastSeen);
  assert.ok(checkedIn.includes(lastSeen));
  await lab.manifests.putText(status, checkedIn);
  await lab.objects.put(nodeObject(other.spec));
  await Deno.writeTextFile(`${directory}/README`, "makes it look at everything");
  await lab.waitFor("it has read all of that", async () => {
    const read = (await since()).filter((call) => call.startsWith("openat("));
    return [status, lab.manifests.path("Node", other.name)]
      .every((path) => read.some((call) => call.includes(`"${path}"`))) &&
      read.some((call) => call.includes(`"${directory}"`));
  });
  await lab.waitFor("it looks at the device again", async () => observations(await since()) > 0);
  assert.deepEqual(toKernel(await since()), []);
  assert.deepEqual(changing(await since()), []);
  assert.ok(toKernel(await calls()).length > 10, "strace sees what is sent");
  assert.equal(node.agent!.ended, undefined);
});

Deno.test("a resync of an unchanged mesh reads and changes nothing", async () => {
  await using lab = await newLab();
  const calls = await trace(lab, { flags: ["--resync-period=300ms"] });
  const routeDumps = (of: readonly string[]) =>
    of.filter((call) => call.includes("RTM_GETROUTE")).length;
  /** The calls of a few resyncs, from now on. */
  const resyncs = async () => {
    const before = (await calls()).length;
    const since = async () => (await calls()).slice(before);
    await waitFor("a few resyncs", async () => routeDumps(await since()) >= 8);
    return await since();
  };
  await lab.waitFor(
    "nothing is left to be changed",
    async () => changing(await resyncs()).length === 0,
  );
  assert.deepEqual(changing(await resyncs()), []);
  assert.ok(changing(await calls()).length > 5, "strace sees what is changed");
});

Deno.test("nothing but kg itself is ever executed", async () => {
  await using lab = await Lab.create({
    world: only(THREE_LOCATIONS, ["berlin-1", "berlin-2", "tokyo-1"]),
  });
  const [node, second] = lab.nodes as [LabNode, LabNode];
  const file = `${lab.directory}/strace`;
  const calls = "execve,execveat,fork,vfork,clone,clone3,exit_group";
  for (const other of lab.nodes.slice(1)) await other.startAgent();
  await node.startAgent({ flags: ["--clean-up-interface"], trace: { calls, file } });
  await lab.waitFor("the mesh stands", () => stands(lab.nodes));
  await lab.objects.put(nodeObject(second.spec, { leader: "" }));
  await lab.waitFor(
    "the other one leads",
    async () => (await node.status())["wireguard-ip"] === "",
  );
  assert.equal((await node.agent!.stop()).code, 0);

  await lab.waitFor(
    "strace has written all",
    async () => (await systemCalls(file)).some((call) => call.startsWith("exit_group(")),
  );
  const made = await systemCalls(file);
  const executed = made.filter((call) => call.startsWith("execve"));
  assert.equal(executed.length, 1, executed.join("\n"));
  assert.match(executed[0]!, /^execve\("[^"]*\/kg", /);
  const processes = made.filter((call) => /^(v?fork|clone)/.test(call))
    .filter((call) => !call.includes("CLONE_THREAD"));
  assert.deepEqual(processes, [], "threads are all it makes");
});
