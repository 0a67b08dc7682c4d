/** What the tools need from the machine: programs and kernel features, installed where missing. */

import { run } from "./command.ts";
import { Refusal, say } from "./terminal.ts";

/** Something a tool needs, and the Debian package that brings it. */
interface Part {
  readonly package: string;
  readonly present: () => boolean | Promise<boolean>;
}

const PARTS = {
  "aarch64-linux-gnu-gcc": program("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
  "aarch64-linux-gnu-headers": {
    package: "libc6-dev-arm64-cross",
    present: () => exists("/usr/aarch64-linux-gnu/include/link.h"),
  },
  apt: program("apt-get", "apt"),
  conntrack: program("conntrack", "conntrack"),
  curl: program("curl", "curl"),
  depmod: program("depmod", "kmod"),
  dpkg: program("dpkg-deb", "dpkg"),
  gcc: program("gcc", "gcc"),
  go: program("go", "golang-go"),
  headers: { package: "libc6-dev", present: () => exists("/usr/include/link.h") },
  ip: program("ip", "iproute2"),
  iptables: program("iptables", "iptables"),
  libmnl: { package: "libmnl0", present: () => findLibrary("libmnl.so.0") !== undefined },
  nft: program("nft", "nftables"),
  nsenter: program("nsenter", "util-linux"),
  ping: program("ping", "iputils-ping"),
  openssl: program("openssl", "openssl"),
  pip: { package: "python3-pip", present: () => succeeds(["python3", "-m", "pip", "--version"]) },
  "qemu-aarch64-static": program("qemu-aarch64-static", "qemu-user-static"),
  "qemu-system-x86_64": program("qemu-system-x86_64", "qemu-system-x86"),
  setpriv: program("setpriv", "util-linux"),
  strace: program("strace", "strace"),
  wg: program("wg", "wireguard-tools"),
  wrk: program("wrk", "wrk"),
  "x86_64-linux-gnu-gcc": program("x86_64-linux-gnu-gcc", "gcc-x86-64-linux-gnu"),
  "x86_64-linux-gnu-headers": {
    package: "libc6-dev-amd64-cross",
    present: () => exists("/usr/x86_64-linux-gnu/include/link.h"),
  },
  wireguard: {
    package: "wireguard-go",
    present: async () => onPath("wireguard-go") || await kernelHasWireGuard(),
  },
} satisfies Record<string, Part>;

export type PartName = keyof typeof PARTS;

/** Everything a lab of network namespaces is made of. */
const LAB_PARTS: readonly PartName[] = ["curl", "ip", "nft", "nsenter", "ping", "wg", "wireguard"];

/**
 * Installs those of the parts that are missing, and says so; does nothing when all are there.
 * Where it cannot, a {@link Refusal} names what is missing.
 */
export async function provision(names: readonly PartName[]): Promise<void> {
  Deno.env.set("PATH", programPath().join(":"));
  const missing: string[] = [];
  for (const name of names) {
    const part: Part = PARTS[name];
    if (!await part.present()) missing.push(part.package);
  }
  if (missing.length === 0) return;
  const list = missing.join(" ");
  if (!onPath("apt-get")) {
    throw new Refusal(`missing here: ${list}; only Debian-like machines get them automatically`);
  }
  if (!isRoot()) throw new Refusal(`missing here: ${list}; root would install them`);
  say(`installing ${list}`);
  await apt(["update", "-q"]);
  await apt(["install", "-y", "-q", "--no-install-recommends", ...missing]);
  for (const name of names) {
    if (await PARTS[name].present()) continue;
    throw new Refusal(`${PARTS[name].package} was installed, and still ${name} cannot be used`);
  }
}

/**
 * Sees to all that a lab needs: root, the programs (and `more`), namespaces, a device for
 * userspace WireGuard. A {@link Refusal} names what is not to be had.
 */
export async function provisionLab(more: readonly PartName[] = []): Promise<void> {
  if (!isRoot()) throw new Refusal("a lab is made of network namespaces, which only root may make");
  await provision([...LAB_PARTS, ...more]);
  if (!await succeeds(["unshare", "--net", "--mount", "--uts", "true"])) {
    throw new Refusal("this machine lets not even root make namespaces (a container, perhaps)");
  }
  if (!exists("/dev/net/tun") && !await kernelHasWireGuard()) {
    throw new Refusal("neither WireGuard in the kernel nor /dev/net/tun for a userspace one");
  }
}

/** The effective user may change the network. */
export function isRoot(): boolean {
  return Deno.uid() === 0;
}

/** Can this kernel make WireGuard links by itself? Tried in a namespace that ends at once. */
export function kernelHasWireGuard(): Promise<boolean> {
  return kernelCanAdd("wireguard");
}

/** Can this kernel make IPIP tunnels? */
export function kernelHasIPIP(): Promise<boolean> {
  return kernelCanAdd("ipip");
}

async function kernelCanAdd(kind: string): Promise<boolean> {
  return isRoot() && onPath("ip") &&
    await succeeds(["unshare", "--net", "ip", "link", "add", "probe0", "type", kind]);
}

/** Path of a shared library as the dynamic loader would find it, on this system or below `root`. */
export function findLibrary(
  name: string,
  { root = "", architecture = Deno.build.arch }: {
    readonly root?: string;
    readonly architecture?: string;
  } = {},
): string | undefined {
  return [`/usr/lib/${architecture}-linux-gnu`, `/lib/${architecture}-linux-gnu`]
    .concat("/usr/lib64", "/usr/lib", "/lib64", "/lib")
    .map((directory) => `${root}${directory}/${name}`)
    .find(exists);
}

function program(name: string, debian: string): Part {
  return { package: debian, present: () => onPath(name) };
}

function onPath(program: string): boolean {
  return programPath().some((directory) => exists(`${directory}/${program}`));
}

/** Where programs are; root's own are often not on the PATH of a root by `su`. */
function programPath(): string[] {
  const path = (Deno.env.get("PATH") ?? "").split(":").filter((directory) => directory !== "");
  return [...new Set([...path, "/usr/local/sbin", "/usr/sbin", "/sbin"])];
}

/** Is there anything of this name? */
export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

async function succeeds([program, ...args]: [string, ...string[]]): Promise<boolean> {
  try {
    const command = new Deno.Command(program, { args, stdout: "null", stderr: "null" });
    return (await command.output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function apt(args: readonly string[]): Promise<void> {
  await run(["apt-get", ...args], { env: { DEBIAN_FRONTEND: "noninteractive" } });
}
