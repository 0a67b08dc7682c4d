/**
 * The few calls of libc for which Deno has no (stable) way: abstract unix sockets, datagrams, and
 * files in /proc, which a program is kept from unless it may do everything.
 */

import {
  AF_INET,
  AF_INET6,
  O_CLOEXEC,
  O_RDONLY,
  O_WRONLY,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
} from "./fcntl.ts";
import { type IP, ipToBytes } from "../net/ip.ts";
import { errnoName } from "./errno.ts";

const LIBC = {
  __errno_location: { parameters: [], result: "pointer" },
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  statfs: { parameters: ["buffer", "buffer"], result: "i32", nonblocking: true },
  fchmod: { parameters: ["i32", "u32"], result: "i32" },
  fsync: { parameters: ["i32"], result: "i32" },
  openat: { parameters: ["i32", "buffer", "i32", "u32"], result: "i32" },
  renameat: { parameters: ["i32", "buffer", "i32", "buffer"], result: "i32" },
  unlinkat: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  // The same on another thread, for file systems that may hang.
  fsyncLater: { name: "fsync", parameters: ["i32"], result: "i32", nonblocking: true },
  openLater: {
    name: "openat",
    parameters: ["i32", "buffer", "i32", "u32"],
    result: "i32",
    nonblocking: true,
  },
  writeLater: {
    name: "write",
    parameters: ["i32", "buffer", "usize"],
    result: "isize",
    nonblocking: true,
  },
  renameLater: {
    name: "renameat",
    parameters: ["i32", "buffer", "i32", "buffer"],
    result: "i32",
    nonblocking: true,
  },
  unlinkLater: {
    name: "unlinkat",
    parameters: ["i32", "buffer", "i32"],
    result: "i32",
    nonblocking: true,
  },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  if_nametoindex: { parameters: ["buffer"], result: "u32" },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32", nonblocking: true },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  inotify_init1: { parameters: ["i32"], result: "i32" },
  inotify_add_watch: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  inotify_rm_watch: { parameters: ["i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  listen: { parameters: ["i32", "i32"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  flock: { parameters: ["i32", "i32"], result: "i32" },
  sendto: {
    parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"],
    result: "isize",
  },
  open: { parameters: ["buffer", "i32"], result: "i32" },
  openMode: { name: "open", parameters: ["buffer", "i32", "u32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  readlink: { parameters: ["buffer", "buffer", "usize"], result: "isize" },
  opendir: { parameters: ["buffer"], result: "pointer" },
  readdir: { parameters: ["pointer"], result: "pointer" },
  closedir: { parameters: ["pointer"], result: "i32" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  malloc_trim: { parameters: ["usize"], result: "i32" },
  getrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  setrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  madvise: { parameters: ["usize", "usize", "i32"], result: "i32" },
} as const;

// include/linux/socket.h
const MSG_DONTWAIT = 0x40;
const SHUT_RDWR = 2;
// include/uapi/asm-generic/resource.h
const RLIMIT_NOFILE = 7;
// include/uapi/asm-generic/mman-common.h
const MADV_DONTNEED = 4;

/** A call failed; the message says which, on what, and the errno's name. */
export class SystemError extends Error {
  override readonly name = "SystemError";

  /** `code`: the errno's name, such as `EADDRINUSE`. */
  constructor(what: string, readonly code: string) {
    super(`${what}: ${code}`);
  }
}

let symbols: Deno.DynamicLibrary<typeof LIBC>["symbols"] | undefined;

/** Opens the library once; it stays open, since it is loaded anyway. */
export function libc(): NonNullable<typeof symbols> {
  return symbols ??= Deno.dlopen("libc.so.6", LIBC).symbols;
}

/** Opens the library now: a program that gives up the right to open libraries can still call it. */
export function openLibc(): void {
  libc();
}

/** The call's result; throws a {@link SystemError} if it is negative. */
export function check(what: string, result: number | bigint): number {
  if (result >= 0) return Number(result);
  throw new SystemError(what, errnoName(lastErrno()));
}

/** The errno of the last call that failed; of a `nonblocking` one it cannot be read. */
export function lastErrno(): number {
  const location = libc().__errno_location();
  return location ? new Deno.UnsafePointerView(location).getInt32() : 0;
}

/**
 * Calls what is `nonblocking`, on another thread. Its buffers are referred to until it is done, or
 * they could be freed; those of up to 64 bytes must be on an ArrayBuffer of their own, because the
 * engine may move others.
 */
export async function later<Parameters extends unknown[]>(
  call: (...parameters: Parameters) => Promise<number | bigint>,
  ...parameters: Parameters
): Promise<number> {
  try {
    return Number(await call(...parameters));
  } finally {
    parameters.length = 0;
  }
}

/** Text as C has it: with a zero byte at the end, on an ArrayBuffer of its own. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  const encoded = new TextEncoder().encode(text);
  const bytes = new Uint8Array(new ArrayBuffer(encoded.length + 1));
  bytes.set(encoded);
  return bytes;
}

/**
 * Sends an empty UDP datagram to the discard port (RFC 863) of each address, or does not where there
 * is no way to it, or no such address family (`ipv6.disable=1`). Throws a {@link SystemError} if there
 * can be no socket for another reason.
 */
export function sendEmptyDatagrams(addresses: readonly IP[]): void {
  for (const family of [4, 6] as const) {
    const those = addresses.filter((address) => address.family === family);
    if (those.length === 0) continue;
    const domain = family === 4 ? AF_INET : AF_INET6;
    const fd = openDatagramSocket(domain);
    if (fd === undefined) continue;
    for (const address of those.map((ip) => socketAddress(domain, ip))) {
      libc().sendto(fd, null, 0n, MSG_DONTWAIT, address, address.length);
    }
    libc().close(fd);
  }
}

/** Undefined: this kernel has no such address family. */
function openDatagramSocket(domain: number): number | undefined {
  try {
    return check("open a UDP socket", libc().socket(domain, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  } catch (error) {
    if (error instanceof SystemError && error.code === "EAFNOSUPPORT") return undefined;
    throw error;
  }
}

/**
 * `struct sockaddr_in` (ip(7)) or `sockaddr_in6` (ipv6(7)): u16 family in host order, u16 port, then
 * the address, in the longer one behind a u32.
 */
function socketAddress(domain: number, { family, value }: IP): Uint8Array<ArrayBuffer> {
  const address = new Uint8Array(family === 4 ? 16 : 28);
  const view = new DataView(address.buffer);
  view.setUint16(0, domain, true);
  view.setUint16(2, DISCARD_PORT);
  address.set(ipToBytes({ family, value }), family === 4 ? 4 : 8);
  return address;
}

const DISCARD_PORT = 9;

/**
 * Ends all reads and writes of a socket, also those that wait (shutdown(2)); nothing happens if it is
 * not connected any more. The descriptor stays: it must be open, or another file's could be meant.
 */
export function shutdownSocket(fd: number): void {
  libc().shutdown(fd, SHUT_RDWR);
}

/** All of a file's text. Throws a {@link SystemError}. */
export function readSystemFile(path: string): string {
  return withFile(path, O_RDONLY, (fd) => {
    const buffer = new Uint8Array(4096);
    const decoder = new TextDecoder();
    let text = "";
    for (;;) {
      const length = check(`read ${path}`, libc().read(fd, buffer, BigInt(buffer.length)));
      if (length === 0) return text;
      text += decoder.decode(buffer.subarray(0, length), { stream: true });
    }
  });
}

/** Where a symbolic link leads. Throws a {@link SystemError}. */
export function readSystemLink(path: string): string {
  const buffer = new Uint8Array(4096);
  const name = new TextEncoder().encode(`${path}\0`);
  const length = check(`read ${path}`, libc().readlink(name, buffer, BigInt(buffer.length)));
  return new TextDecoder().decode(buffer.subarray(0, length));
}

/** Where `struct dirent` of a 64-bit system has its name (readdir(3)). */
const D_NAME = 19;

/** Names in a directory, `.` and `..` too, in no order. Throws a {@link SystemError}. */
export function listSystemDirectory(path: string): string[] {
  const directory = libc().opendir(new TextEncoder().encode(`${path}\0`));
  if (directory === null) check(`list ${path}`, -1);
  const names: string[] = [];
  for (;;) {
    const entry = libc().readdir(directory);
    if (entry === null) break;
    names.push(new Deno.UnsafePointerView(entry).getCString(D_NAME));
  }
  libc().closedir(directory);
  return names;
}

/** Returns what malloc keeps in reserve to the kernel, and unmaps pages of files that were only read. */
export function releaseMemory(ranges: Iterable<readonly [from: bigint, to: bigint]>): void {
  libc().malloc_trim(0n);
  for (const [from, to] of ranges) libc().madvise(from, to - from, MADV_DONTNEED);
}

/**
 * Lets this process have as many descriptors as it may (getrlimit(2)); returns how many that are.
 * Throws a {@link SystemError}.
 */
export function raiseDescriptorLimit(): number {
  const limits = new BigUint64Array(2); // struct rlimit: the soft limit, the hard one
  check("read the limit of descriptors", libc().getrlimit(RLIMIT_NOFILE, limits));
  limits[0] = limits[1]!;
  check("raise the limit of descriptors", libc().setrlimit(RLIMIT_NOFILE, limits));
  return Number(limits[0]);
}

/** Writes an existing file in one go. Throws a {@link SystemError}. */
export function writeSystemFile(path: string, text: string): void {
  withFile(path, O_WRONLY, (fd) => {
    const bytes = new TextEncoder().encode(text);
    check(`write ${path}`, libc().write(fd, bytes, BigInt(bytes.length)));
  });
}

function withFile<T>(path: string, flags: number, action: (fd: number) => T): T {
  const fd = check(
    `open ${path}`,
    libc().open(new TextEncoder().encode(`${path}\0`), flags | O_CLOEXEC),
  );
  try {
    return action(fd);
  } finally {
    libc().close(fd);
  }
}
