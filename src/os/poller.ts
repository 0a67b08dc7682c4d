/** Waits for many descriptors at once, with one thread: epoll(7). */

import { inBackground } from "../async/background.ts";
import { check, libc } from "./libc.ts";

// include/uapi/linux/eventpoll.h, include/uapi/asm-generic/fcntl.h
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;
const EPOLL_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;

/** `struct epoll_event`: u32 events, u64 data, without a gap on x86-64 only. */
const DATA_OFFSET = Deno.build.arch === "x86_64" ? 4 : 8;
const EVENT_SIZE = DATA_OFFSET + 8;

/** Events taken at once. */
const MOST_EVENTS = 64;

interface Epoll {
  readonly fd: number;
  /** Becomes readable when the wait is to end. */
  readonly wakeFd: number;
}

const actions = new Map<number, () => void>();
let epoll: Epoll | undefined;
let waiting: Promise<void> | undefined;

/**
 * Calls the action when the descriptor can be read (or has an error), again and again as long as it
 * can, until disposed of; dispose of it before the descriptor is closed. Throws a SystemError.
 */
export function whenReadable(fd: number, action: () => void): Disposable {
  epoll ??= openEpoll();
  const { fd: epollFd } = epoll;
  control(epollFd, EPOLL_CTL_ADD, fd);
  actions.set(fd, action);
  if (!waiting) startWaiting(epoll);
  return {
    [Symbol.dispose]() {
      if (!actions.delete(fd)) return;
      control(epollFd, EPOLL_CTL_DEL, fd);
      // A wait for nothing would keep the program from its end.
      if (actions.size === 0) libc().write(epoll!.wakeFd, BigUint64Array.of(1n), 8n);
    },
  };
}

/** Stays open: there is one for the program. */
function openEpoll(): Epoll {
  const fd = check("open epoll", libc().epoll_create1(EPOLL_CLOEXEC));
  const wakeFd = check("open eventfd", libc().eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  control(fd, EPOLL_CTL_ADD, wakeFd);
  return { fd, wakeFd };
}

function control(epollFd: number, operation: number, fd: number): void {
  const event = new DataView(new ArrayBuffer(EVENT_SIZE));
  event.setUint32(0, EPOLLIN, true);
  event.setBigUint64(DATA_OFFSET, BigInt(fd), true);
  const result = libc().epoll_ctl(epollFd, operation, fd, new Uint8Array(event.buffer));
  check("wait for a descriptor", result);
}

/** When nothing is waited for any more, and the thread that waits has ended. */
export async function pollerIdle(): Promise<void> {
  await waiting;
}

function startWaiting(epoll: Epoll): void {
  waiting = wait(epoll);
  inBackground("wait for descriptors", () => waiting);
}

/** Waits on another thread as long as there is something to wait for. */
async function wait({ fd, wakeFd }: Epoll): Promise<void> {
  const events = new DataView(new ArrayBuffer(EVENT_SIZE * MOST_EVENTS));
  const bytes = new Uint8Array(events.buffer);
  const forever = -1;
  while (actions.size > 0) {
    const count = await libc().epoll_wait(fd, bytes, MOST_EVENTS, forever);
    for (let at = 0; at < count; at++) {
      const ready = Number(events.getBigUint64(at * EVENT_SIZE + DATA_OFFSET, true));
      if (ready === wakeFd) libc().read(wakeFd, new Uint8Array(8), 8n);
      else inBackground("read a descriptor", () => actions.get(ready)?.());
    }
  }
  waiting = undefined; // at once: what comes from now on waits again
}
