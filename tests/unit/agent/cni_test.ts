import assert from "node:assert/strict";
import { newConflist, updateConflist, writeConflist } from "../../../src/agent/cni.ts";
import { ConflistMemory } from "../../../src/agent/conflist_memory.ts";
import { parsePrefix } from "../../../src/net/prefix.ts";

const subnet = parsePrefix("10.42.1.0/24")!;
const BRIDGE = { type: "bridge", ipam: { type: "host-local" } };
const update = (list: unknown) =>
  updateConflist(typeof list === "string" ? list : JSON.stringify(list), { subnet, mtu: 1420 });

/** The plugins of a list as they are after the update. */
function plugins(...before: unknown[]): unknown {
  const after = update({ cniVersion: "1.0.0", name: "mine", extra: 1, plugins: before });
  if (after.kind !== "write") return after;
  const { plugins, ...rest } = JSON.parse(after.text);
  assert.deepEqual(rest, { cniVersion: "1.0.0", name: "mine", extra: 1 });
  return plugins;
}

Deno.test("updateConflist() writes a whole list where there is none", () => {
  const made = updateConflist(undefined, { subnet, mtu: 1380 });
  assert(made.kind === "write");
  assert.deepEqual(JSON.parse(made.text), {
    cniVersion: "0.4.0",
    name: "kilo",
    plugins: [{
      name: "kubernetes",
      type: "bridge",
      bridge: "kube-bridge",
      isDefaultGateway: true,
      forceAddress: true,
      mtu: 1380,
      ipam: { type: "host-local", ranges: [[{ subnet: "10.42.1.0/24" }]] },
    }, { type: "portmap", snat: true, capabilities: { portMappings: true } }],
  });
  assert.deepEqual(update(made.text), { kind: "unchanged" });
});

Deno.test("updateConflist() leaves a list alone whose first subnet is right", () => {
  const lists = [
    [{
      ipam: {
        type: "host-local",
        ranges: [[{ subnet: "10.42.1.0/24" }], [{ subnet: "fd00::/64" }]],
      },
    }],
    [{ ipam: { type: "host-local", ranges: [[{ subnet: "10.42.1.9/24" }]] } }],
    [{
      ipam: { type: "host-local", subnet: "10.42.1.0/24", ranges: [[{ subnet: "10.0.0.0/8" }]] },
    }],
    [
      { ipam: { type: "host-local" } },
      { ipam: { type: "host-local", subnet: "10.42.1.0/24" } },
      { ipam: { type: "host-local", subnet: "10.0.0.0/8" } },
    ],
  ];
  for (const list of lists) assert.deepEqual(plugins(...list), { kind: "unchanged" });
});

Deno.test("updateConflist() sets the ranges of every host-local plugin and nothing else", () => {
  const ranges = [[{ subnet: "10.42.1.0/24" }]];
  assert.deepEqual(
    plugins(
      {
        type: "bridge",
        mtu: 9000,
        ipam: { type: "host-local", subnet: "10.0.0.0/24", routes: [] },
      },
      { type: "macvlan", ipam: { type: "dhcp", subnet: "10.0.0.0/24" } },
      { type: "ptp", ipam: { type: "host-local", ranges: [[{ subnet: "10.42.1.0/24" }]] } },
      { type: "portmap" },
      "odd",
    ),
    [
      { type: "bridge", mtu: 9000, ipam: { type: "host-local", routes: [], ranges } },
      { type: "macvlan", ipam: { type: "dhcp", subnet: "10.0.0.0/24" } },
      { type: "ptp", ipam: { type: "host-local", ranges } },
      { type: "portmap" },
      "odd",
    ],
  );
  for (const ipam of [{ ranges: 7 }, { subnet: 7 }, { subnet: "bad" }, { ranges: [[null]] }]) {
    assert.deepEqual(plugins({ ipam: { type: "host-local", ...ipam } }), [
      { ipam: { type: "host-local", ranges } },
    ]);
  }
});

Deno.test("updateConflist() keeps its hands off what it cannot understand", () => {
  const ipam = { type: "host-local" };
  for (
    const list of [
      "{",
      "[]",
      "null",
      {},
      { name: "x", plugins: {} },
      { plugins: [{ ipam }] },
      { name: "x", plugins: [] },
      { name: "x", plugins: [{ ipam: { type: "dhcp" } }] },
    ]
  ) {
    const { kind } = update(list);
    assert.equal(kind, "not understood", JSON.stringify(list));
  }
});

