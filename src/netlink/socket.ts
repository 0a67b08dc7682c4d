/** Netlink sockets of the kernel, through libmnl. */

import { EBADF, EMSGSIZE, ENOBUFS } from "../os/errno.ts";
import { NetlinkError } from "./error.ts";
import { LITTLE_ENDIAN } from "./codec.ts";
import { lastErrno, type Libraries, openLibraries } from "./libmnl.ts";
import type { Transport } from "./transport.ts";

/** Families of netlink sockets (include/uapi/linux/netlink.h). */
export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;
export const NETLINK_GENERIC = 16;

const SOCK_CLOEXEC = 0x80000;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;

/** Bytes: what thousands of answers or events take up before they are read. */
const KERNEL_BUFFER = 4 << 20;
/** Bytes: dumps come in datagrams of up to 32 KiB, if the buffer offered has room for that. */
const LARGEST_DATAGRAM = 128 << 10;

/** One for all sockets: a datagram is copied out of it, or read, before the next is received. */
const incoming = new Uint8Array(LARGEST_DATAGRAM);
/** struct sockaddr_nl: u16 family, u16 padding, u32 port id, u32 groups. */
const sender = new Uint32Array(3);
const senderLength = new Uint32Array(1);
/** struct pollfd: s32 fd, s16 events, s16 revents. */
const pollfd = new DataView(new ArrayBuffer(8));
const POLLIN = 1;
const POLLERR = 8;
const POLLNVAL = 32;

/** A bound netlink socket in the network namespace of the thread that opens it. */
export class Socket implements Transport {
  readonly portId: number;
  /** For poll(2). */
  readonly fd: number;
  readonly #libraries: Libraries;
  readonly #name: string;
  #handle: Deno.PointerValue;

  private constructor(libraries: Libraries, handle: Deno.PointerValue, name: string) {
    this.#libraries = libraries;
    this.#handle = handle;
    this.#name = name;
    this.fd = libraries.mnl.mnl_socket_get_fd(handle);
    this.portId = libraries.mnl.mnl_socket_get_portid(handle);
  }

  /**
   * Opens a socket of a family such as {@link NETLINK_ROUTE}; a NetlinkError if the kernel has none.
   * Without a port id the kernel chooses one.
   */
  static open(family: number, { portId = 0 }: { readonly portId?: number } = {}): Socket {
    const libraries = openLibraries();
    const { mnl, libc } = libraries;
    const name = `netlink socket (family ${family})`;
    const handle = mnl.mnl_socket_open2(family, SOCK_CLOEXEC);
    if (handle === null) {
      throw new NetlinkError({ operation: `open ${name}`, errno: lastErrno(libc) });
    }
    if (mnl.mnl_socket_bind(handle, 0, portId) < 0) {
      const errno = lastErrno(libc);
      mnl.mnl_socket_close(handle);
      throw new NetlinkError({ operation: `bind ${name}`, errno });
    }
    const socket = new Socket(libraries, handle, name);
    socket.#growBuffer(SO_SNDBUFFORCE, SO_SNDBUF);
    socket.#growBuffer(SO_RCVBUFFORCE, SO_RCVBUF);
    // Older kernels know fewer of these, and do without.
    socket.#setOption(NETLINK_EXT_ACK, 1);
    socket.#setOption(NETLINK_CAP_ACK, 1);
    socket.#setOption(NETLINK_GET_STRICT_CHK, 1);
    return socket;
  }

  /** Receives the events of a multicast group (`RTNLGRP_LINK` and the like) from now on. */
  join(group: number): void {
    this.#checkOpen();
    if (this.#setOption(NETLINK_ADD_MEMBERSHIP, group)) return;
    throw this.#failure(`join group ${group} of`);
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    this.#checkOpen();
    const { mnl } = this.#libraries;
    const sent = mnl.mnl_socket_sendto(this.#handle, bytes, BigInt(bytes.length));
    if (Number(sent) !== bytes.length) throw this.#failure(`send ${bytes.length} bytes to`);
  }

  receive({ shared = false } = {}): Uint8Array<ArrayBuffer> | undefined {
    this.#checkOpen();
    const { libc } = this.#libraries;
    for (;;) {
      const ready = this.#poll();
      if (ready === 0) return undefined;
      senderLength[0] = sender.byteLength;
      const length = Number(libc.recvfrom(
        this.fd,
        incoming,
        BigInt(incoming.length),
        MSG_DONTWAIT | MSG_TRUNC,
        sender,
        senderLength,
      ));
      if (length < 0) {
        const operation = `receive from ${this.#name}`;
        if (ready & POLLNVAL) throw new NetlinkError({ operation, errno: EBADF });
        // Whatever the error is, messages were lost.
        if (ready & POLLERR) throw new NetlinkError({ operation, errno: ENOBUFS });
        return undefined;
      }
      const fromKernel = sender[1] === 0;
      if (!fromKernel) continue;
      if (length > incoming.length) {
        const operation = `receive ${length} bytes from ${this.#name}`;
        throw new NetlinkError({ operation, errno: EMSGSIZE });
      }
      return shared ? incoming.subarray(0, length) : incoming.slice(0, length);
    }
  }

  /** libmnl follows the handle without asking: a closed one would end the program. */
  #checkOpen(): void {
    if (this.#handle !== null) return;
    throw new NetlinkError({ operation: `use ${this.#name}, which is closed`, errno: EBADF });
  }

  /** Closes the socket; using it afterwards throws a NetlinkError (EBADF). */
  [Symbol.dispose](): void {
    if (this.#handle === null) return;
    this.#libraries.mnl.mnl_socket_close(this.#handle);
    this.#handle = null;
  }

  /**
   * What can be received, in `revents`; 0: nothing. Asked first, because the engine sometimes does
   * system calls of its own between a call and our reading of errno, and "nothing" must never be
   * taken for an error.
   */
  #poll(): number {
    pollfd.setInt32(0, this.fd, LITTLE_ENDIAN);
    pollfd.setInt16(4, POLLIN, LITTLE_ENDIAN);
    pollfd.setInt16(6, 0, LITTLE_ENDIAN);
    this.#libraries.libc.pollNow(pollfd, 1n, 0);
    return pollfd.getInt16(6, LITTLE_ENDIAN);
  }

  #setOption(option: number, value: number): boolean {
    const { mnl } = this.#libraries;
    return mnl.mnl_socket_setsockopt(this.#handle, option, Uint32Array.of(value), 4) === 0;
  }

  /** Forcing needs CAP_NET_ADMIN; without it, the system's limit has to do. */
  #growBuffer(force: number, ask: number): void {
    const { libc } = this.#libraries;
    const size = Uint32Array.of(KERNEL_BUFFER);
    if (libc.setsockopt(this.fd, SOL_SOCKET, force, size, 4) === 0) return;
    libc.setsockopt(this.fd, SOL_SOCKET, ask, size, 4);
  }

  #failure(what: string): NetlinkError {
    const errno = lastErrno(this.#libraries.libc);
    return new NetlinkError({ operation: `${what} ${this.#name}`, errno });
  }
}
