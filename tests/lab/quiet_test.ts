import assert from "node:assert/strict";
import { dump } from "js-yaml";
import { Lab } from "./lab.ts";
import { nodeObject } from "./manifests.ts";
import { stands } from "./mesh.ts";
import type { LabNode } from "./node.ts";
import { systemCalls } from "./syscalls.ts";
import { only, THREE_LOCATIONS } from "./world.ts";

/** Calls that send, or that tell which files and sockets the program turned to. */
const CALLS = "sendto,sendmsg,sendmmsg,write,writev,openat,connect";

/** A mesh of two, the system calls of one of its agents, and the other one's status file. */
async function traced({ flags }: { flags: string[] }) {
  const lab = await Lab.create({ world: only(THREE_LOCATIONS, ["berlin-1", "tokyo-1"]) });
  const [node, other] = lab.nodes as [LabNode, LabNode];
  const file = `${lab.directory}/strace`;
  await other.startAgent();
  await node.startAgent({ flags, trace: { calls: CALLS, file } });
  await lab.waitFor("the mesh stands", () => stands(lab.nodes));
  return { lab, node, other, calls: () => systemCalls(file) };
}

/** Messages to the kernel over netlink. */
function toKernel(calls: readonly string[]): string[] {
  return calls.filter((call) => /^(send\w+|writev?)\(\d+<NETLINK:/.test(call));
}

/** Those that ask for a change, and changes of the WireGuard device over its own socket. */
function changing(calls: readonly string[]): string[] {
  return [
    ...toKernel(calls).filter((call) =>
      [...call.matchAll(/nlmsg_type=([^,]+)/g)].some(([, type]) => !/GET|NLMSG_NOOP/.test(type!))
    ),
    ...calls.filter((call) => /<UNIX/.test(call) && call.includes('"set=1')),
  ];
}

/** Looks at the WireGuard device, over its own socket. */
function looks(calls: readonly string[]): number {
  return calls.filter((call) => /^(send\w+|writev?)\(.*<UNIX.*"get=1/.test(call)).length;
}

Deno.test("an unchanged mesh sends the kernel no message at all", async () => {
  const { lab, node, other, calls } = await traced({ flags: ["--resync-period=1h"] });
  await using _lab = lab;
  await lab.waitFor("two looks at the device", async () => looks(await calls()) >= 3);
  const before = (await calls()).length;
  const since = async () => (await calls()).slice(before);

  // The other node checks in; its manifest is written again; everything is looked through.
  const { directory } = lab.manifests;
  const seen = Math.floor(Date.now() / 1000) + 1;
  const annotations = Object.entries(await other.status())
    .map(([name, value]) => [`kilo.squat.ai/${name}`, value]);
  const status = `${directory}/status/${other.name}.yaml`;
  const checkedIn = nodeObject(other.spec);
  await lab.manifests.putText(
    status,
    dump({
      ...checkedIn,
      metadata: {
        name: other.name,
        annotations: { ...Object.fromEntries(annotations), "kilo.squat.ai/last-seen": `${seen}` },
      },
    }),
  );
  await lab.manifests.put(checkedIn);
  await Deno.writeTextFile(`${directory}/README`, "makes it look at everything");
  await lab.waitFor("it has read all of that", async () => {
    const read = (await since()).filter((call) => call.startsWith("openat("));
    return [status, lab.manifests.path("Node", other.name)]
      .every((path) => read.some((call) => call.includes(`"${path}"`))) &&
      read.some((call) => call.includes(`"${directory}"`));
  });
  await lab.waitFor("and has looked at the device again", async () => looks(await since()) >= 1);
  assert.deepEqual(toKernel(await since()), []);
  assert.deepEqual(changing(await since()), []);
  assert.ok(toKernel(await calls()).length > 10, "strace sees what is sent");
  assert.equal(node.agent!.ended, undefined);
});

Deno.test("a resync of an unchanged mesh reads and changes nothing", async () => {
  const { lab, calls } = await traced({ flags: ["--resync-period=300ms"] });
  await using _lab = lab;
  const resyncs = (all: readonly string[]) =>
    toKernel(all).filter((call) => call.includes("RTM_GETROUTE")).length;
  await lab.waitFor("the mesh is quiet", async () => {
    const before = (await calls()).length;
    await lab.waitFor("three resyncs", async () => resyncs((await calls()).slice(before)) >= 6);
    return changing((await calls()).slice(before)).length === 0;
  });
  const before = (await calls()).length;
  const since = async () => (await calls()).slice(before);
  await lab.waitFor("three more", async () => resyncs(await since()) >= 6);
  assert.deepEqual(changing(await since()), []);
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
  await lab.manifests.put(nodeObject(second.spec, { leader: "" }));
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
