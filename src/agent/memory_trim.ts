/** Memory trim: returns the memory to the kernel that a start or a change took and running does not need. */

import { readSystemFile, releaseMemory } from "../os/libc.ts";

/**
 * Collects the heap and forgets the program's own file. V8 by itself collects at the next
 * allocations, which in a quiet mesh never come. Call it seldom, and between passes: it takes some
 * 50 ms with 5,000 Peers.
 */
export function trimMemory(): void {
  const { gc } = globalThis as { gc?: (options: Readonly<Record<string, string>>) => void };
  gc?.({ type: "major", execution: "sync", flavor: "last-resort" }); // --expose-gc, see the build
  forgetOwnFile();
}

/**
 * Unmaps the pages that were read of the program's own file. They stay in the page cache; the few that
 * are needed again are mapped at their next use. Takes a millisecond or two.
 */
export function forgetOwnFile(): void {
  try {
    releaseMemory(ownPages(readSystemFile("/proc/self/maps")));
  } catch { /* the memory stays mapped, no harm done */ }
}

/** Addresses `[from, to)`, from proc_pid_maps(5), of what is mapped read-only from files and was never written. */
export function ownPages(maps: string): [bigint, bigint][] {
  const ranges: [bigint, bigint][] = [];
  for (const line of maps.split("\n")) {
    // Code, and the constants at the beginning of the file. Other read-only pages (RELRO) were
    // written before they became so.
    const match = /^([0-9a-f]+)-([0-9a-f]+) (?:r-xp [0-9a-f]+|r--p 0+) \S+ [1-9]\d*\s/.exec(line);
    if (match) ranges.push([BigInt(`0x${match[1]}`), BigInt(`0x${match[2]}`)]);
  }
  return ranges;
}
