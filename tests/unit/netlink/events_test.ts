import { deepEqual, equal, throws } from "node:assert/strict";
import { EACCES, EMSGSIZE, ENOBUFS } from "../../../src/os/errno.ts";
import { NetlinkError } from "../../../src/netlink/error.ts";
import { readEvents } from "../../../src/netlink/events.ts";
import { datagram, fakeTransport, message } from "./fake_kernel.ts";

const error = (errno: number) => new NetlinkError({ operation: "receive", errno });
const event = (portId: number) => message({ type: 24, sequence: 0, portId });

function read(datagrams: readonly (Uint8Array | Error)[]) {
  const transport = fakeTransport(() => datagrams);
  transport.send(message({ type: 1, sequence: 0 }));
  return readEvents(transport, { kind: "route", own: new Set([1, 2]) });
}

Deno.test("readEvents() leaves out our own doing", () => {
  const events = read([datagram(event(1), event(7)), event(2), event(0)]);
  deepEqual(events?.messages.map((it) => it.portId), [7, 0]);
  deepEqual([events?.kind, events?.overflow], ["route", false]);
  equal(read([event(1), event(2)]), undefined);
  equal(read([]), undefined);
});

Deno.test("readEvents() calls loss an overflow, which tells nothing else", () => {
  for (const loss of [error(ENOBUFS), error(EMSGSIZE), Uint8Array.of(1, 2, 3)]) {
    deepEqual(read([event(7), loss, event(8)]), {
      kind: "route",
      messages: [],
      overflow: true,
    });
  }
});

Deno.test("readEvents() reads everything after a loss, for until then the kernel drops events", () => {
  const flood = [error(ENOBUFS), ...Array.from({ length: 5000 }, () => event(7))];
  const transport = fakeTransport(() => flood);
  transport.send(message({ type: 1, sequence: 0 }));
  equal(readEvents(transport, { kind: "route", own: new Set() })?.overflow, true);
  equal(transport.receive(), undefined);
});

Deno.test("readEvents() throws what is no loss", () => {
  throws(() => read([error(EACCES)]), { errno: EACCES });
});

Deno.test("readEvents() leaves a flood for the next time", () => {
  const flood = Array.from({ length: 5000 }, () => event(7));
  equal(read(flood)?.messages.length, 4096);
});
