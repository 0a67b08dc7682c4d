/** Netlink messages and the kernel's answers: include/uapi/linux/netlink.h. */

import {
  type Attributes,
  readAttributes,
  type Table,
  table,
  writeAttributes,
} from "./attribute.ts";
import { type Fixed, LITTLE_ENDIAN, string, struct, u16, u32 } from "./codec.ts";
import { MalformedError, NetlinkError } from "./error.ts";
import { align, type Writer } from "./writer.ts";

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

export const NLM_F_REQUEST = 0x1;
/** One of several messages that answer a dump. */
export const NLM_F_MULTI = 0x2;
export const NLM_F_ACK = 0x4;
/** The kernel changed what it was dumping; the dump may miss or repeat things. */
export const NLM_F_DUMP_INTR = 0x10;
/** NLM_F_ROOT | NLM_F_MATCH */
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
/** In an answer: the request is not repeated after its header. */
export const NLM_F_CAPPED = 0x100;
/** In an answer: attributes follow ({@link NLMSGERR_ATTR}). */
export const NLM_F_ACK_TLVS = 0x200;

/** struct nlmsghdr: u32 length with this header, u16 type, u16 flags, u32 sequence, u32 port id. */
const HEADER = 16;

/** What the kernel shall do; built by pure functions, sent by a connection. */
export interface Request {
  /** What sort of thing it writes (`route`), for counting. */
  readonly kind: string;
  /** What is tried on what (`add route 10.4.0.0/24`), for errors; called when there is one. */
  describe(): string;
  /** `nlmsg_type`. */
  readonly type: number;
  /** `NLM_F_CREATE` and the like; `NLM_F_REQUEST`, `NLM_F_ACK` and `NLM_F_DUMP` are set by the sender. */
  readonly flags: number;
  /** Appends what follows the header: mostly {@link writeBody}. */
  write(out: Writer): void;
}

/** A message from the kernel. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Who caused it; 0: the kernel itself. */
  readonly portId: number;
  /** What follows the header. */
  readonly payload: DataView<ArrayBuffer>;
}

/** Appends a whole message. */
export function writeMessage(
  out: Writer,
  request: Request,
  options: { readonly sequence: number; readonly flags: number },
): void {
  const start = out.reserve(HEADER);
  request.write(out);
  const { view } = out;
  view.setUint32(start, out.length - start, LITTLE_ENDIAN);
  view.setUint16(start + 4, request.type, LITTLE_ENDIAN);
  view.setUint16(start + 6, request.flags | options.flags | NLM_F_REQUEST, LITTLE_ENDIAN);
  view.setUint32(start + 8, options.sequence, LITTLE_ENDIAN);
  out.align();
}

/** Makes the message that was written at `start` ask for an acknowledgement. */
export function requestAck(out: Writer, start: number): void {
  const flags = out.view.getUint16(start + 6, LITTLE_ENDIAN);
  out.view.setUint16(start + 6, flags | NLM_F_ACK, LITTLE_ENDIAN);
}

/** The messages of a datagram; a MalformedError if they do not fill it. */
export function readMessages(bytes: Uint8Array<ArrayBuffer>): Message[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: Message[] = [];
  for (let at = 0; at < bytes.length;) {
    const left = bytes.length - at;
    const length = left < HEADER ? left : view.getUint32(at, LITTLE_ENDIAN);
    if (length < HEADER || length > left) {
      throw new MalformedError(`a message of ${length} bytes where ${left} are left`);
    }
    messages.push({
      type: view.getUint16(at + 4, LITTLE_ENDIAN),
      flags: view.getUint16(at + 6, LITTLE_ENDIAN),
      sequence: view.getUint32(at + 8, LITTLE_ENDIAN),
      portId: view.getUint32(at + 12, LITTLE_ENDIAN),
      payload: new DataView(bytes.buffer, bytes.byteOffset + at + HEADER, length - HEADER),
    });
    at += align(length);
  }
  return messages;
}

/** Appends a fixed header struct and the attributes after it. */
export function writeBody<H, T extends Table>(
  out: Writer,
  header: readonly [codec: Fixed<H>, values: Partial<H>],
  attributes: readonly [table: T, values: Attributes<T>],
): void {
  header[0].write(out, header[1] as H);
  out.align();
  writeAttributes(out, attributes[0], attributes[1]);
}

/** Reads what {@link writeBody} writes. */
export function readBody<H, T extends Table>(
  message: Message,
  layout: { readonly header: Fixed<H>; readonly attributes: T },
): { readonly header: H; readonly attributes: Attributes<T> } {
  const { payload } = message;
  const end = payload.byteLength;
  const header = layout.header.read(payload, 0, end);
  const start = align(layout.header.size);
  return { header, attributes: readAttributes(layout.attributes, payload, { start, end }) };
}

/** Attributes of answers: "extended acknowledgement". */
export const NLMSGERR_ATTR = table({
  NLMSGERR_ATTR_MSG: [1, string],
  NLMSGERR_ATTR_OFFS: [2, u32],
});

/** The header of the request that an answer repeats. */
const NLMSGHDR = struct({
  nlmsg_len: u32,
  nlmsg_type: u16,
  nlmsg_flags: u16,
  nlmsg_seq: u32,
  nlmsg_pid: u32,
});

/**
 * What an `NLMSG_ERROR` or `NLMSG_DONE` says: undefined is success (an acknowledgement is an error
 * of number 0). `operation` is called for the text of an error.
 */
export function readAnswer(message: Message, operation: () => string): NetlinkError | undefined {
  const { payload, flags, sequence } = message;
  // The end of a dump need not have a number.
  if (message.type === NLMSG_DONE && payload.byteLength === 0) return undefined;
  if (payload.byteLength < 4) {
    throw new MalformedError(`an answer of ${payload.byteLength} bytes`);
  }
  const errno = -payload.getInt32(0, LITTLE_ENDIAN);
  if (errno <= 0) return undefined;
  const extended = flags & NLM_F_ACK_TLVS ? readExtended(message) : {};
  return new NetlinkError({
    operation: operation(),
    errno,
    sequence,
    kernelMessage: extended.NLMSGERR_ATTR_MSG,
    attributeOffset: extended.NLMSGERR_ATTR_OFFS,
  });
}

/** In an error they come after the request, or its header alone if it is capped; in a DONE at once. */
function readExtended(message: Message): Attributes<typeof NLMSGERR_ATTR> {
  const end = message.payload.byteLength;
  let start = 4;
  if (message.type === NLMSG_ERROR) {
    const { nlmsg_len } = NLMSGHDR.read(message.payload, start, end);
    start += message.flags & NLM_F_CAPPED ? HEADER : align(nlmsg_len);
  }
  return readAttributes(NLMSGERR_ATTR, message.payload, { start, end });
}
