/** The comment of a rule lies in its user data, which is type, length, value (libnftnl's udata.h). */

const NFTNL_UDATA_RULE_COMMENT = 0;
/** Bytes with the NUL at the end (nft's NFTNL_UDATA_COMMENT_MAXLEN). */
const LONGEST = 128;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A RangeError if it has more than 127 bytes. */
export function encodeComment(comment: string): Uint8Array {
  const text = encoder.encode(comment);
  if (text.length >= LONGEST) throw new RangeError(`a comment of ${text.length} bytes: ${comment}`);
  return Uint8Array.of(NFTNL_UDATA_RULE_COMMENT, text.length + 1, ...text, 0);
}

/** Undefined if there is none; user data is anybody's, so nonsense is none either. */
export function decodeComment(userdata: Uint8Array): string | undefined {
  for (let at = 0; at + 2 <= userdata.length;) {
    const start = at + 2;
    at = start + userdata[at + 1]!;
    if (userdata[start - 2] !== NFTNL_UDATA_RULE_COMMENT || at > userdata.length) continue;
    const text = userdata.subarray(start, at);
    return decoder.decode(text.at(-1) === 0 ? text.subarray(0, -1) : text);
  }
  return undefined;
}
