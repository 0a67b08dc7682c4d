/**
 * The libraries that go into the static program, with their licences: for this machine's
 * architecture those installed here, for another one those of Debian's packages.
 */

import { run } from "../command.ts";
import { type Architecture, cacheDirectory } from "../denort.ts";
import { exists, findLibrary, provision } from "../provision.ts";
import { Refusal, say } from "../terminal.ts";
import type { Soname } from "./pack.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Debian's packages of ld.so, libc and libm; of libgcc_s; of libmnl. */
const PACKAGES = ["libc6", "libgcc-s1", "libmnl0"] as const;

export interface System {
  readonly ldso: Bytes;
  readonly libraries: Readonly<Record<Soname, Bytes>>;
  readonly libmnl: Bytes;
  /** Debian's packages of all these. */
  readonly packages: Readonly<Record<(typeof PACKAGES)[number], Origin>>;
}

/** Where a library comes from. */
export interface Origin {
  /** Source package and version: `glibc 2.36-9+deb12u14`. */
  readonly source: string;
  /** Text of the package's copyright file. */
  readonly copyright: string;
}

const LDSO: Readonly<Record<Architecture, string>> = {
  x86_64: "ld-linux-x86-64.so.2",
  aarch64: "ld-linux-aarch64.so.1",
};

/** How Debian calls the architectures. */
const DEBIAN: Readonly<Record<Architecture, string>> = { x86_64: "amd64", aarch64: "arm64" };

/** Reads them all; a {@link Refusal} names what is not there. */
export async function readSystem(architecture: Architecture): Promise<System> {
  const native = architecture === Deno.build.arch;
  if (native) await provision(["dpkg", "libmnl"]);
  const root = native ? "" : await fetchPackages(DEBIAN[architecture]);
  const library = async (name: string) => {
    const path = findLibrary(name, { root, architecture });
    if (path !== undefined) return await Deno.readFile(path);
    throw new Refusal(`${name} for ${architecture} is not installed`);
  };
  const sources = native
    ? await run(["dpkg-query", "--show", "--showformat", SOURCE, ...PACKAGES])
    : await Deno.readTextFile(`${root}/sources`);
  const origin = async (name: (typeof PACKAGES)[number]): Promise<Origin> => ({
    source: new RegExp(`^${name} (.*)$`, "m").exec(sources)?.[1] ?? name,
    copyright: await readCopyright(`${root}/usr/share/doc/${name}/copyright`),
  });
  return {
    ldso: await library(LDSO[architecture]),
    libraries: {
      "libc.so.6": await library("libc.so.6"),
      "libm.so.6": await library("libm.so.6"),
      "libgcc_s.so.1": await library("libgcc_s.so.1"),
    },
    libmnl: await library("libmnl.so.0"),
    packages: {
      "libc6": await origin("libc6"),
      "libgcc-s1": await origin("libgcc-s1"),
      "libmnl0": await origin("libmnl0"),
    },
  };
}

/** For dpkg-query and dpkg-deb: a line with the package, its source package and that one's version. */
const SOURCE = "${Package} ${source:Package} ${source:Version}\\n";

async function readCopyright(path: string): Promise<string> {
  return await Deno.readTextFile(path).catch((error) => {
    throw new Refusal(`a licence to be embedded cannot be read: ${error.message}`);
  });
}

/**
 * A directory with the packages of a foreign architecture, fetched once by apt with a state of its
 * own: nothing is installed, and this system's lists and architectures stay as they are.
 */
async function fetchPackages(architecture: string): Promise<string> {
  const root = `${cacheDirectory()}/debian-${architecture}`;
  if (exists(root)) return root;
  await provision(["apt", "dpkg"]);
  say(`fetching ${PACKAGES.join(", ")} for ${architecture} (once)`);
  await Deno.mkdir(cacheDirectory(), { recursive: true });
  const work = await Deno.makeTempDir({ dir: cacheDirectory(), prefix: ".debian-" });
  try {
    const apt = await privateApt(work, architecture);
    await apt("update");
    await apt("download", ...PACKAGES);
    await unpack(work);
    // libgcc-s1 keeps its licence in the directory of another package, gcc-N-base.
    await apt("download", await Deno.readLink(`${work}/root/usr/share/doc/libgcc-s1`));
    await unpack(work);
    await Deno.rename(`${work}/root`, root);
    return root;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** apt-get for another architecture, in a directory; what it downloads comes into `debs` there. */
async function privateApt(
  directory: string,
  architecture: string,
): Promise<(...args: readonly string[]) => Promise<unknown>> {
  for (const name of ["lists", "cache", "debs"]) await Deno.mkdir(`${directory}/${name}`);
  await Deno.writeTextFile(`${directory}/status`, "");
  const options = [
    `Dir::State=${directory}`,
    `Dir::State::lists=${directory}/lists`,
    `Dir::State::status=${directory}/status`,
    `Dir::Cache=${directory}/cache`,
    `APT::Architecture=${architecture}`,
    `APT::Architectures=${architecture}`,
    "APT::Sandbox::User=",
  ].flatMap((option) => ["-o", option]);
  return (...args) => run(["apt-get", "-q", ...options, ...args], { cwd: `${directory}/debs` });
}

/** Unpacks all `debs` of a directory into its `root`, with a list of their sources. */
async function unpack(directory: string): Promise<void> {
  let sources = "";
  for (const { name } of Deno.readDirSync(`${directory}/debs`)) {
    const deb = `${directory}/debs/${name}`;
    await run(["dpkg-deb", "--extract", deb, `${directory}/root`]);
    sources += await run(["dpkg-deb", "--show", "--showformat", SOURCE, deb]);
  }
  await Deno.writeTextFile(`${directory}/root/sources`, sources);
}
