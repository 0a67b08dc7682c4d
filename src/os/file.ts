/** What can be asked of a file beyond stat(2): does anybody write to it, and where does it live? */

import { O_CLOEXEC, O_NONBLOCK, O_RDONLY } from "./fcntl.ts";
import { EAGAIN } from "./errno.ts";
import { cString, lastErrno, later, libc } from "./libc.ts";

// include/uapi/asm-generic/fcntl.h, include/uapi/linux/fcntl.h
const AT_FDCWD = -100;
const F_SETSIG = 10;
const F_SETLEASE = 1024;
const F_RDLCK = 0;
const F_UNLCK = 2;
/** Sent where somebody opens the file just while we ask; by default it is ignored (signal(7)). */
const SIGURG = 23;

/**
 * Has anybody opened this file for writing? Undefined where that cannot be found out: on some file
 * systems, and without the right to (`CAP_LEASE`, for files of others). It is asked by taking a read
 * lease for a moment (fcntl(2)), which the kernel refuses while there is a writer.
 */
export function hasWriter(path: string): boolean | undefined {
  const flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC;
  const fd = libc().openat(AT_FDCWD, cString(path), flags, 0);
  if (fd < 0) return undefined;
  try {
    if (libc().fcntl(fd, F_SETSIG, SIGURG) < 0) return undefined;
    if (libc().fcntl(fd, F_SETLEASE, F_RDLCK) < 0) return lastErrno() === EAGAIN || undefined;
    libc().fcntl(fd, F_SETLEASE, F_UNLCK);
    return false;
  } finally {
    libc().close(fd);
  }
}

/** `f_type` of file systems that others change without inotify hearing of it (statfs(2)). */
const REMOTE = new Set([
  0x6969, // NFS
  0x517b, // SMB
  0xff534d42, // CIFS
  0xfe534d42, // SMB2
  0x65735546, // FUSE, virtiofs
  0x01021997, // 9P
  0x00c36400, // Ceph
  0x5346414f, // AFS
  0x6b414653, // kAFS
  0x73757245, // Coda
  0x01161970, // GFS2
  0x7461636f, // OCFS2
  0x0bd00bd0, // Lustre
  0x786f4256, // VirtualBox
  0xbacbacbc, // VMware
  0x19830326, // FhGFS, BeeGFS
  0x47504653, // GPFS
]);

/** Can other machines change what is in this directory? False also where it cannot be found out. */
export async function isRemote(path: string): Promise<boolean> {
  const statfs = new DataView(new ArrayBuffer(256)); // struct statfs begins with long f_type
  const result = await later(libc().statfs, cString(path), new Uint8Array(statfs.buffer));
  if (result < 0) return false;
  return REMOTE.has(statfs.getUint32(0, true));
}
