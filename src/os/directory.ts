/**
 * Writing files into a directory in which others may put what they like: no link in it is followed,
 * and nothing that is there is ever written to.
 */

import {
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_WRONLY,
} from "./fcntl.ts";
import { check, cString, later, libc, SystemError } from "./libc.ts";

// include/uapi/linux/fcntl.h
const AT_FDCWD = -100;

/** Told apart from other files, and never there after a call: others' temporaries are other files. */
const OURS = crypto.randomUUID();

export class OpenDirectory implements Disposable {
  readonly #fd: number;
  readonly #path: string;

  private constructor(fd: number, path: string) {
    this.#fd = fd;
    this.#path = path;
  }

  /** Opens it; a SystemError if it is missing (`ENOENT`) or a link (`ENOTDIR`). */
  static async open(path: string): Promise<OpenDirectory> {
    const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    return new OpenDirectory(await openAt(AT_FDCWD, { name: path, path, flags }), path);
  }

  /**
   * Puts a file with this text and mode in the place of whatever has the name, be it a link: it is
   * written beside it, brought to disk and renamed. Throws a SystemError.
   */
  async replace(name: string, text: string, { mode }: { readonly mode: number }): Promise<void> {
    const path = `${this.#path}/${name}`;
    const temporary = `.${name}.${OURS}`;
    await this.remove(temporary).catch(() => {}); // of a call that failed in the middle
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    const fd = await openAt(this.#fd, { name: temporary, path, flags });
    try {
      try {
        await writeAll(fd, text, path);
        check(`set the mode of ${path}`, libc().fchmod(fd, mode)); // whatever the umask
        const sync = { later: () => later(libc().fsyncLater, fd), now: () => libc().fsync(fd) };
        await call(`bring ${path} to disk`, sync);
      } finally {
        libc().close(fd);
      }
      const [from, to] = [cString(temporary), cString(name)];
      await call(`replace ${path}`, {
        later: () => later(libc().renameLater, this.#fd, from, this.#fd, to),
        now: () => libc().renameat(this.#fd, from, this.#fd, to),
      });
    } catch (error) {
      await this.remove(temporary).catch(() => {}); // the first error counts
      throw error;
    }
  }

  /** Removes a file, or a link; does nothing where there is none. Throws a SystemError. */
  async remove(name: string): Promise<void> {
    const bytes = cString(name);
    const result = await later(libc().unlinkLater, this.#fd, bytes, 0);
    if (result === 0) return;
    try {
      check(`remove ${this.#path}/${name}`, libc().unlinkat(this.#fd, bytes, 0));
    } catch (error) {
      if (!(error instanceof SystemError && error.code === "ENOENT")) throw error;
    }
  }

  [Symbol.dispose](): void {
    libc().close(this.#fd);
  }
}

/**
 * Does something on another thread, since a file system may hang. Why it failed cannot be told
 * there, so what failed is done once more here, which tells; or succeeds.
 */
async function call(
  what: string,
  { later, now }: {
    readonly later: () => Promise<number>;
    readonly now: () => number | bigint;
  },
): Promise<number> {
  const result = await later();
  return result >= 0 ? result : check(what, now());
}

async function openAt(
  directory: number,
  { name, path, flags }: { readonly name: string; readonly path: string; readonly flags: number },
): Promise<number> {
  const bytes = cString(name);
  return await call(`open ${path}`, {
    later: () => later(libc().openLater, directory, bytes, flags, 0o600),
    now: () => libc().openat(directory, bytes, flags, 0o600),
  });
}

async function writeAll(fd: number, text: string, path: string): Promise<void> {
  const encoded = new TextEncoder().encode(text);
  for (let at = 0; at < encoded.length;) {
    const rest = new Uint8Array(new ArrayBuffer(encoded.length - at));
    rest.set(encoded.subarray(at));
    at += await call(`write ${path}`, {
      later: () => later(libc().writeLater, fd, rest, BigInt(rest.length)),
      now: () => libc().write(fd, rest, BigInt(rest.length)),
    });
  }
}
