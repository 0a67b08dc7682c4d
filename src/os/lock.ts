/** Locks that end with the process: abstract unix sockets (unix(7)), and locked files (flock(2)). */

import {
  AF_UNIX,
  O_CLOEXEC,
  O_CREAT,
  O_NOFOLLOW,
  O_RDWR,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
} from "./fcntl.ts";
import { check, cString, libc, readSystemFile, SystemError } from "./libc.ts";
import { processesWithSocket } from "./socket_owner.ts";

// include/uapi/asm-generic/socket.h, include/uapi/asm-generic/fcntl.h
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const LOCK_EX = 2;
const LOCK_NB = 4;

/** Connections that wait: nobody is answered, but whose socket this is can be asked by connecting. */
const BACKLOG = 16;

/**
 * Binds an abstract unix socket and listens, so that others can ask whose it is. One of a name in a
 * network namespace; held until disposed. Throws a {@link SystemError}: `EADDRINUSE` if it is bound.
 */
export function bindAbstract(name: string): Disposable {
  const what = `bind unix socket @${name}`;
  const fd = check(what, libc().socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  try {
    const address = socketAddress(name);
    check(what, libc().bind(fd, address, address.length));
    check(what, libc().listen(fd, BACKLOG));
    return closing(fd);
  } catch (error) {
    libc().close(fd);
    throw error;
  }
}

/**
 * The effective uid of who has bound an abstract unix socket, as it was when it began to listen; of one
 * that does not listen, the uid of its process, if that can be seen. Undefined: unknown.
 */
export function uidOfAbstract(name: string): number | undefined {
  const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = check("open unix socket", libc().socket(AF_UNIX, type, 0));
  try {
    const address = socketAddress(name);
    if (libc().connect(fd, address, address.length) < 0) return uidOfOwner(name);
    const credentials = new Uint32Array(3); // struct ucred: pid, uid, gid
    const size = Uint32Array.of(credentials.byteLength);
    const result = libc().getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, size);
    check("ask who listens", result);
    return credentials[1];
  } finally {
    libc().close(fd);
  }
}

/** By /proc/net/unix (proc(5)) of the network namespace that this thread is in, whose last columns are the inode and the name. */
function uidOfOwner(name: string): number | undefined {
  const row = readSystemFile("/proc/thread-self/net/unix").split("\n")
    .map((line) => line.trim().split(/\s+/))
    .find((columns) => columns.at(-1) === `@${name}`);
  const [pid] = row ? processesWithSocket(new Set([row.at(-2)!])) : [];
  if (pid === undefined) return undefined;
  const uids = /^Uid:\s+\d+\s+(\d+)/m.exec(readSystemFile(`/proc/${pid}/status`));
  return uids ? Number(uids[1]) : undefined;
}

/**
 * Makes a file (0600) if it is missing, and locks it until disposed. Throws a {@link SystemError}:
 * `EAGAIN` if another process has locked it.
 */
export function lockFile(path: string): Disposable {
  const flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
  const fd = check(`open ${path}`, libc().openMode(cString(path), flags, 0o600));
  try {
    check(`lock ${path}`, libc().flock(fd, LOCK_EX | LOCK_NB));
    return closing(fd);
  } catch (error) {
    libc().close(fd);
    throw error;
  }
}

/** Is it a lock that somebody else holds? */
export function isHeld(error: unknown): boolean {
  return error instanceof SystemError && ["EADDRINUSE", "EAGAIN"].includes(error.code);
}

function closing(fd: number): Disposable {
  return { [Symbol.dispose]: () => void libc().close(fd) };
}

/** struct sockaddr_un: u16 family in host order, then the name after a zero byte. */
function socketAddress(name: string): Uint8Array<ArrayBuffer> {
  const address = new TextEncoder().encode(`\0\0\0${name}`);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  return address;
}
