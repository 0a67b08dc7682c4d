/** Does the kernel forward packets between pods and the mesh? */

import type { Family } from "../net/ip.ts";
import { describeError } from "../net/text.ts";
import { readSystemFile, writeSystemFile } from "../os/libc.ts";
import { type Warning, warning } from "../net/warning.ts";

const SWITCHES: Readonly<Record<Family, string>> = {
  4: "net/ipv4/ip_forward",
  6: "net/ipv6/conf/all/forwarding",
};

/**
 * Looks at the switches of these families and turns them on where that is allowed. Returns a warning
 * for each that stays off; throws nothing.
 */
export function ensureForwarding(
  families: Iterable<Family>,
  { root = "/proc/sys" }: { readonly root?: string } = {},
): readonly Warning[] {
  const warnings: Warning[] = [];
  for (const family of families) {
    const path = `${root}/${SWITCHES[family]}`;
    try {
      if (readSystemFile(path).trim() === "0") writeSystemFile(path, "1");
    } catch (error) {
      const sysctl = SWITCHES[family].replaceAll("/", ".");
      warnings.push(warning(
        "forwarding",
        sysctl,
        `pods cannot be reached over IPv${family}: ${sysctl} must be 1 (${describeError(error)})`,
      ));
    }
  }
  return warnings;
}
