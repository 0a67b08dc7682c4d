/**
 * Writes cpio archives of the kind a kernel unpacks into its first root file system: format `newc`,
 * Documentation/driver-api/early-userspace/buffer-format.rst in the kernel's sources.
 */

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;

export interface Entry {
  /** From the root, without a slash before it. */
  readonly path: string;
  readonly content: Uint8Array | string | { readonly linkTo: string };
}

/** The archive in pieces: executable files, links, and the directories they are in; all root's. */
export function* cpio(entries: Iterable<Entry>): Generator<Uint8Array> {
  const directories = new Set<string>();
  let ino = 0;
  for (const { path, content } of entries) {
    for (const directory of parents(path)) {
      if (directories.has(directory)) continue;
      directories.add(directory);
      yield header(directory, { ino: ++ino, mode: S_IFDIR | 0o755, size: 0 });
    }
    const isLink = typeof content === "object" && "linkTo" in content;
    const data = bytesOf(isLink ? content.linkTo : content);
    const mode = isLink ? S_IFLNK | 0o777 : S_IFREG | 0o755;
    yield header(path, { ino: ++ino, mode, size: data.length });
    yield data;
    yield new Uint8Array(toWord(data.length));
  }
  yield header("TRAILER!!!", { ino: 0, mode: 0, size: 0 });
}

/** Of `a/b/c`: `a` and `a/b`. */
function* parents(path: string): Generator<string> {
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) yield path.slice(0, at);
}

function bytesOf(content: Uint8Array | string): Uint8Array {
  return typeof content === "string" ? new TextEncoder().encode(content) : content;
}

/** struct cpio_newc_header, then the name with a zero after it, filled up to a word. */
function header(
  path: string,
  { ino, mode, size }: { readonly ino: number; readonly mode: number; readonly size: number },
): Uint8Array {
  const name = new TextEncoder().encode(`${path}\0`);
  const [uid, gid, nlink, mtime, device] = [0, 0, 1, 0, [0, 0, 0, 0]];
  const fields = [ino, mode, uid, gid, nlink, mtime, size, ...device, name.length, 0];
  const numbers = fields.map((field) => field.toString(16).padStart(8, "0")).join("");
  const head = new TextEncoder().encode(`070701${numbers}`);
  const result = new Uint8Array(head.length + name.length + toWord(head.length + name.length));
  result.set(head);
  result.set(name, head.length);
  return result;
}

/** Bytes missing to a multiple of four. */
function toWord(length: number): number {
  return -length & 3;
}
