/**
 * `./denow task build`: the one-file program `dist/kg`, for another architecture `dist/kg-aarch64`.
 * The sources are bundled first (one small file and chunks for what is loaded lazily): a bundle
 * starts faster and takes less memory than a tree of modules. The bundle is compiled, with libmnl
 * and the licences beside it, into a runtime that carries its own system libraries (static/). The
 * same sources give the same bytes. A stack trace of the program is read with the maps in
 * `dist/maps`.
 */

import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { run } from "./command.ts";
import { type Architecture, denort } from "./denort.ts";
import { notices } from "./notices.ts";
import { pack } from "./static/pack.ts";
import { compileStub } from "./static/stub.ts";
import { readSystem, type System } from "./static/system.ts";
import { countUsing } from "./using.ts";
import { bold, dim, duration, main, Refusal } from "./terminal.ts";

const USAGE = `Usage: ./denow task build [--target x86_64|aarch64]

Builds dist/kg for this machine's architecture, dist/kg-TARGET for another one.
DENORT_BIN=FILE takes Deno's runtime stub of that architecture from a file.`;

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const DIST = `${ROOT}dist`;
/** What runs in a thread of its own is a program of its own: src/http/draw.ts starts it. */
const WORKER = "src/http/draw_worker.ts";

/**
 * All that the program may do, fixed when it is compiled. What it reads, writes and connects to is
 * given by flags, so that cannot be narrower here. Programs are started only by the commands that
 * people run, for credentials (src/cli/exec_plugin.ts): all others, the agent among them, give that
 * up before they do anything (src/cli/confinement.ts).
 */
const PERMISSIONS = [
  "--no-prompt",
  "--allow-ffi",
  "--allow-read",
  "--allow-write",
  "--allow-net",
  "--allow-sys=hostname",
  "--allow-run",
  `--allow-env=${
    [
      ..."NODE_NAME CNI_NETWORK_CONFIG KUBECONFIG HOME".split(" "),
      ..."KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT".split(" "),
      ..."HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY".split(" "),
      ..."http_proxy https_proxy no_proxy all_proxy".split(" "),
    ].join(",")
  }`,
];

/** What is made into the program, beside the sources. */
interface Inputs {
  readonly architecture: Architecture;
  /** Path of Deno's runtime stub. */
  readonly denort: string;
  /** static/stub.c as code. */
  readonly stub: Uint8Array<ArrayBuffer>;
  readonly system: System;
}

