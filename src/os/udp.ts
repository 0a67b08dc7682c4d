/** UDP to one address (udp(7)): a connected socket hears of it when nobody is there. */

import { AF_INET, AF_INET6, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from "./fcntl.ts";
import { type IP, ipToBytes } from "../net/ip.ts";
import { check, cString, lastErrno, libc, SystemError } from "./libc.ts";
import { EAGAIN, EINTR, errnoName } from "./errno.ts";
import { whenReadable } from "./poller.ts";

const LARGEST_DATAGRAM = 65_536;

export interface UDPAddress {
  readonly ip: IP;
  readonly port: number;
  /** Of a link-local address: an interface, by name or index. */
  readonly scope?: string | undefined;
}

/** All datagrams are read into this, one after the other. */
let buffer: Uint8Array<ArrayBuffer> | undefined;

export class UDPSocket implements Disposable {
  readonly #fd: number;
  readonly #readable: Disposable;

  /** `received` and `failed` are called until it is disposed of. Throws a {@link SystemError}. */
  constructor(
    address: UDPAddress,
    { received, failed }: {
      /** A datagram from that address; valid only during the call. */
      readonly received: (datagram: Uint8Array) => void;
      /** Such as `ECONNREFUSED`: nobody is there. */
      readonly failed: (error: SystemError) => void;
    },
  ) {
    const domain = address.ip.family === 4 ? AF_INET : AF_INET6;
    const type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    this.#fd = check("open a UDP socket", libc().socket(domain, type, 0));
    try {
      const bytes = socketAddress(address);
      check("connect a UDP socket", libc().connect(this.#fd, bytes, bytes.length));
      this.#readable = whenReadable(this.#fd, () => {
        buffer ??= new Uint8Array(LARGEST_DATAGRAM);
        const length = Number(libc().recv(this.#fd, buffer, BigInt(buffer.length), 0));
        if (length >= 0) return received(buffer.subarray(0, length));
        const errno = lastErrno();
        if (errno === EAGAIN || errno === EINTR) return;
        failed(new SystemError("receive a datagram", errnoName(errno)));
      });
    } catch (error) {
      libc().close(this.#fd);
      throw error;
    }
  }

  /** Throws a {@link SystemError}. */
  send(datagram: Uint8Array<ArrayBuffer>): void {
    check("send a datagram", libc().send(this.#fd, datagram, BigInt(datagram.length), 0));
  }

  [Symbol.dispose](): void {
    this.#readable[Symbol.dispose]();
    libc().close(this.#fd);
  }
}

/**
 * `struct sockaddr_in` (ip(7)): u16 family in host order, u16 port, u32 address; `sockaddr_in6`
 * (ipv6(7)): u16 family, u16 port, u32 flow, 16 bytes of address, u32 scope in host order.
 */
function socketAddress({ ip, port, scope }: UDPAddress): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(ip.family === 4 ? 16 : 28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, ip.family === 4 ? AF_INET : AF_INET6, true);
  view.setUint16(2, port);
  bytes.set(ipToBytes(ip), ip.family === 4 ? 4 : 8);
  if (ip.family === 6 && scope !== undefined) view.setUint32(24, interfaceIndex(scope), true);
  return bytes;
}

function interfaceIndex(scope: string): number {
  return /^\d+$/.test(scope) ? Number(scope) : libc().if_nametoindex(cString(scope));
}
