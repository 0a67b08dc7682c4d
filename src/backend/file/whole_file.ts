/** Reading a file when nobody is in the middle of writing it. */

import { ifThere } from "../../files/replace.ts";
import { hasWriter } from "../../os/file.ts";

/** Bytes: 5,000 Nodes are two million. */
const LARGEST_FILE = 16 * 2 ** 20;

/** Milliseconds after which a file that did not change counts as whole, where nothing else tells. */
export const STABLE_AFTER = 2000;

/** Milliseconds of the coarsest clock that file systems take times from, and some more. */
const CLOCK_TICK = 100;

/** What stat(2) tells of a file. */
export interface FileState {
  /** Changes when the file does. */
  readonly version: string;
  /** Which file the name stands for: another one after a rename. */
  readonly inode: string;
  /** Bytes. */
  readonly size: number;
  /** Unix milliseconds. */
  readonly modified: number;
}

export type Found =
  | { readonly kind: "file"; readonly state: FileState }
  | { readonly kind: "missing" }
  /** The name is there, but not for a file that could be read; `what` completes "NAME is …". */
  | { readonly kind: "unusable"; readonly what: string };

/**
 * What a name in a directory stands for; `followLinks`: of a link its target counts. Where nothing
 * can hang it is asked at once, which takes a tenth of the time.
 */
export async function findFile(
  path: string,
  { followLinks, isRemote }: { readonly followLinks: boolean; readonly isRemote: boolean },
): Promise<Found> {
  const own = await ifThere(async () => isRemote ? await Deno.lstat(path) : Deno.lstatSync(path));
  if (!own) return { kind: "missing" };
  if (own.isSymlink && !followLinks) return { kind: "unusable", what: "a link, and not followed" };
  const info = own.isSymlink ? await ifThere(() => Deno.stat(path)) : own;
  if (!info) return { kind: "unusable", what: "a link to nothing" };
  if (!info.isFile) return { kind: "unusable", what: "no file" };
  const megabytes = LARGEST_FILE / 2 ** 20;
  if (info.size > LARGEST_FILE) return { kind: "unusable", what: `larger than ${megabytes} MiB` };
  return { kind: "file", state: stateOf(info) };
}

function stateOf({ mtime, ctime, size, ino, dev }: Deno.FileInfo): FileState {
  const modified = mtime?.getTime() ?? 0;
  return {
    version: `${modified} ${ctime?.getTime()} ${size} ${ino}`,
    inode: `${dev} ${ino}`,
    size,
    modified,
  };
}

/**
 * Could the file change once more without looking different? Times of files are coarse: what is read
 * right after it was written is read again the next time.
 */
export function isRacy({ modified }: FileState): boolean {
  return Math.abs(Date.now() - modified) < CLOCK_TICK;
}

export interface ReadOptions {
  /** Others may change it whom this kernel knows nothing of. */
  readonly isRemote: boolean;
  /** Something else tells that it is whole: it has not changed for long, or was closed. */
  readonly isTrusted: boolean;
}

/** The file's text; undefined: somebody writes to it, or may do so. Throws what the system says. */
export async function readWhole(
  path: string,
  state: FileState,
  { isRemote, isTrusted }: ReadOptions,
): Promise<string | undefined> {
  const writer = isRemote ? undefined : hasWriter(path);
  if (writer === true || (writer === undefined && !isTrusted)) return undefined;
  const text = await Deno.readTextFile(path);
  // Did anybody begin to write meanwhile?
  const after = isRemote ? await Deno.stat(path) : Deno.statSync(path);
  if (stateOf(after).version !== state.version) return undefined;
  return isRacy(state) && writer === false && hasWriter(path) === true ? undefined : text;
}
