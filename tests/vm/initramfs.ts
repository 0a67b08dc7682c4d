/** The first and only file system of the virtual machine: busybox, modules, tools, and kg. */

import { run } from "../../tools/command.ts";
import { Refusal } from "../../tools/terminal.ts";
import { cpio, type Entry } from "./cpio.ts";
import { fetchBusybox, type Kernel } from "./debian.ts";

/** With all that they depend on. The machine's kernel loads them when it needs them, as on real nodes. */
const MODULES = [
  ...["virtio_pci", "virtio_console"],
  ...["wireguard", "ipip", "veth", "bridge"],
  ...["nf_tables", "nft_chain_nat", "nft_ct", "nft_masq", "nft_objref", "nf_conntrack_netlink"],
];

/** Of this machine, with their libraries. Busybox runs its own `ip` and `ping` where it can. */
const TOOLS = ["dash", "ip", "nft", "nsenter", "ping", "unshare", "wg"];

/**
 * Loads what the port to the outside needs, and becomes the shell behind it. It must never end: the
 * kernel would panic.
 */
const INIT = `#!/bin/busybox sh
export PATH=/bin:/sbin
/bin/busybox mkdir -p /dev /etc /proc /root /run /sbin /sys /tmp /var/lib
/bin/busybox ln -s dash /bin/sh
/bin/busybox --install -s /bin
ln -s /bin/busybox /sbin/modprobe
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
modprobe virtio_pci
modprobe virtio_console
until port=$(ls /dev/vport?p1 2>/dev/null); do sleep 0.1; done
exec /bin/sh <>$port >&0
`;

/** Writes the archive; `program` becomes /bin/kg. */
export async function writeInitramfs(
  path: string,
  { kernel, program }: { readonly kernel: Kernel; readonly program: string },
): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true });
  const writer = file.writable.getWriter();
  const entries = [
    { path: "init", content: INIT },
    { path: "bin/busybox", content: await Deno.readFile(await fetchBusybox()) },
    { path: "bin/kg", content: await Deno.readFile(program) },
    ...await tools(),
    ...await modules(kernel),
  ];
  for (const piece of cpio(entries)) await writer.write(piece as Uint8Array<ArrayBuffer>);
}

async function tools(): Promise<Entry[]> {
  const entries: Entry[] = [];
  const libraries = new Set<string>();
  for (const name of TOOLS) {
    const path = (await run(["sh", "-c", `PATH=$PATH:/usr/sbin:/sbin command -v ${name}`])).trim();
    entries.push({ path: `bin/${name}`, content: await Deno.readFile(path) });
    for (const [library] of (await run(["ldd", path])).matchAll(/\/\S+(?= \(0x)/g)) {
      libraries.add(library);
    }
  }
  for (const library of libraries) {
    entries.push({ path: library.slice(1), content: await Deno.readFile(library) });
  }
  return entries;
}

async function modules({ modules, release }: Kernel): Promise<Entry[]> {
  const dependencies = new Map<string, { readonly path: string; readonly line: string }>();
  for (const line of (await Deno.readTextFile(`${modules}/modules.dep`)).split("\n")) {
    const path = line.split(":")[0]!;
    dependencies.set(moduleName(path), { path, line });
  }
  const directory = `lib/modules/${release}`;
  const entries = new Map<string, Entry>();
  const lines: string[] = [];
  const take = async (name: string) => {
    if (entries.has(name)) return;
    const { path, line } = dependencies.get(name) ?? {};
    if (!path || !line) throw new Refusal(`the kernel ${release} has no module ${name}`);
    const content = await Deno.readFile(`${modules}/${path}`);
    entries.set(name, { path: `${directory}/${path}`, content });
    lines.push(`${line}\n`);
    for (const needed of line.split(" ").slice(1)) await take(moduleName(needed));
  };
  for (const name of MODULES) await take(name);
  const aliases = (await Deno.readTextFile(`${modules}/modules.alias`)).split("\n")
    .filter((line) => entries.has(line.split(" ")[2] ?? ""));
  return [
    ...entries.values(),
    { path: `${directory}/modules.dep`, content: lines.join("") },
    { path: `${directory}/modules.alias`, content: aliases.join("\n") + "\n" },
  ];
}

/** Names have underscores whatever the file has. */
function moduleName(path: string): string {
  return path.replace(/^.*\//, "").replace(/\.ko.*$/, "").replaceAll("-", "_");
}
