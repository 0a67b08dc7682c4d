/** An answer of the kernel, kept to tell whether a later one says anything else. */

import type { Message } from "./message.ts";

/** The payloads of some messages: what is in no header, where sequence numbers always differ. */
export class Snapshot {
  readonly #lengths: readonly number[];
  /** One after the other. */
  readonly #all: DataView;

  constructor(messages: readonly Message[]) {
    this.#lengths = messages.map(({ payload }) => payload.byteLength);
    const all = new Uint8Array(this.#lengths.reduce((sum, length) => sum + length, 0));
    let at = 0;
    for (const { payload: { buffer, byteOffset, byteLength } } of messages) {
      all.set(new Uint8Array(buffer, byteOffset, byteLength), at);
      at += byteLength;
    }
    this.#all = new DataView(all.buffer);
  }

  /** Do these say the same in the same order? */
  equals(messages: readonly Message[]): boolean {
    if (messages.length !== this.#lengths.length) return false;
    let at = 0;
    return messages.every(({ payload }, index) => {
      const start = at;
      at += payload.byteLength;
      return payload.byteLength === this.#lengths[index] && standsAt(this.#all, start, payload);
    });
  }
}

/** Does the payload stand there among all? Nearly all are made of words of four bytes. */
function standsAt(all: DataView, start: number, payload: DataView): boolean {
  let at = 0;
  for (; at + 4 <= payload.byteLength; at += 4) {
    if (payload.getInt32(at) !== all.getInt32(start + at)) return false;
  }
  for (; at < payload.byteLength; at++) {
    if (payload.getUint8(at) !== all.getUint8(start + at)) return false;
  }
  return true;
}
