/**
 * `./denow task build`: the one-file program `dist/kg`. The sources are bundled first (one small
 * file and chunks for what is loaded lazily), then compiled with libmnl embedded beside them: a
 * bundle starts faster and takes less memory than a tree of modules. The same sources give the same
 * bytes. A stack trace of the program is read with the maps in `dist/maps`.
 *
 * The runtime stub can be another one: `DENORT_BIN=PATH ./denow task build`.
 */

import { createHash } from "node:crypto";
import { denort } from "./denort.ts";
import { findLibrary, provision } from "./provision.ts";
import { bold, CHILD_ENV, dim, duration, main, Refusal } from "./terminal.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const DIST = `${ROOT}dist`;
/** Where {@link build} puts the program. */
export const PROGRAM = `${DIST}/kg`;
const STAMP = `${DIST}/kg.inputs`;

/** Embedded beside the program's modules; `src/netlink/` loads it from there through memory. */
const LIBRARY = "libmnl.so.0";

/**
 * All that the program may do, fixed when it is compiled: it may never start another program. What
 * it reads, writes and connects to is given by flags, so that cannot be narrower here; the agent
 * itself gives up what it does not need once it has started.
 */
const PERMISSIONS = [
  "--no-prompt",
  "--allow-ffi",
  "--allow-read",
  "--allow-write",
  "--allow-net",
  "--allow-sys=hostname,uid",
  "--allow-env=NODE_NAME",
];

/** Builds the program unless it is there already, made of just these inputs; answers its path. */
export async function build(): Promise<string> {
  await provision(["libmnl"]);
  const library = findLibrary(LIBRARY)!;
  const stub = Deno.env.get("DENORT_BIN") || await denort();
  const inputs = await fingerprint(library, stub);
  if (await readText(STAMP) === inputs && await isFile(PROGRAM)) return PROGRAM;

  await Deno.mkdir(DIST, { recursive: true });
  const work = await Deno.makeTempDir({ dir: DIST, prefix: ".build-" });
  try {
    await deno([
      ..."bundle --quiet --frozen --minify --platform deno --code-splitting".split(" "),
      ...["--sourcemap=external", "--outdir", `${work}/bundle`, `${ROOT}src/main.ts`],
    ]);
    await Deno.mkdir(`${work}/maps`);
    for (const { name } of [...Deno.readDirSync(`${work}/bundle`)]) {
      if (name.endsWith(".map")) {
        await Deno.rename(`${work}/bundle/${name}`, `${work}/maps/${name}`);
      }
    }
    await Deno.copyFile(library, `${work}/bundle/${LIBRARY}`);
    // Times of change are embedded: fix them, so that the same inputs give the same bytes.
    for (const { name } of Deno.readDirSync(`${work}/bundle`)) {
      await Deno.utime(`${work}/bundle/${name}`, 0, 0);
    }
    await deno([
      ..."compile --quiet --no-config --no-lock --no-npm --no-remote --no-check".split(" "),
      ...PERMISSIONS,
      ...["--include", `${work}/bundle/${LIBRARY}`],
      ...["--output", `${work}/kg`, `${work}/bundle/main.js`],
    ], { DENORT_BIN: stub });
    await Deno.remove(`${DIST}/maps`, { recursive: true }).catch(() => {});
    await Deno.rename(`${work}/maps`, `${DIST}/maps`);
    await Deno.rename(`${work}/kg`, PROGRAM);
    await Deno.writeTextFile(STAMP, inputs);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
  return PROGRAM;
}

/** A digest of everything the program's bytes depend on. */
async function fingerprint(library: string, stub: string): Promise<string> {
  const sources = [...sourceFiles(`${ROOT}src`)].sort();
  const hash = createHash("sha256");
  for (const path of [...sources, `${ROOT}deno.json`, `${ROOT}deno.lock`, import.meta.filename!]) {
    hash.update(`${path}\0`).update(await Deno.readFile(path));
  }
  const { size, mtime } = await Deno.stat(stub);
  return hash.update(await Deno.readFile(library)).update(`${stub} ${size} ${mtime?.getTime()}`)
    .digest("hex");
}

function* sourceFiles(directory: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) yield* sourceFiles(path);
    else if (name.endsWith(".ts")) yield path;
  }
}

async function deno(args: readonly string[], env: Record<string, string> = {}): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    env: { ...CHILD_ENV, ...env },
    cwd: ROOT,
    stdin: "null",
  }).output();
  if (success) return;
  throw new Refusal(`deno ${args[0]} failed:\n${new TextDecoder().decode(stderr).trim()}`);
}

async function readText(path: string): Promise<string | undefined> {
  return await Deno.readTextFile(path).catch(() => undefined);
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then((info) => info.isFile, () => false);
}

if (import.meta.main) {
  await main(async () => {
    const start = performance.now();
    const path = await build();
    const megabytes = ((await Deno.stat(path)).size / 1e6).toFixed(1);
    const time = duration(performance.now() - start);
    console.log(`${bold(path)} ${dim(`${megabytes} MB, ${time}`)}`);
  });
}