Deno.test("writeConflist() makes, keeps and changes the file, its mode and its link", async () => {
  const root = await Deno.makeTempDir({ prefix: "ag-" });
  const path = `${root}/net.d/10-kilo.conflist`;
  const memory = new ConflistMemory(`${root}/none`);
  const put = (subnet: string) =>
    writeConflist(path, { subnet: parsePrefix(subnet)!, mtu: 1420, memory });
  assert.deepEqual(await put("10.42.1.0/24"), { written: true, warnings: [] });
  assert.equal(Deno.statSync(path).mode! & 0o777, 0o644);
  const { ino } = Deno.statSync(path);
  assert.deepEqual(await put("10.42.1.0/24"), { written: false, warnings: [] });
  assert.equal(Deno.statSync(path).ino, ino);
  await Deno.chmod(path, 0o600);
  await Deno.rename(path, `${root}/real`);
  await Deno.symlink(`${root}/real`, path);
  assert.deepEqual(await put("10.42.2.0/24"), { written: true, warnings: [] });
  assert(Deno.lstatSync(path).isSymlink);
  assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
  assert.match(await Deno.readTextFile(path), /10\.42\.2\.0\/24/);
  assert.deepEqual([...Deno.readDirSync(root)].map(({ name }) => name).sort(), ["net.d", "real"]);
  await Deno.writeTextFile(path, "{");
  assert.match((await put("10.42.2.0/24")).warnings[0]!.text, /left alone: it is no JSON object/);
  await Deno.remove(`${root}/real`);
  await Deno.mkdir(`${root}/real`);
  assert.match((await put("10.42.2.0/24")).warnings[0]!.text, /cannot be written/);
  await Deno.remove(root, { recursive: true });
});

Deno.test("a list of ours that is empty or half written is written anew, another's is left alone", async () => {
  const root = await Deno.makeTempDir({ prefix: "ag-" });
  const path = `${root}/10-kilo.conflist`;
  const memory = new ConflistMemory(root);
  const put = () => writeConflist(path, { subnet, mtu: 1420, memory });
  /** Puts it there as it was left long ago, and lets the agent see to it. */
  const find = async (text: string) => {
    await Deno.writeTextFile(path, text);
    await Deno.utime(path, 1, 1);
    const { written } = await put();
    return { written, text: await Deno.readTextFile(path) };
  };
  await Deno.writeTextFile(
    path,
    JSON.stringify({ name: "mine", plugins: [BRIDGE, { type: "x" }] }),
  );
  assert.ok((await put()).written);
  const whole = await Deno.readTextFile(path);
  for (
    const half of ["", "\n", "\0\0\0", whole.slice(0, 1), whole.slice(0, 70), whole.slice(0, -3)]
  ) {
    assert.deepEqual(await find(half), { written: true, text: whole }, JSON.stringify(half));
  }
  const zeros = whole.slice(0, 40) + "\0".repeat(100);
  assert.deepEqual(await find(zeros), { written: true, text: whole });
  assert.equal(await Deno.readTextFile(`${root}/cni-broken.conflist`), zeros);
  assert.deepEqual(await find(whole + whole.slice(-20)), { written: true, text: whole });
  for (const others of ["{'", "[", '{"cniVersion": "0.3.1"']) {
    assert.deepEqual(await find(others), { written: false, text: others }, others);
  }
  await Deno.remove(root, { recursive: true });
});

Deno.test("half a list that may just be being written is looked at again", async () => {
  const root = await Deno.makeTempDir({ prefix: "ag-" });
  const path = `${root}/10-kilo.conflist`;
  const memory = new ConflistMemory(root);
  await Deno.writeTextFile(path, "");
  const { written, again } = await writeConflist(path, { subnet, mtu: 1420, memory });
  assert.ok(!written && again! > 0 && again! <= 2000);
  await Deno.remove(root, { recursive: true });
});

Deno.test("an empty list that this agent never wrote is made from nothing", () => {
  const made = updateConflist("", { subnet, mtu: 1420 });
  assert.deepEqual(made, {
    kind: "write",
    text: newConflist({ subnet, mtu: 1420 }),
    isBroken: true,
  });
});
