/** Writes tar archives (POSIX ustar, `tar(5)`): all root's, at time 0, so equal content gives equal bytes. */

export interface Entry {
  /** From the root, without a slash before it; at most 100 bytes. */
  readonly path: string;
  readonly content: Uint8Array | { readonly linkTo: string };
  /** Permissions of a file; default 0o755. */
  readonly mode?: number;
}

const BLOCK = 512;
const TYPE = { file: "0", link: "2", directory: "5" } as const;

/** The archive: entries by path, each after the directories it is in. */
export function tar(entries: readonly Entry[]): Uint8Array<ArrayBuffer> {
  const pieces: Uint8Array[] = [];
  const directories = new Set<string>();
  const sorted = entries.toSorted((a, b) => a.path < b.path ? -1 : a.path > b.path ? 1 : 0);
  for (const { path, content, mode = 0o755 } of sorted) {
    for (const directory of parents(path)) {
      if (directories.has(directory)) continue;
      directories.add(directory);
      pieces.push(header(`${directory}/`, { type: "directory", mode: 0o755, size: 0 }));
    }
    if (content instanceof Uint8Array) {
      pieces.push(header(path, { type: "file", mode, size: content.length }), content);
      pieces.push(new Uint8Array(-content.length & (BLOCK - 1)));
    } else {
      pieces.push(header(path, { type: "link", mode: 0o777, size: 0, linkTo: content.linkTo }));
    }
  }
  pieces.push(new Uint8Array(2 * BLOCK));
  return concat(pieces);
}

/** Of `a/b/c`: `a` and `a/b`. */
function* parents(path: string): Generator<string> {
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) yield path.slice(0, at);
}

/** A `struct posix_header`: text in fixed places, numbers in octal. */
function header(
  path: string,
  { type, mode, size, linkTo = "" }: {
    readonly type: keyof typeof TYPE;
    readonly mode: number;
    /** Bytes. */
    readonly size: number;
    readonly linkTo?: string;
  },
): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (at: number, text: string, length: number) => {
    const bytes = new TextEncoder().encode(text);
    if (bytes.length > length) throw new Error(`${path}: ${text} has more than ${length} bytes`);
    block.set(bytes, at);
  };
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
  put(0, path, 100);
  put(100, octal(mode, 7), 8);
  put(108, octal(0, 7), 8); // uid
  put(116, octal(0, 7), 8); // gid
  put(124, octal(size, 11), 12);
  put(136, octal(0, 11), 12); // mtime
  put(148, " ".repeat(8), 8); // the checksum counts as spaces in itself
  put(156, TYPE[type], 1);
  put(157, linkTo, 100);
  put(257, "ustar\0", 6);
  put(263, "00", 2);
  const sum = block.reduce((sum, byte) => sum + byte, 0);
  put(148, `${octal(sum, 6)}\0 `, 8);
  return block;
}

function concat(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
