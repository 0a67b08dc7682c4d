/** Follows one directory with inotify, also when another takes its place. */

import { inBackground } from "../async/background.ts";

/** Deno drops events silently when so many wait to be read. */
const QUEUE = 16;

/** Something happened to a file in the directory. */
export interface FileEvent {
  /** Undefined: something happened to who knows which files. */
  readonly name: string | undefined;
  /** It is open for writing, by the look of it; closing it will be an event too. */
  readonly writing: boolean;
}

export class DirectoryWatch implements Disposable {
  readonly #notify: (event: FileEvent) => void;
  #watcher: Deno.FsWatcher | undefined;
  /** Device and inode of the directory being watched. */
  #identity = "";
  /** Events read since {@link ensure}. */
  #count = 0;

  constructor(readonly path: string, notify: (event: FileEvent) => void) {
    this.#notify = notify;
  }

  /**
   * Watches the directory that this path now names. Throws what the system says. Whoever calls it
   * then looks at every file: only while few events were read since can none have been dropped.
   */
  async ensure(): Promise<void> {
    this.#count = 0;
    const identity = await identityOf(this.path);
    if (this.#watcher && identity === this.#identity) return;
    this[Symbol.dispose]();
    this.#watcher = Deno.watchFs(this.path, { recursive: false });
    this.#identity = identity;
    const watcher = this.#watcher;
    inBackground(`watch ${this.path}`, () => this.#follow(watcher));
  }

  async #follow(watcher: Deno.FsWatcher): Promise<void> {
    for await (const { kind, paths } of watcher) {
      const writing = kind === "create" || kind === "modify";
      const known = kind !== "other" && kind !== "any"; // "other": events were lost
      const names = known
        ? paths.map((path) => path.slice(path.lastIndexOf("/") + 1))
        : [undefined];
      for (const name of names) this.#tell({ name, writing });
      if (++this.#count >= QUEUE) this.#tell({ name: undefined, writing });
    }
  }

  #tell(event: FileEvent): void {
    inBackground(`take note of a change in ${this.path}`, () => this.#notify(event));
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}

/** Which directory this path now names. Throws what the system says. */
export async function identityOf(path: string): Promise<string> {
  const { dev, ino } = await Deno.stat(path);
  return `${dev} ${ino}`;
}
