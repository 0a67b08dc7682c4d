/** Writing files so that nobody ever sees half of one. Knows nothing of what is in them. */

/** In names of temporary files: others that write the same file are other processes. */
const OURS = crypto.randomUUID();

/**
 * Replaces a file's content, or makes it, atomically: a dot file beside it is written, brought to
 * disk and renamed. An existing file keeps its mode, a symbolic link stays one. One call at a time
 * for a path. Errors are the system's, with the path; of a failure that lasts it is the same text.
 */
export async function replaceFile(
  path: string,
  content: string | Uint8Array,
  { mode }: { readonly mode: number },
): Promise<void> {
  const existing = await ifThere(() => Deno.stat(path));
  const target = existing ? await Deno.realPath(path) : path;
  const slash = target.lastIndexOf("/") + 1;
  const temporary = `${target.slice(0, slash)}.${target.slice(slash)}.${OURS}`;
  try {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    await Deno.writeFile(temporary, bytes, { createNew: true, mode: 0o600 });
    await Deno.chmod(temporary, (existing?.mode ?? mode) & 0o7777); // whatever the umask
    await syncFile(temporary);
    await Deno.rename(temporary, target);
    syncDirectory(target.slice(0, slash) || ".");
  } catch (error) {
    await ifThere(() => Deno.remove(temporary));
    throw error;
  }
}

/**
 * The same before it returns, for a small file in a directory of our own (no link is followed): what
 * was written is on disk before anybody hears of it.
 */
export function replaceFileSync(
  path: string,
  content: string,
  { mode }: { readonly mode: number },
): void {
  const temporary = `${path}.new`;
  {
    using file = Deno.openSync(temporary, { write: true, create: true, truncate: true, mode });
    const bytes = new TextEncoder().encode(content);
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
    file.syncSync();
  }
  Deno.renameSync(temporary, path);
  syncDirectory(path.slice(0, path.lastIndexOf("/") + 1) || ".");
}

/** So that a crash cannot bring the old file back. Some file systems do not offer it (FUSE, CIFS: EINVAL). */
function syncDirectory(path: string): void {
  try {
    const directory = Deno.openSync(path);
    try {
      directory.syncSync();
    } finally {
      directory.close();
    }
  } catch {
    // The file is in its place all the same.
  }
}

/** Without `using`, which the minifier would lose here: see tools/using.ts. */
async function syncFile(path: string): Promise<void> {
  const file = await Deno.open(path);
  try {
    await file.sync();
  } finally {
    file.close();
  }
}

/** The outcome, or undefined where a file or directory does not exist. */
export async function ifThere<T>(action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
