/** Writing files so that nobody ever sees half of one. Knows nothing of what is in them. */

/**
 * Replaces a file's content, or makes it, atomically: a dot file beside it is written, brought to
 * disk and renamed. A symbolic link stays one. Errors are the system's, with the path.
 */
export async function replaceFile(
  path: string,
  content: string,
  options: {
    /** Permission bits of a file that is new. */
    readonly mode: number;
    /** Give an existing file these bits too; else it keeps its own. */
    readonly forceMode?: true;
  },
): Promise<void> {
  const existing = await ifThere(() => Deno.stat(path));
  const target = existing ? await Deno.realPath(path) : path;
  const slash = target.lastIndexOf("/") + 1;
  const temporary = `${target.slice(0, slash)}.${target.slice(slash)}.${crypto.randomUUID()}`;
  const mode = options.forceMode ? options.mode : (existing?.mode ?? options.mode) & 0o7777;
  try {
    using file = await Deno.open(temporary, { write: true, createNew: true, mode: 0o600 });
    await file.write(new TextEncoder().encode(content));
    await Deno.chmod(temporary, mode); // whatever the umask
    await file.sync();
    await Deno.rename(temporary, target);
  } catch (error) {
    await ifThere(() => Deno.remove(temporary));
    throw error;
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
