/** Where JSON goes wrong: `JSON.parse` names no line in most cases, and quotes the text in some. */

const SPACE = /[ \t\r\n]*/y;
const SCALAR =
  // deno-lint-ignore no-control-regex -- strings must not hold control characters (RFC 8259 §7)
  /"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

/** What may come next. */
type Expected = "value" | "value or end" | "key" | "key or end" | "colon" | "comma or end";

/** What is wrong first with text that `JSON.parse` refuses, and on which line (from 1). */
export function findJSONError(text: string): { readonly reason: string; readonly line: number } {
  const at = findErrorOffset(text);
  const line = text.slice(0, at).split("\n").length;
  if (at >= text.length) return { reason: "the JSON ends too early", line };
  return { reason: "this is not JSON", line };
}

/** The offset of the first token that cannot stand where it does. */
function findErrorOffset(text: string): number {
  const closers: ("}" | "]")[] = [];
  let expected: Expected = "value";
  for (let at = skip(SPACE, text, 0); at < text.length; at = skip(SPACE, text, at)) {
    const character = text[at]!;
    const scalar = skip(SCALAR, text, at);
    if (expected.endsWith("or end") && character === closers.at(-1)) {
      closers.pop();
      expected = "comma or end";
      at++;
    } else if (expected === "colon" && character === ":") {
      expected = "value";
      at++;
    } else if (expected === "comma or end" && character === "," && closers.length > 0) {
      expected = closers.at(-1) === "}" ? "key" : "value";
      at++;
    } else if (expected.startsWith("key") && character === '"' && scalar > at) {
      expected = "colon";
      at = scalar;
    } else if (expected.startsWith("value") && scalar > at) {
      expected = "comma or end";
      at = scalar;
    } else if (expected.startsWith("value") && (character === "{" || character === "[")) {
      closers.push(character === "{" ? "}" : "]");
      expected = character === "{" ? "key or end" : "value or end";
      at++;
    } else {
      return at;
    }
  }
  return text.length;
}

/** The offset after what the sticky pattern matches here; the same one if it does not. */
function skip(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}
