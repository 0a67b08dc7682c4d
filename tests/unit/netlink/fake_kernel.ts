/** A kernel played by a function, for connections without a socket. */

import { LITTLE_ENDIAN } from "../../../src/netlink/codec.ts";
import {
  type Message,
  NLMSG_DONE,
  NLMSG_ERROR,
  readMessages,
} from "../../../src/netlink/message.ts";
import type { Transport } from "../../../src/netlink/transport.ts";
import { align, Writer } from "../../../src/netlink/writer.ts";

/** What the kernel does with the messages of one send: datagrams, or errors to throw when received. */
export type Kernel = (requests: readonly Message[]) => readonly (Uint8Array | Error)[];

export interface FakeTransport extends Transport {
  /** Every send, as bytes. */
  readonly sent: Uint8Array[];
  readonly closed: boolean;
}

export function fakeTransport(kernel: Kernel): FakeTransport {
  const sent: Uint8Array[] = [];
  const queue: (Uint8Array | Error)[] = [];
  let closed = false;
  return {
    portId: 4711,
    sent,
    get closed() {
      return closed;
    },
    send(bytes) {
      const copy = bytes.slice();
      sent.push(copy);
      queue.push(...kernel(readMessages(copy)));
    },
    receive() {
      const next = queue.shift();
      if (next instanceof Error) throw next;
      return next?.slice();
    },
    [Symbol.dispose]() {
      closed = true;
    },
  };
}

export interface MessageFields {
  readonly type: number;
  readonly sequence: number;
  readonly flags?: number;
  readonly portId?: number;
  readonly payload?: Uint8Array;
}

/** One message from the kernel. */
export function message(fields: MessageFields): Uint8Array<ArrayBuffer> {
  const { type, sequence, flags = 0, portId = 4711, payload = new Uint8Array() } = fields;
  const bytes = new Uint8Array(align(16 + payload.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 16 + payload.length, LITTLE_ENDIAN);
  view.setUint16(4, type, LITTLE_ENDIAN);
  view.setUint16(6, flags, LITTLE_ENDIAN);
  view.setUint32(8, sequence, LITTLE_ENDIAN);
  view.setUint32(12, portId, LITTLE_ENDIAN);
  bytes.set(payload, 16);
  return bytes;
}

/** What the kernel says of a request: 0 is an acknowledgement. */
export function answer(request: Message, errno = 0): Uint8Array {
  const payload = new Uint8Array(20);
  const view = new DataView(payload.buffer);
  view.setInt32(0, -errno, LITTLE_ENDIAN);
  view.setUint32(4, 16, LITTLE_ENDIAN);
  return message({ type: NLMSG_ERROR, sequence: request.sequence, payload });
}

/** The end of a dump. */
export function done(request: Message, errno = 0): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setInt32(0, -errno, LITTLE_ENDIAN);
  return message({ type: NLMSG_DONE, sequence: request.sequence, payload });
}

/** Several messages in one datagram. */
export function datagram(...messages: readonly Uint8Array[]): Uint8Array {
  const out = new Writer();
  for (const message of messages) out.append(message);
  return out.bytes();
}

/** The one message that is in some bytes. */
export function only(bytes: Uint8Array): Message {
  const messages = readMessages(bytes.slice());
  if (messages.length !== 1) throw new Error(`${messages.length} messages`);
  return messages[0]!;
}
