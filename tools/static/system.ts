/**
 * The libraries that go into the static program, with their licences: for this machine's
 * architecture those installed here, for another one those of Debian's packages.
 */

import { run } from "../command.ts";
import { debianPackages, SOURCE } from "../debian.ts";
import type { Architecture } from "../denort.ts";
import { findLibrary, provision } from "../provision.ts";
import { Refusal } from "../terminal.ts";
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

/** Reads them all; a {@link Refusal} names what is not there. */
export async function readSystem(architecture: Architecture): Promise<System> {
  const native = architecture === Deno.build.arch;
  if (native) await provision(["dpkg", "libmnl"]);
  const root = native ? "" : await debianPackages(PACKAGES, architecture, {
    // libgcc-s1 keeps its licence in the directory of another package, gcc-N-base.
    following: async (root) => [await Deno.readLink(`${root}/usr/share/doc/libgcc-s1`)],
  });
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

async function readCopyright(path: string): Promise<string> {
  return await Deno.readTextFile(path).catch((error) => {
    throw new Refusal(`a licence to be embedded cannot be read: ${error.message}`);
  });
}
