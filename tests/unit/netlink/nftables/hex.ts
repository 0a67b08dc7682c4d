/** Bytes of messages as text, and the message that has them. */

import type { Message, Request } from "../../../../src/netlink/message.ts";
import { Writer } from "../../../../src/netlink/writer.ts";

/** What a request writes after its header. */
export function written(request: Request): string {
  const out = new Writer();
  request.write(out);
  out.align();
  return out.bytes().toHex();
}

/** A message of the kernel with this after its header. */
export function received(hex: string): Message {
  const payload = new DataView(Uint8Array.fromHex(hex).buffer);
  return { type: 0, flags: 0, sequence: 1, portId: 0, payload };
}
