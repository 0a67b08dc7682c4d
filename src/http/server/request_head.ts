/**
 * The head of a request: request line and fields (RFC 9112). Strict: what two readers could
 * understand differently is refused, with the status and sentence to answer with.
 */

import { HttpError } from "./message.ts";

/** How the end of a body is known (RFC 9112, section 6). */
export type Framing = { readonly length: number } | "chunked";

export interface RequestHead {
  readonly method: string;
  /** Starts with a slash, dot segments resolved; or `*`. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** By name in lower case; a repeated field's values are joined with commas. */
  readonly fields: ReadonlyMap<string, string>;
  readonly body: Framing;
  /** Can there be another request on this connection? */
  readonly keepAlive: boolean;
  /** The client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
}

const TAB = 9, DEL = 127;

/** Fields of one request. */
const MAX_FIELDS = 100;

// RFC 9110, section 5.6.2; RFC 9112, sections 3 and 5
const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e\x80-\xff]+) HTTP\/(\d)\.(\d)$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Of these one value alone makes sense. */
const SINGLE_FIELDS = ["host", "content-length", "transfer-encoding"];

/** Reads a head without the empty line at its end; throws an {@link HttpError}. */
export function parseRequestHead(text: string): RequestHead {
  const [line, ...fieldLines] = text.split("\r\n");
  const match = REQUEST_LINE.exec(line!);
  if (!match) throw new HttpError(400, "the request line is malformed");
  const [, method, target, major, minor] = match;
  if (major !== "1") throw new HttpError(505, "only HTTP/1.1 is spoken here");
  const isOld = minor === "0";
  const fields = parseFields(fieldLines);
  if (!isOld && !fields.has("host")) throw new HttpError(400, "the field Host is missing");
  const connection = (fields.get("connection") ?? "").toLowerCase().split(",");
  return {
    method: method!,
    ...parseTarget(target!),
    fields,
    body: framing(fields, { isOld }),
    keepAlive: !isOld && !connection.some((option) => option.trim() === "close"),
    expectsContinue: !isOld && expectsContinue(fields),
  };
}

function parseFields(lines: readonly string[]): ReadonlyMap<string, string> {
  if (lines.length > MAX_FIELDS) throw new HttpError(431, `more than ${MAX_FIELDS} fields`);
  const fields = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(colon, 0)).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (!TOKEN.test(name) || hasControl(line)) throw new HttpError(400, "a field is malformed");
    const before = fields.get(name);
    if (before !== undefined && SINGLE_FIELDS.includes(name)) {
      throw new HttpError(400, `the field ${name} is repeated`);
    }
    fields.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return fields;
}

/** Is there a control character that is no tab? */
function hasControl(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 32 && code !== TAB || code === DEL) return true;
  }
  return false;
}

/** Of any form (RFC 9112, section 3.2) but that of `CONNECT`, for there is no way on from here. */
function parseTarget(target: string): Pick<RequestHead, "path" | "query"> {
  if (target === "*") return { path: target, query: new URLSearchParams() };
  const url = target.startsWith("/") ? URL.parse(`http://host${target}`) : URL.parse(target);
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new HttpError(400, "the request target is not a path");
  }
  return { path: url.pathname, query: url.searchParams };
}

function framing(
  fields: ReadonlyMap<string, string>,
  { isOld }: { readonly isOld: boolean },
): Framing {
  const length = fields.get("content-length");
  const coding = fields.get("transfer-encoding");
  if (coding === undefined) {
    if (!/^\d{1,15}$/.test(length ?? "0")) {
      throw new HttpError(400, "Content-Length is not a number of bytes");
    }
    return { length: Number(length ?? 0) };
  }
  if (length !== undefined || isOld) {
    throw new HttpError(400, "Transfer-Encoding must not be here");
  }
  if (coding.toLowerCase() !== "chunked") {
    throw new HttpError(501, "no Transfer-Encoding but chunked is known here");
  }
  return "chunked";
}

function expectsContinue(fields: ReadonlyMap<string, string>): boolean {
  const expectation = fields.get("expect");
  if (expectation === undefined) return false;
  if (expectation.toLowerCase() === "100-continue") return true;
  throw new HttpError(417, "no expectation but 100-continue can be met");
}
