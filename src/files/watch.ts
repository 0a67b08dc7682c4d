/** Follows one directory with inotify, also when another takes its place. */

import * as inotify from "../os/inotify.ts";

/** Something happened to a file in the directory. */
export interface FileEvent {
  /** Undefined: something happened to who knows which files, or to the directory. */
  readonly name: string | undefined;
  readonly kind:
    /** It is new; whoever made it may have it open for writing. */
    | "created"
    /** Somebody writes to it; closing it will be an event too. */
    | "modified"
    /** A writer closed it. */
    | "closed"
    /** It was moved here from elsewhere, all at once. */
    | "replaced"
    /** It is gone, or its mode is another. */
    | "other";
}

const EVENTS = inotify.IN_CREATE | inotify.IN_MODIFY | inotify.IN_CLOSE_WRITE |
  inotify.IN_MOVED_FROM | inotify.IN_MOVED_TO | inotify.IN_DELETE | inotify.IN_ATTRIB |
  inotify.IN_DELETE_SELF | inotify.IN_MOVE_SELF;

/** The directory is another, or none, from now on. */
const GONE = inotify.IN_DELETE_SELF | inotify.IN_MOVE_SELF | inotify.IN_UNMOUNT |
  inotify.IN_IGNORED;

export class DirectoryWatch implements Disposable {
  readonly #notify: (event: FileEvent) => void;
  #inotify: inotify.Inotify | undefined;
  /** Of the directory being watched. */
  #identity = "";

  constructor(readonly path: string, notify: (event: FileEvent) => void) {
    this.#notify = notify;
  }

  /**
   * Watches the directory that this path now names; true if it did not before: then whatever
   * happened until now was not reported. Throws what the system says.
   */
  async ensure(): Promise<boolean> {
    const identity = await identityOf(this.path);
    if (this.#inotify && identity === this.#identity) return false;
    this[Symbol.dispose]();
    this.#identity = identity;
    this.#inotify = new inotify.Inotify(this.path, {
      mask: EVENTS,
      received: (event) => this.#received(event),
    });
    return true;
  }

  /** Tells of everything that has happened up to now, before it returns. */
  drain(): void {
    this.#inotify?.drain();
  }

  #received({ mask, name }: inotify.InotifyEvent): void {
    if (mask & GONE) this[Symbol.dispose](); // the next one may have the same inode
    if (mask & (GONE | inotify.IN_Q_OVERFLOW)) this.#notify({ name: undefined, kind: "other" });
    else if (name !== "") this.#notify({ name, kind: kindOf(mask) });
  }

  [Symbol.dispose](): void {
    this.#inotify?.[Symbol.dispose]();
    this.#inotify = undefined;
  }
}

function kindOf(mask: number): FileEvent["kind"] {
  if (mask & inotify.IN_CREATE) return "created";
  if (mask & inotify.IN_MODIFY) return "modified";
  if (mask & inotify.IN_CLOSE_WRITE) return "closed";
  return mask & inotify.IN_MOVED_TO ? "replaced" : "other";
}

/** Which directory this path now names. Throws what the system says. */
export async function identityOf(path: string): Promise<string> {
  const { dev, ino, birthtime } = await Deno.stat(path);
  return `${dev} ${ino} ${birthtime?.getTime()}`; // an inode number is soon used again
}
