/**
 * The `denort` runtime stub that `deno compile` appends our program to. Deno takes it from its own
 * site; where that cannot be reached, it is cut from a Python wheel whose program was compiled by
 * the same Deno, since a compiled program begins with the unchanged stub. Wherever it comes from,
 * only the expected bytes are used.
 */

import { createHash } from "node:crypto";
import { run } from "./command.ts";
import { provision } from "./provision.ts";
import { Refusal, say } from "./terminal.ts";

export type Architecture = "x86_64" | "aarch64";

const VERSION = "2.6.10";

const STUBS: Record<Architecture, { readonly bytes: number; readonly sha256: string }> = {
  x86_64: {
    bytes: 92_183_912,
    sha256: "1b136202dc147212ad0b129de0c10eb5f17060917c9754c7921cd68f764ad2e2",
  },
  aarch64: {
    bytes: 86_015_072,
    sha256: "ee39b54b2f465eae3f1dd3d79495e1ef957fae69ff4f6ad118499986b714d494",
  },
};

/** Path of the stub for this architecture, fetched into the cache under the user's home if needed. */
export async function denort(architecture: Architecture = Deno.build.arch): Promise<string> {
  const directory = cacheDirectory();
  const path = `${directory}/denort-${VERSION}-${architecture}`;
  if (await isStub(path, architecture)) return path;
  await Deno.mkdir(directory, { recursive: true });
  say(`fetching the Deno ${VERSION} runtime for ${architecture} (once)`);
  const stub = await fromDeno(architecture) ?? await fromWheel(architecture);
  const partial = `${path}.${Deno.pid}`;
  await Deno.writeFile(partial, stub, { mode: 0o755 });
  if (!await isStub(partial, architecture)) {
    await Deno.remove(partial);
    throw new Refusal(`the Deno ${VERSION} runtime for ${architecture} has a wrong checksum`);
  }
  await Deno.rename(partial, path);
  return path;
}

/** Where fetched things are kept, shared with `./denow`. */
export function cacheDirectory(): string {
  const base = Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME") || "/root"}/.cache`;
  return `${base}/kg`;
}

async function isStub(path: string, architecture: Architecture): Promise<boolean> {
  const hash = createHash("sha256");
  try {
    using file = await Deno.open(path);
    for await (const chunk of file.readable) hash.update(chunk);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
  return hash.digest("hex") === STUBS[architecture].sha256;
}

/** From Deno's own site; undefined if it does not answer soon. */
async function fromDeno(architecture: Architecture): Promise<Uint8Array | undefined> {
  const url =
    `https://dl.deno.land/release/v${VERSION}/denort-${architecture}-unknown-linux-gnu.zip`;
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), 5000);
  try {
    const response = await fetch(url, { signal: timeout.signal });
    clearTimeout(timer);
    return response.ok
      ? await unzip(await response.bytes(), "denort", STUBS[architecture].bytes)
      : undefined;
  } catch {
    return undefined; // no network, no such host, too slow: the wheel will do
  } finally {
    clearTimeout(timer);
  }
}

async function fromWheel(architecture: Architecture): Promise<Uint8Array> {
  await provision(["pip"]);
  const directory = await Deno.makeTempDir({ prefix: "kg-denort-" });
  try {
    await run([
      "python3",
      ..."-m pip download --quiet --disable-pip-version-check --no-deps".split(" "),
      ...["--only-binary=:all:", "--platform", `manylinux_2_28_${architecture}`],
      ...["--dest", directory, "bids-validator-deno==2.4.1"],
    ]);
    const [wheel] = [...Deno.readDirSync(directory)];
    return await unzip(
      await Deno.readFile(`${directory}/${wheel!.name}`),
      "bids_validator_deno-2.4.1.data/scripts/bids-validator-deno",
      STUBS[architecture].bytes,
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/**
 * The first bytes of a deflated member of a ZIP file (APPNOTE.TXT 4.3.12: the central directory,
 * 4.3.7: local headers).
 */
async function unzip(
  zip: Uint8Array<ArrayBuffer>,
  member: string,
  bytes: number,
): Promise<Uint8Array> {
  const view = new DataView(zip.buffer, zip.byteOffset, zip.length);
  const name = (at: number, length: number) =>
    new TextDecoder().decode(zip.subarray(at, at + length));
  let end = zip.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) throw new Refusal("what was fetched is not a ZIP file");
  let entry = view.getUint32(end + 16, true);
  while (entry < end && name(entry + 46, view.getUint16(entry + 28, true)) !== member) {
    entry += 46 + view.getUint16(entry + 28, true) + view.getUint16(entry + 30, true) +
      view.getUint16(entry + 32, true);
  }
  if (entry >= end) throw new Refusal(`what was fetched holds no ${member}`);
  const local = view.getUint32(entry + 42, true);
  const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
  const deflated = zip.subarray(start, start + view.getUint32(entry + 20, true));
  const result = new Uint8Array(bytes);
  let filled = 0;
  const stream = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  for await (const chunk of stream) {
    const rest = chunk.subarray(0, bytes - filled);
    result.set(rest, filled);
    filled += rest.length;
    if (filled === bytes) break;
  }
  return result.subarray(0, filled);
}
