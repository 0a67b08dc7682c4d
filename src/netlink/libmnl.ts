/**
 * libmnl for netlink sockets, and libc for what it lacks.
 *
 * Run from source, libmnl is the system's. A compiled program carries its own in the file
 * `libmnl.so.0` beside this module, and loads it from memory: dlopen of an embedded file would
 * write a temporary one, which fails on a read-only root.
 */

const MNL = {
  mnl_socket_open2: { parameters: ["i32", "i32"], result: "pointer" },
  mnl_socket_bind: { parameters: ["pointer", "u32", "i32"], result: "i32" },
  mnl_socket_sendto: { parameters: ["pointer", "buffer", "usize"], result: "isize" },
  mnl_socket_setsockopt: { parameters: ["pointer", "i32", "buffer", "u32"], result: "i32" },
  mnl_socket_get_fd: { parameters: ["pointer"], result: "i32" },
  mnl_socket_get_portid: { parameters: ["pointer"], result: "u32" },
  mnl_socket_close: { parameters: ["pointer"], result: "i32" },
} as const;

const LIBC = {
  __errno_location: { parameters: [], result: "pointer" },
  recvfrom: {
    parameters: ["i32", "buffer", "usize", "i32", "buffer", "buffer"],
    result: "isize",
  },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  /** Must not wait: with a timeout of 0. */
  pollNow: { name: "poll", parameters: ["buffer", "u64", "i32"], result: "i32" },
  /** Waits on another thread, so its errno cannot be read. */
  poll: { parameters: ["buffer", "u64", "i32"], result: "i32", nonblocking: true },
} as const;

export interface Libraries {
  readonly mnl: Deno.DynamicLibrary<typeof MNL>["symbols"];
  readonly libc: Deno.DynamicLibrary<typeof LIBC>["symbols"];
}

let opened: Libraries | undefined;

/** Opens both, once; needs the permission `ffi`, and `read` for an embedded library. */
export function openLibraries(): Libraries {
  if (opened) return opened;
  const libc = Deno.dlopen("libc.so.6", LIBC).symbols;
  const embedded = Deno.build.standalone ? readEmbedded() : undefined;
  const mnl = embedded ? dlopenBytes(libc, embedded) : Deno.dlopen("libmnl.so.0", MNL).symbols;
  return opened = { mnl, libc };
}

/** The error number of the last call that was not `nonblocking`. */
export function lastErrno(libc: Libraries["libc"]): number {
  const location = libc.__errno_location();
  return location ? new Deno.UnsafePointerView(location).getInt32() : 0;
}

function readEmbedded(): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Deno.readFileSync(new URL("./libmnl.so.0", import.meta.url));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function dlopenBytes(libc: Libraries["libc"], bytes: Uint8Array<ArrayBuffer>): Libraries["mnl"] {
  const MFD_CLOEXEC = 1;
  const fd = libc.memfd_create(new TextEncoder().encode("libmnl\0"), MFD_CLOEXEC);
  if (fd < 0) throw new Error(`load libmnl: memfd_create: errno ${lastErrno(libc)}`);
  try {
    for (let at = 0; at < bytes.length;) {
      const rest = bytes.subarray(at);
      const written = Number(libc.write(fd, rest, BigInt(rest.length)));
      if (written <= 0) throw new Error(`load libmnl: write: errno ${lastErrno(libc)}`);
      at += written;
    }
    return Deno.dlopen(`/proc/self/fd/${fd}`, MNL).symbols;
  } finally {
    libc.close(fd);
  }
}
