/** Which process has a socket: /proc/net/udp names them, and /proc/PID/fd whose they are (proc(5)). */

import { listSystemDirectory, readSystemFile, readSystemLink } from "./libc.ts";

/** Inodes of the sockets of this network namespace that are bound to the port, on whatever address. */
export function udpSockets(port: number, read = readSystemFile): ReadonlySet<string> {
  const tables = ["/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"].flatMap((path) => {
    try {
      return read(path).split("\n").slice(1);
    } catch {
      return []; // no IPv6
    }
  });
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rows = tables.map((line) => line.trim().split(/\s+/));
  const bound = rows.filter(([, local]) => local?.endsWith(suffix));
  return new Set(bound.flatMap(([, , , , , , , , , inode]) => inode ?? []));
}

/** Ids of the processes that have such a socket, of those that can be seen (the kernel's have none). */
export function* processesWithSocket(inodes: ReadonlySet<string>): Generator<string> {
  if (inodes.size === 0) return;
  const wanted = new Set([...inodes].map((inode) => `socket:[${inode}]`));
  for (const pid of list("/proc").filter((name) => /^\d+$/.test(name))) {
    const fds = `/proc/${pid}/fd`;
    if (list(fds).some((fd) => wanted.has(link(`${fds}/${fd}`)))) yield pid;
  }
}

/** What a process is called. */
export function processName(pid: string): string {
  try {
    return readSystemFile(`/proc/${pid}/comm`).trim();
  } catch {
    return "of unknown name"; // it has just ended
  }
}

/** Of what ends meanwhile, or may not be seen, nothing. */
function list(path: string): readonly string[] {
  try {
    return listSystemDirectory(path);
  } catch {
    return [];
  }
}

function link(path: string): string {
  try {
    return readSystemLink(path);
  } catch {
    return "";
  }
}
