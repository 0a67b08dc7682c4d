/** The node's private key, which lives in a file as long as the node does. */

import { ifThere, replaceFile } from "../files/replace.ts";
import { type Key, parseKey, ZERO_KEY } from "../net/key.ts";
import { generatePrivateKey } from "../wireguard/key.ts";

export interface LoadedKey {
  readonly key: Key;
  /** What a person should know of it. */
  readonly warning?: string;
}

/**
 * Reads the key, or makes one (0600, base64 without newline). An unusable file is kept aside, never
 * overwritten. Throws what the system says if the file cannot be read or written.
 */
export async function loadKey(path: string): Promise<LoadedKey> {
  const text = await ifThere(() => Deno.readTextFile(path));
  const known = text === undefined ? undefined : parseKey(text.replace(/^[\r\n]+|[\r\n]+$/g, ""));
  if (known !== undefined && known !== ZERO_KEY) return { key: known };
  const aside = text === undefined ? undefined : await keepAside(path);
  const key = generatePrivateKey();
  await replaceFile(path, key, { mode: 0o600 });
  if (aside === undefined) return { key };
  return { key, warning: `${path} held no usable key: it is now ${aside}, and a new key is made` };
}

/** Renames the file to the first name of its kind that is free, and returns that. */
async function keepAside(path: string): Promise<string> {
  for (let n = 1;; n++) {
    const aside = `${path}.unusable-${n}`;
    if (await ifThere(() => Deno.lstat(aside))) continue;
    await Deno.rename(path, aside);
    return aside;
  }
}
