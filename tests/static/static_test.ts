/** The built program and a probe, each as the only file of a file system; see docs/static-binary.md. */

import assert from "node:assert/strict";
import { VERSION } from "../../src/cli/version.ts";
import { Agent } from "../lab/agent.ts";
import { ask } from "../lab/http.ts";
import { waitFor } from "../lab/wait.ts";
import { addWireGuard } from "../lab/wireguard.ts";
import { build } from "../../tools/build.ts";
import { denort } from "../../tools/denort.ts";
import { provision } from "../../tools/provision.ts";
import { compileStub } from "../../tools/static/stub.ts";
import { readSystem } from "../../tools/static/system.ts";
import { Refusal } from "../../tools/terminal.ts";
import { compileProbe, packDenort } from "./compile.ts";
import { Jail } from "./jail.ts";
import type { Found } from "./probe.ts";

const ARCH = Deno.build.arch;
const FOUND = {
  ...{ libc: true, poll: 0, http: "pong", worker: "at work" },
  ...{ preload: null, preloadOfChild: null },
};

const AGENT = [
  ..."/kg --backend=file --backend-path=/cluster --hostname=alone --interface=kilo0".split(" "),
  ..."--create-interface=false --encapsulate=never --cni=false".split(" "),
];

/** As `kgctl` sees it. */
const READY_NODE = {
  apiVersion: "v1",
  kind: "Node",
  metadata: {
    name: "alone",
    annotations: {
      "kilo.squat.ai/endpoint": "192.0.2.1:51820",
      "kilo.squat.ai/granularity": "location",
      "kilo.squat.ai/key": "YWxvbmUgICAgICAgICAgICAgICAgICAgICAgICAgICA=",
      "kilo.squat.ai/last-seen": "4102444800",
    },
  },
  spec: { podCIDR: "10.42.0.0/24" },
};

const kg = await build();
const work = await Deno.makeTempDir({ prefix: "kg static " });
const [plain, packed] = [`${work}/plain`, `${work}/packed`];

