/** Strings in the order of their bytes (UTF-8), as Go compares them; JavaScript's `<` differs past U+FFFF. */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const x = a.charCodeAt(at), y = b.charCodeAt(at);
    if (x !== y) return isSurrogate(x) === isSurrogate(y) ? x - y : isSurrogate(x) ? 1 : -1;
  }
  return a.length - b.length;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}

/** Text in quotes for a message; the end of a long one is left out. */
export function quote(text: string): string {
  return JSON.stringify(text.length <= 80 ? text : `${text.slice(0, 80)}…`);
}

/** What went wrong, in one line: an error's message and those of its causes. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const message = error.message || error.name;
  if (error.cause === undefined) return message;
  const cause = describeError(error.cause);
  return message.endsWith(cause) ? message : `${message}: ${cause}`;
}

/** 32 bytes in base64 or, as the userspace protocol has them, in hexadecimal. */
const KEY_TEXT =
  /[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=|(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])/g;

/** The last line of defence: whatever looks like a WireGuard key is not written. */
export function withoutKeys(line: string): string {
  return line.replace(KEY_TEXT, "(key)");
}
