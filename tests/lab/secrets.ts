/** Keys must not be in any log: a search for those that are known, and for whatever looks like one. */

import { type Key, keyToBytes, parseKey } from "../../src/net/key.ts";
import type { LabNode } from "./node.ts";

/** 32 bytes in base64, or in hexadecimal as the userspace protocol has them. */
const KEY_PATTERN = /[A-Za-z0-9+/]{43}=|(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/i;

/** So many characters of a key are too many; a piece begins at each half of that. */
const PIECE = 16;

/** Where a text holds keys, or pieces of these: the numbers of the lines, from 1. */
export function leaksIn(text: string, keys: Iterable<Key>): number[] {
  const pieces = [...keys].flatMap(piecesOf);
  return text.split("\n").flatMap((line, at) => {
    const lower = line.toLowerCase();
    const isLeak = KEY_PATTERN.test(line) || pieces.some((piece) => lower.includes(piece));
    return isLeak ? [at + 1] : [];
  });
}

function piecesOf(key: Key): string[] {
  return [key, keyToBytes(key).toHex()].flatMap((text) => {
    const pieces: string[] = [];
    for (let at = 0; at + PIECE <= text.length; at += PIECE / 2) {
      pieces.push(text.slice(at, at + PIECE).toLowerCase());
    }
    return pieces;
  });
}

/** The private key in the file of a node that lives. */
export function privateKeyOf(node: LabNode): Key | undefined {
  try {
    return parseKey(Deno.readTextFileSync(node.namespace.path("/var/lib/kilo/key")).trim());
  } catch {
    return undefined;
  }
}
