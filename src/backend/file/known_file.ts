/** What is known of one manifest file, and whether what it is now can be believed. */

import type { Problem } from "../backend.ts";
import type { FileContent } from "./objects.ts";

export interface KnownFile {
  /** Of the file as it was last read; undefined: not yet. */
  readonly version?: string;
  readonly valid?: Valid;
  readonly problem?: Problem;
  /** What was read, where it may have changed once more without looking different. */
  readonly racyText?: string;
  /** A later state of it that may not be whole. */
  readonly unsettled?: Unsettled;
}

/** What the file holds, or held when it could last be read. */
export interface Valid {
  readonly content: FileContent;
  readonly inode: string;
  readonly size: number;
  readonly endsInLine: boolean;
}

/** Times are monotonic, in milliseconds. */
export interface Unsettled {
  readonly version: string;
  /** Since when it looks like this. */
  readonly since: number;
  /** Since when it is not as it was when last read. */
  readonly begin: number;
}

/** What becomes of the objects of a file that cannot be read. */
export function outcomeFor(valid: Valid | undefined): string {
  return valid ? "its last valid objects stay in force" : "it is ignored";
}

/** Does this look like the first half of a file that is being written in place, bit by bit? */
export function isSuspicious(before: Valid, after: Valid): boolean {
  if (after.size < before.size && before.endsInLine && !after.endsInLine) return true;
  const left = new Set(usable(after));
  return usable(before).some((name) => !left.has(name));
}

/** What is of use in a file: of the last object in half a file the end is missing, too. */
function usable({ content }: Valid): string[] {
  return [
    ...content.nodes.flatMap(({ metadata: { name }, spec }) =>
      spec?.podCIDR ? [`Node ${name}`, `pod CIDR of ${name}`] : [`Node ${name}`]
    ),
    ...content.peers.flatMap(({ name, peer }) => peer ? [`Peer ${name}`] : []),
  ];
}
