/** What changes in the kernel, as it happens. */

import { LITTLE_ENDIAN } from "./codec.ts";
import { EMSGSIZE, ENOBUFS } from "../os/errno.ts";
import { MalformedError, NetlinkError } from "./error.ts";
import { lastErrno, openLibraries } from "./libmnl.ts";
import { type Message, readMessages } from "./message.ts";
import { NETLINK_NETFILTER, NETLINK_ROUTE, Socket } from "./socket.ts";
import type { Transport } from "./transport.ts";

/** `RTNLGRP_*` (include/uapi/linux/rtnetlink.h) and `NFNLGRP_*` (linux/netfilter/nfnetlink.h). */
const EVENT_KINDS = {
  link: { family: NETLINK_ROUTE, groups: [1] }, // LINK
  address: { family: NETLINK_ROUTE, groups: [5, 9] }, // IPV4_IFADDR, IPV6_IFADDR
  route: { family: NETLINK_ROUTE, groups: [7, 11] }, // IPV4_ROUTE, IPV6_ROUTE
  rule: { family: NETLINK_ROUTE, groups: [8, 19] }, // IPV4_RULE, IPV6_RULE
  nftables: { family: NETLINK_NETFILTER, groups: [7] }, // NFTABLES
} as const;

/** What can be watched. Each has a socket of its own, so that a flood of one drowns no other. */
export type EventKind = keyof typeof EVENT_KINDS;

/** What happened, of one kind. */
export interface KernelEvents {
  readonly kind: EventKind;
  /**
   * In the order they happened, for the parser of their kind. `portId` tells whose doing they are; of
   * links and of what follows by itself (the routes of an address) it is 0.
   */
  readonly messages: readonly Message[];
  /** Some were lost: the state must be read again. There are no messages then. */
  readonly overflow: boolean;
}

/** A socket whose changes are left out: our own. A port id means nothing without its family. */
export interface OwnSocket {
  /** Such as {@link NETLINK_ROUTE}. */
  readonly family: number;
  readonly portId: number;
}

export interface EventOptions {
  readonly own?: readonly OwnSocket[];
}

/** Datagrams read from one socket before the others have their turn. */
const TURN = 4096;
const POLLIN = 1;
/** struct pollfd: s32 fd, s16 events, s16 revents. */
const POLLFD = 8;
const EFD_NONBLOCK = 0x800;
const EFD_CLOEXEC = 0x80000;

/**
 * Watches subsystems of the network namespace in which it is opened. Iterated over (once at a
 * time), each step tells what has happened since the last one; it ends when this is disposed of.
 *
 * One poll(2) on another thread waits for all sockets; an eventfd ends it, because closing or
 * shutting down a netlink socket does not.
 */
export class EventMonitor implements AsyncIterable<readonly KernelEvents[]>, Disposable {
  readonly #sources: readonly Source[];
  readonly #resources: DisposableStack;
  readonly #stopFd: number;
  readonly #pollfds: Uint8Array<ArrayBuffer>;
  #waiting = false;
  #stopped = false;

  private constructor(
    sources: readonly Source[],
    options: { readonly resources: DisposableStack; readonly stopFd: number },
  ) {
    this.#sources = sources;
    this.#resources = options.resources;
    this.#stopFd = options.stopFd;
    this.#pollfds = pollfds([...sources.map(({ socket }) => socket.fd), options.stopFd]);
  }

  /** Events count from now on. A NetlinkError if the kernel lacks a kind or refuses. */
  static open(kinds: readonly EventKind[], { own = [] }: EventOptions = {}): EventMonitor {
    const { libc } = openLibraries();
    using stack = new DisposableStack();
    const stopFd = libc.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (stopFd < 0) {
      throw new NetlinkError({ operation: "open eventfd", errno: lastErrno(libc) });
    }
    stack.defer(() => libc.close(stopFd));
    const sources = kinds.map((kind) => {
      const { family, groups } = EVENT_KINDS[kind];
      const socket = stack.use(Socket.open(family));
      for (const group of groups) socket.join(group);
      const ours = own.filter((each) => each.family === family);
      return { kind, socket, own: new Set(ours.map(({ portId }) => portId)) };
    });
    return new EventMonitor(sources, { resources: stack.move(), stopFd });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly KernelEvents[], void> {
    while (await this.#wait()) {
      const happened = this.#sources.flatMap(({ socket, ...options }) =>
        readEvents(socket, options) ?? []
      );
      if (happened.length > 0) yield happened;
    }
  }

  /** Stops watching; a wait in progress ends within a millisecond. */
  [Symbol.dispose](): void {
    this.#stopped = true;
    if (!this.#waiting) return this.#resources.dispose();
    openLibraries().libc.write(this.#stopFd, BigUint64Array.of(1n), 8n);
  }

  /** Until something can be read; false: stopped. What poll(2) still looks at is not closed before. */
  async #wait(): Promise<boolean> {
    if (this.#stopped) return false;
    const forever = -1;
    this.#waiting = true;
    await openLibraries().libc.poll(
      this.#pollfds,
      BigInt(this.#pollfds.length / POLLFD),
      forever,
    );
    this.#waiting = false;
    if (this.#stopped) this.#resources.dispose();
    return !this.#stopped;
  }
}

interface Source {
  readonly kind: EventKind;
  readonly socket: Socket;
  /** Port ids of our own sockets of the same family. */
  readonly own: ReadonlySet<number>;
}

/** In an ArrayBuffer of its own: the engine may move the bytes of other small arrays during the wait. */
function pollfds(fds: readonly number[]): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(POLLFD * fds.length));
  fds.forEach((fd, index) => {
    view.setInt32(POLLFD * index, fd, LITTLE_ENDIAN);
    view.setInt16(POLLFD * index + 4, POLLIN, LITTLE_ENDIAN);
  });
  return new Uint8Array(view.buffer);
}

/**
 * Reads what a socket that has joined groups received; undefined: nothing but our own.
 *
 * After a loss the kernel drops everything, without another word, until the socket has been read
 * empty. So it is, before the loss is told: who then reads the state misses nothing.
 */
export function readEvents(
  transport: Transport,
  options: Pick<Source, "kind" | "own">,
): KernelEvents | undefined {
  const { kind, own } = options;
  const messages: Message[] = [];
  let overflow = false;
  for (let turn = 0; overflow || turn < TURN; turn++) {
    try {
      const bytes = transport.receive();
      if (bytes === undefined) break;
      if (!overflow) messages.push(...readMessages(bytes).filter(({ portId }) => !own.has(portId)));
    } catch (error) {
      if (!isLoss(error)) throw error;
      overflow = true;
    }
  }
  if (overflow) return { kind, messages: [], overflow };
  return messages.length > 0 ? { kind, messages, overflow } : undefined;
}

/** Dropped by the kernel, too large for our buffer, or not to be understood: all mean "observe again". */
function isLoss(error: unknown): boolean {
  return error instanceof MalformedError ||
    (error instanceof NetlinkError && (error.errno === ENOBUFS || error.errno === EMSGSIZE));
}
