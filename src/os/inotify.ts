/** What happens in directories, as the kernel reports it: inotify(7). */

import { EINTR } from "./errno.ts";
import { check, cString, lastErrno, libc } from "./libc.ts";
import { whenReadable } from "./poller.ts";

// include/uapi/linux/inotify.h
export const IN_MODIFY = 0x2;
export const IN_ATTRIB = 0x4;
export const IN_CLOSE_WRITE = 0x8;
export const IN_MOVED_FROM = 0x40;
export const IN_MOVED_TO = 0x80;
export const IN_CREATE = 0x100;
export const IN_DELETE = 0x200;
export const IN_DELETE_SELF = 0x400;
export const IN_MOVE_SELF = 0x800;
/** The file system is unmounted. */
export const IN_UNMOUNT = 0x2000;
/** Events were lost. */
export const IN_Q_OVERFLOW = 0x4000;
/** The watch is gone: with its directory, or because it was removed. */
export const IN_IGNORED = 0x8000;
export const IN_ONLYDIR = 0x01000000;
export const IN_ISDIR = 0x40000000;

const IN_NONBLOCK = 0o4000;
const IN_CLOEXEC = 0o2000000;

/** `struct inotify_event`: s32 wd, u32 mask, u32 cookie, u32 len, then so many bytes of name. */
const EVENT_SIZE = 16;
const BUFFER_SIZE = 65_536;

export interface InotifyEvent {
  /** Of the events above. */
  readonly mask: number;
  /** Empty: it happened to the directory itself. */
  readonly name: string;
}

export class Inotify implements Disposable {
  readonly #fd: number;
  readonly #readable: Disposable;
  readonly #received: (event: InotifyEvent) => void;
  #isClosed = false;

  /** Watches a directory for the events in `mask`. Throws a SystemError, such as `EMFILE`. */
  constructor(
    path: string,
    { mask, received }: {
      readonly mask: number;
      readonly received: (event: InotifyEvent) => void;
    },
  ) {
    const what = `watch ${path}`;
    this.#received = received;
    this.#fd = check(what, libc().inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    try {
      check(what, libc().inotify_add_watch(this.#fd, cString(path), mask | IN_ONLYDIR));
      this.#readable = whenReadable(this.#fd, () => this.drain());
    } catch (error) {
      libc().close(this.#fd);
      throw error;
    }
  }

  /** Tells of everything that has happened up to now, before it returns. */
  drain(): void {
    const bytes = new Uint8Array(BUFFER_SIZE);
    while (!this.#isClosed) { // the callback may dispose of this
      const length = Number(libc().read(this.#fd, bytes, BigInt(BUFFER_SIZE)));
      if (length < 0 && lastErrno() === EINTR) continue;
      if (length <= 0) return; // EAGAIN: there is nothing more
      for (const event of decodeEvents(bytes.slice(0, length))) this.#received(event);
    }
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#readable[Symbol.dispose]();
    libc().close(this.#fd);
  }
}

function decodeEvents(bytes: Uint8Array<ArrayBuffer>): InotifyEvent[] {
  const view = new DataView(bytes.buffer);
  const events: InotifyEvent[] = [];
  for (let at = 0; at + EVENT_SIZE <= bytes.length;) {
    const length = view.getUint32(at + 12, true);
    const name = bytes.subarray(at + EVENT_SIZE, at + EVENT_SIZE + length);
    const end = name.indexOf(0);
    events.push({
      mask: view.getUint32(at + 4, true),
      name: new TextDecoder().decode(end < 0 ? name : name.subarray(0, end)),
    });
    at += EVENT_SIZE + length;
  }
  return events;
}
