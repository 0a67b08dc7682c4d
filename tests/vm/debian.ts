/** A kernel and a static busybox as Debian's newest packages have them, unpacked into the cache: nothing is installed. */

import { run } from "../../tools/command.ts";
import { cacheDirectory } from "../../tools/denort.ts";
import { exists, provision } from "../../tools/provision.ts";
import { Refusal, say } from "../../tools/terminal.ts";

/** Always depends on the newest kernel for virtual machines. */
const KERNEL = "linux-image-cloud-amd64";

export interface Kernel {
  /** What boots. */
  readonly image: string;
  /** Holds `modules.dep` and all modules. */
  readonly modules: string;
  /** As `uname -r` has it. */
  readonly release: string;
}

interface Package {
  readonly name: string;
  readonly version: string;
}

/** The kernel that Debian recommends now; a {@link Refusal} where there is none to be had. */
export async function fetchKernel(): Promise<Kernel> {
  await provision(["depmod"]);
  const { root, release } = await upToDate(async () => {
    const { depends } = await newest(KERNEL);
    const [, release, version] = /\blinux-image-(\S+) \(= (\S+)\)/.exec(depends) ?? [];
    if (!release || !version) throw new Refusal(`${KERNEL} depends on no kernel: ${depends}`);
    const root = await unpacked({ name: `linux-image-${release}`, version });
    return { root, release };
  });
  const modules = `${root}/lib/modules/${release}`;
  // Debian's packages come without it.
  if (!exists(`${modules}/modules.dep`)) await run(["depmod", "-b", root, release]);
  return { image: `${root}/boot/vmlinuz-${release}`, modules, release };
}

/** Path of a busybox that needs no libraries. */
export async function fetchBusybox(): Promise<string> {
  const root = await upToDate(async () => await unpacked(await newest("busybox-static")));
  return `${root}/bin/busybox`;
}

/** Tries with the package lists as they are, then with fresh ones. */
async function upToDate<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    await run(["apt-get", "update", "-q"]);
    return await work();
  }
}

async function newest(name: string): Promise<Package & { readonly depends: string }> {
  const text = await run(["apt-cache", "show", "--no-all-versions", name]);
  const field = (key: string) => new RegExp(`^${key}: (.*)$`, "m").exec(text)?.[1] ?? "";
  return { name, version: field("Version"), depends: field("Depends") };
}

/** Directory with the package's files. */
async function unpacked({ name, version }: Package): Promise<string> {
  const cache = cacheDirectory();
  const root = `${cache}/${name}_${version}`;
  if (exists(root)) return root;
  say(`fetching ${name} ${version} (once)`);
  await Deno.mkdir(cache, { recursive: true });
  const work = await Deno.makeTempDir({ dir: cache, prefix: ".package-" });
  try {
    const options = ["-q", "-o", "APT::Sandbox::User="];
    await run(["apt-get", ...options, "download", `${name}=${version}`], { cwd: work });
    const [file] = [...Deno.readDirSync(work)];
    await run(["dpkg-deb", "--extract", `${work}/${file!.name}`, `${work}/root`]);
    await Deno.rename(`${work}/root`, root);
    return root;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}