Deno.test.beforeAll(async () => {
  await packDenort(ARCH, `${work}/denort`);
  await compileProbe(await denort(ARCH), { architecture: ARCH, output: plain });
  await compileProbe(`${work}/denort`, { architecture: ARCH, output: packed });
});
Deno.test.afterAll(() => Deno.remove(work, { recursive: true }));

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(program: string, options: Deno.CommandOptions = {}): Promise<Ran> {
  const { code, stdout, stderr } = await new Deno.Command(program, options).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** What a probe printed, without its figures. */
function parseFound({ stdout, stderr }: Ran): Partial<Found> {
  assert.equal(stderr, "");
  const { processor: _, resident: __, anonymous: ___, ...found } = JSON.parse(stdout) as Found;
  return found;
}

const VERSION_PRINTED: Ran = { code: 0, stdout: `${VERSION}\n`, stderr: "" };

Deno.test("kg starts as the only file of a read-only root", async () => {
  await using jail = await Jail.open(kg);
  assert.deepEqual(await jail.run("/kg", "version"), VERSION_PRINTED);
});

Deno.test("kg is kgctl by that name, as a link and as a copy, and needs no rights but to read", async () => {
  await using jail = await Jail.open(kg, { directories: ["cluster"] });
  const version: Ran = { code: 0, stdout: `kgctl version ${VERSION}\n`, stderr: "" };
  assert.deepEqual(await jail.run("/kgctl", "--version"), version);
  const directory = `${work}/copy`;
  await Deno.mkdir(directory);
  await Deno.copyFile(kg, `${directory}/kgctl`);
  assert.deepEqual(await run("kgctl", { args: ["-v"], env: { PATH: directory } }), version);

  await Deno.writeTextFile(jail.path("/cluster/node.json"), JSON.stringify(READY_NODE));
  const asNobody = ["chroot", "--userspec=65534:65534", jail.inside("/")];
  const command = ["/kgctl", "graph", "--backend=file", "--backend-path=/cluster"];
  const graph = await jail.namespace.try([...asNobody, ...command]);
  assert.deepEqual({ ...graph, stdout: "" }, { code: 0, stdout: "", stderr: "" });
  assert.match(graph.stdout, /^digraph kilo \{\n[^]*"alone" \[ label="node:alone\\n/);
});

Deno.test("a program alone in a root has libc's functions, threads, workers, TCP and HTTP", async () => {
  await using jail = await Jail.open(packed);
  const ran = await jail.run("/kg", "two words", "", "--three");
  assert.deepEqual(parseFound(ran), { ...FOUND, args: ["two words", "", "--three"] });
});

Deno.test("kg alone in a root runs the agent: keys, netlink, WireGuard, manifests, HTTP", async () => {
  await using jail = await Jail.open(kg, { directories: ["cluster", "var"] });
  const { namespace } = jail;
  await addWireGuard(namespace, "kilo0");
  await namespace.exec(["mkdir", "-p", "/run/wireguard", jail.inside("/var/run/wireguard")]);
  await namespace.exec(["mount", "--bind", "/run/wireguard", jail.inside("/var/run/wireguard")]);
  await namespace.exec(["ip", "address", "add", "172.30.0.1/24", "dev", "lo"]);
  const node = {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "alone" },
    spec: { podCIDR: "10.42.0.0/24" },
  };
  await Deno.writeTextFile(jail.path("/cluster/node.json"), JSON.stringify(node));
  const agent = Agent.start(namespace, jail.command(...AGENT), { logFile: `${work}/agent.log` });
  await waitFor("kilo0 has its address", async () => {
    assert.equal(agent.ended, undefined, agent.output);
    return /inet 10\.4\.0\.1/.test(await namespace.exec(["ip", "address", "show", "kilo0"]));
  });
  await waitFor("it is ready", async () => (await ask(namespace, "/ready")).status === 200);
  assert.match((await ask(namespace, "/metrics")).body, /^kilo_leader 1$/m);
  assert.match((await ask(namespace, "/graph")).body, /<svg [^]*>alone</);
  assert.equal((await agent.stop()).code, 0, agent.output);
});

Deno.test("kg without /proc says so and ends with code 127", async () => {
  await using jail = await Jail.open(kg);
  const { code, stdout, stderr } = await jail.runWithoutProc("/kg", "version");
  assert.deepEqual({ code, stdout }, { code: 127, stdout: "" });
  assert.match(stderr, /^kg: \/proc is not mounted[^\n]*\n$/);
});

Deno.test("kg starts by a path with spaces, and by a link", async () => {
  const link = `${work}/kg ctl`;
  await Deno.symlink(kg, link);
  assert.deepEqual(await run(link, { args: ["version"] }), VERSION_PRINTED);
});

Deno.test("the host's LD_PRELOAD and LD_LIBRARY_PATH do nothing to it, and its children have them", async () => {
  const LD_PRELOAD = "/nowhere/preload.so";
  const env = { LD_PRELOAD, LD_LIBRARY_PATH: work, LD_DEBUG: "libs", GLIBC_TUNABLES: "x=1" };
  const { stderr } = await run(plain, { env });
  assert.match(stderr, /nowhere.*cannot be preloaded/, "an ordinary program is concerned");
  const found = parseFound(await run(packed, { env }));
  assert.deepEqual(found, {
    ...{ ...FOUND, args: [] },
    ...{ preload: LD_PRELOAD, preloadOfChild: LD_PRELOAD },
  });
});

Deno.test("kg starts with standard streams closed", async () => {
  for (const closed of ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"]) {
    const { code } = await run("sh", { args: ["-c", `"$0" version ${closed}`, kg] });
    assert.equal(code, 0, closed);
  }
});

Deno.test("kg that cannot load its libraries says what failed", async () => {
  const { code, stderr } = await run("sh", { args: ["-c", `ulimit -n 4; exec "$0" version`, kg] });
  assert.deepEqual({ code, stderr }, {
    code: 127,
    stderr: "kg: cannot make a memory file: errno 24\n",
  });
});

Deno.test("kg starts without address randomisation and with any stack limit", async () => {
  for (const setup of ["exec setarch -R", "ulimit -s unlimited; exec", "ulimit -s 256; exec"]) {
    const ran = await run("sh", { args: ["-c", `${setup} "$0" version`, kg] });
    assert.deepEqual(ran, VERSION_PRINTED, setup);
  }
});

Deno.test("kg starts 50 times of 50", async () => {
  for (let n = 0; n < 50; n++) {
    assert.deepEqual(await run(kg, { args: ["version"] }), VERSION_PRINTED);
  }
});

Deno.test("the packed program starts as fast as the plain one, in as much memory", async () => {
  // How a file was written decides how its cached pages count as resident: let it be read again.
  for (const program of [plain, packed]) {
    await run("dd", {
      args: [`of=${program}`, "oflag=nocache", "conv=notrunc,fdatasync", "count=0"],
    });
  }
  const figures = new Map([plain, packed].map((program) => [program, [] as number[][]]));
  for (let round = 0; round < 20; round++) {
    for (const [program, rows] of figures) {
      const start = performance.now();
      const { stdout } = await run(program);
      const { processor, resident, anonymous } = JSON.parse(stdout) as Found;
      rows.push([performance.now() - start, processor, resident / 1000, anonymous / 1000]);
    }
  }
  // The least of each: what else runs on the machine can only add to it.
  const [before, after] = [plain, packed].map((program) => {
    const rows = figures.get(program)!;
    return rows[0]!.map((_, column) => Math.min(...rows.map((row) => row[column]!)));
  });
  const show = (row: number[]) => {
    const [ms, processor, resident, anonymous] = row.map((value) => value.toFixed(1));
    return `${ms} ms (processor ${processor}), ${resident} MB resident (anonymous ${anonymous})`;
  };
  console.log(`\nmeasured: plain program ${show(before!)}; static ${show(after!)}`);
  const [, time, resident, anonymous] = after!.map((value, n) => value / before![n]!);
  assert(time! < 1.3, `processor time: ${time} of the plain program's`);
  assert(resident! < 1.1 && anonymous! < 1.1, `memory: ${resident}, ${anonymous}`);
});

/** Why the aarch64 program cannot be made or run here; undefined if it can. */
async function obstacle(): Promise<string | undefined> {
  try {
    await provision(["qemu-aarch64-static"]);
    await compileStub("aarch64");
    await readSystem("aarch64");
    await denort("aarch64");
  } catch (error) {
    if (error instanceof Refusal) return error.message;
    throw error;
  }
}

const why = ARCH === "aarch64" ? "this machine is one" : await obstacle();
Deno.test({
  name: "the aarch64 program runs under QEMU, with pages of 4 and of 64 KiB" +
    (why === undefined ? "" : ` (${why})`),
  ignore: why !== undefined,
  fn: async () => {
    const [stub, output] = [`${work}/denort-aarch64`, `${work}/aarch64`];
    await packDenort("aarch64", stub);
    await compileProbe(stub, { architecture: "aarch64", output });
    for (const page of ["4096", "65536"]) {
      const ran = await run("qemu-aarch64-static", { args: ["-p", page, output, "one", "2 3"] });
      assert.deepEqual(parseFound(ran), { ...FOUND, args: ["one", "2 3"] }, `page of ${page}`);
    }
  },
});