/** Builds the program unless it is there already, made of just these inputs; answers its path. */
export async function build(architecture: Architecture = Deno.build.arch): Promise<string> {
  const inputs: Inputs = {
    architecture,
    denort: Deno.env.get("DENORT_BIN") || await denort(architecture),
    stub: await compileStub(architecture),
    system: await readSystem(architecture),
  };
  const program = architecture === Deno.build.arch ? `${DIST}/kg` : `${DIST}/kg-${architecture}`;
  const stamp = `${program}.inputs`;
  const digest = await fingerprint(inputs);
  if (await readText(stamp) === digest && await isFile(program)) return program;

  await Deno.mkdir(DIST, { recursive: true });
  const work = await Deno.makeTempDir({ dir: DIST, prefix: ".build-" });
  try {
    const maps = await bundle(work);
    await embed(`${work}/bundle`, {
      "libmnl.so.0": inputs.system.libmnl, // src/netlink/libmnl.ts loads it through memory
      "licenses.gz": await gzip(await notices(inputs.system, maps)), // src/cli/version.ts prints it
    });
    await compile(work, inputs);
    await Deno.remove(`${DIST}/maps`, { recursive: true }).catch(() => {});
    await Deno.rename(`${work}/maps`, `${DIST}/maps`);
    await Deno.rename(`${work}/kg`, program);
    await Deno.writeTextFile(stamp, digest);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
  return program;
}

/** Bundles the sources into `bundle`; answers the paths of the source maps, in `maps`. */
async function bundle(work: string): Promise<string[]> {
  await bundleInto(`${work}/bundle`, ["--minify", "--sourcemap=external"]);
  await bundleInto(`${work}/plain`, []);
  const [minified, plain] = await Promise.all(
    ["bundle", "plain"].map((name) => usingIn(`${work}/${name}`)),
  );
  if (minified !== plain) {
    throw new Error(
      `the minifier lost ${plain! - minified!} of ${plain} variables declared with "using": ` +
        "one that is used once, in the next statement, needs try and finally instead",
    );
  }
  await Deno.mkdir(`${work}/maps`);
  const names = Array.from(Deno.readDirSync(`${work}/bundle`), ({ name }) => name);
  const maps = names.filter((name) => name.endsWith(".map"));
  for (const name of maps) await Deno.rename(`${work}/bundle/${name}`, `${work}/maps/${name}`);
  return maps.map((name) => `${work}/maps/${name}`);
}

async function bundleInto(directory: string, flags: readonly string[]): Promise<void> {
  for (const entry of ["src/main.ts", WORKER]) {
    await deno([
      ..."bundle --quiet --frozen --platform deno --code-splitting".split(" "),
      ...[...flags, "--outdir", directory, `${ROOT}${entry}`],
    ]);
  }
}

/** See using.ts. */
async function usingIn(directory: string): Promise<number> {
  let count = 0;
  for (const { name } of Deno.readDirSync(directory)) {
    if (name.endsWith(".js")) count += countUsing(await Deno.readTextFile(`${directory}/${name}`));
  }
  return count;
}

/** Puts files beside the bundle. All times of change are embedded, so they become the same. */
async function embed(
  directory: string,
  files: Readonly<Record<string, Uint8Array>>,
): Promise<void> {
  for (const [name, bytes] of Object.entries(files)) {
    await Deno.writeFile(`${directory}/${name}`, bytes);
  }
  for (const { name } of Deno.readDirSync(directory)) {
    await Deno.utime(`${directory}/${name}`, 0, 0);
  }
}

/** Compiles the bundle to `kg`. */
async function compile(work: string, inputs: Inputs): Promise<void> {
  const { stub, system: { ldso, libraries } } = inputs;
  const packed = pack({ program: await Deno.readFile(inputs.denort), stub, ldso, libraries });
  await Deno.writeFile(`${work}/denort`, packed, { mode: 0o755 });
  await deno([
    ..."compile --quiet --no-config --no-lock --no-npm --no-remote --no-check".split(" "),
    // The cache would be a file in /tmp that everybody can write before we run what is in it.
    "--no-code-cache",
    // For src/agent/memory_trim.ts; and new objects get 2 MB before they are looked through instead of
    // 16, which costs no time and spares a start with 1,000 nodes 12 MB. When to look for garbage
    // at rest is decided there, too: what V8 does by itself some seconds later finds no more.
    "--v8-flags=--expose-gc,--max-semi-space-size=2,--no-memory-reducer",
    ...PERMISSIONS,
    ...["libmnl.so.0", "licenses.gz", "draw_worker.js"].flatMap((
      name,
    ) => ["--include", `${work}/bundle/${name}`]),
    ...["--target", `${inputs.architecture}-unknown-linux-gnu`],
    ...["--output", `${work}/kg`, `${work}/bundle/main.js`],
  ], { DENORT_BIN: `${work}/denort` });
}

/** A digest of everything the program's bytes depend on. */
async function fingerprint({ denort, stub, system }: Inputs): Promise<string> {
  const folders = ["src", "tools/static", "tools/licenses"];
  const files = folders.flatMap((folder) => [...filesIn(`${ROOT}${folder}`)]).sort();
  const hash = createHash("sha256");
  for (
    const name of [
      "LICENSE",
      "deno.json",
      "deno.lock",
      "tools/build.ts",
      "tools/notices.ts",
      "tools/using.ts",
    ]
  ) {
    files.push(`${ROOT}${name}`);
  }
  for (const path of files) hash.update(`${path}\0`).update(await Deno.readFile(path));
  const { size, mtime } = await Deno.stat(denort);
  hash.update(`${denort} ${size} ${mtime?.getTime()} ${JSON.stringify(system.packages)}`);
  const { ldso, libraries, libmnl } = system;
  for (const part of [stub, ldso, ...Object.values(libraries), libmnl]) hash.update(part);
  return hash.digest("hex");
}

function* filesIn(directory: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) yield* filesIn(path);
    else yield path;
  }
}

async function deno(args: readonly string[], env: Record<string, string> = {}): Promise<void> {
  await run([Deno.execPath(), ...args], { cwd: ROOT, env });
}

async function gzip(text: string): Promise<Uint8Array> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return await new Response(stream).bytes();
}

async function readText(path: string): Promise<string | undefined> {
  return await Deno.readTextFile(path).catch(() => undefined);
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then((info) => info.isFile, () => false);
}

function readTarget(args: readonly string[]): Architecture | undefined {
  if (args.length === 0) return undefined;
  const [option, target] = args.length === 1 ? args[0]!.split("=") : args;
  if (option !== "--target" || args.length > 2) throw new Refusal(USAGE);
  if (target === "x86_64" || target === "aarch64") return target;
  throw new Refusal(`--target ${target}: x86_64 and aarch64 can be built`);
}

if (import.meta.main) {
  await main(async () => {
    if (Deno.args.includes("--help")) return console.log(USAGE);
    const start = performance.now();
    const path = await build(readTarget(Deno.args));
    const megabytes = ((await Deno.stat(path)).size / 1e6).toFixed(1);
    const time = duration(performance.now() - start);
    console.log(`${bold(path)} ${dim(`${megabytes} MB, ${time}`)}`);
  });
}
