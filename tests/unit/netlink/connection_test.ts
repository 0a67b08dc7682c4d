import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { Connection } from "../../../src/netlink/connection.ts";
import { EBUSY, EEXIST, EINTR, EMSGSIZE, ENOBUFS, ENODEV, ENOENT } from "../../../src/os/errno.ts";
import { MalformedError, NetlinkError } from "../../../src/netlink/error.ts";
import {
  type Message,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  readMessages,
  type Request,
} from "../../../src/netlink/message.ts";
import { answer, datagram, done, fakeTransport, type Kernel, message } from "./fake_kernel.ts";

function request(name: string, size = 0): Request {
  return {
    kind: "thing",
    describe: () => `add ${name}`,
    type: 24,
    flags: 0,
    write: (out) => out.reserve(size),
  };
}

function connect(kernel: Kernel, onWrite?: (kind: string, count: number) => void) {
  const transport = fakeTransport(kernel);
  return { transport, connection: new Connection(transport, onWrite ? { onWrite } : {}) };
}

const wantsAck = ({ flags }: Message) => (flags & NLM_F_ACK) !== 0;

/** Acknowledges what asks for it; the rest is done silently. */
const obedient: Kernel = (requests) => requests.filter(wantsAck).map((it) => answer(it));

const noBuffers = new NetlinkError({ operation: "receive", errno: ENOBUFS });

/** The message numbered so, of any count, is refused. */
function refusing(position: number, errno: number): Kernel {
  return (requests) =>
    requests.flatMap((it, index) =>
      index === position ? [answer(it, errno)] : wantsAck(it) ? [answer(it)] : []
    );
}

Deno.test("execute() sends many requests at once and asks only the last for an acknowledgement", () => {
  const counted: [string, number][] = [];
  const { transport, connection } = connect(obedient, (...args) => counted.push(args));
  deepEqual(connection.execute(["a", "b", "c"].map((it) => request(it))), [
    undefined,
    undefined,
    undefined,
  ]);
  equal(transport.sent.length, 1);
  deepEqual(readMessages(transport.sent[0]!.slice()).map(wantsAck), [false, false, true]);
  deepEqual(counted, [["thing", 3]]);
});

Deno.test("execute() sends nothing when there is nothing to do", () => {
  const { transport, connection } = connect(obedient);
  deepEqual(connection.execute([]), []);
  equal(transport.sent.length, 0);
});

Deno.test("execute() tells which request failed and still does the others", () => {
  const { connection } = connect(refusing(1, EEXIST));
  const results = connection.execute(["a", "b", "c"].map((it) => request(it)));
  deepEqual(results.map(String), ["undefined", "NetlinkError: add b: EEXIST", "undefined"]);
  deepEqual(connection.execute(["d", "e"].map((it) => request(it))).map((it) => it?.sequence), [
    undefined,
    5,
  ]);
});

Deno.test("execute() reports a failure of the last, which is an answer too", () => {
  const { connection } = connect(refusing(1, EEXIST));
  const results = connection.execute(["a", "b"].map((it) => request(it)));
  deepEqual(results.map((it) => it?.code), [undefined, "EEXIST"]);
});

Deno.test("execute() splits sends at 128 KiB, between messages", () => {
  const { transport, connection } = connect(obedient);
  const requests = Array.from(
    { length: 5 },
    (_, at) => request(`${at}`, at === 3 ? 200_000 : 60_000),
  );
  ok(connection.execute(requests).every((it) => it === undefined));
  deepEqual(transport.sent.map((it) => it.length), [120_032, 60_016, 200_016, 60_016]);
  ok(transport.sent.every((it) => wantsAck(readMessages(it.slice()).at(-1)!)));
});

Deno.test("execute() calls the outcome unknown when answers were lost, and keeps those that came", () => {
  const { connection } = connect((requests) => [answer(requests[0]!, EEXIST), noBuffers]);
  const results = connection.execute(["a", "b"].map((it) => request(it)));
  deepEqual(results.map((it) => [it?.code, it?.outcome]), [["EEXIST", "refused"], [
    "ENOBUFS",
    "unknown",
  ]]);
  equal(results[1]?.isOutcomeUnknown(), true);
});

Deno.test("execute() calls the outcome unknown when the acknowledgement is missing", () => {
  const { connection } = connect(() => []);
  equal(connection.execute([request("a")])[0]?.isOutcomeUnknown(), true);
});

Deno.test("execute() goes on when one send fails", () => {
  let sends = 0;
  const { connection } = connect((requests) => {
    if (sends++ === 0) throw new NetlinkError({ operation: "send", errno: EMSGSIZE });
    return obedient(requests);
  });
  const results = connection.execute(["a", "b"].map((it) => request(it, 100_000)));
  deepEqual(results.map(String), ["NetlinkError: add a: EMSGSIZE", "undefined"]);
});

Deno.test("execute() ignores answers to something else", () => {
  const { connection } = connect((requests) => [
    answer({ ...requests[0]!, sequence: 0xffffff00 }, EBUSY),
    answer(requests[0]!),
  ]);
  deepEqual(connection.execute([request("a")]), [undefined]);
});

Deno.test("batch() is one send, acknowledged at its end", () => {
  const { transport, connection } = connect(obedient);
  const requests = ["begin", "a", "b", "end"].map((it) => request(it, 50_000));
  deepEqual(connection.batch(requests), []);
  equal(transport.sent.length, 1);
  deepEqual(readMessages(transport.sent[0]!.slice()).map(wantsAck), [false, false, true, true]);
});

Deno.test("batch() is done when a kernel acknowledges the last but one only", () => {
  const { connection } = connect((requests) => [answer(requests[1]!)]);
  deepEqual(connection.batch(["begin", "a", "end"].map((it) => request(it))), []);
});

Deno.test("batch() returns everything that the kernel has against it", () => {
  const { connection } = connect((requests) => [
    answer(requests[1]!, ENOENT),
    answer(requests[2]!, EEXIST),
    answer(requests[3]!),
  ]);
  const errors = connection.batch(["begin", "a", "b", "end"].map((it) => request(it)));
  deepEqual(errors.map(String), ["NetlinkError: add a: ENOENT", "NetlinkError: add b: EEXIST"]);
});

Deno.test("batch() returns a failed send, and an unknown outcome", () => {
  const failing = connect(() => {
    throw new NetlinkError({ operation: "send", errno: EMSGSIZE });
  });
  deepEqual(failing.connection.batch([request("a")]).map((it) => it.code), ["EMSGSIZE"]);
  const losing = connect((requests) => [noBuffers, answer(requests[0]!)]);
  deepEqual(losing.connection.batch([request("a")]).map((it) => it.outcome), ["unknown"]);
});

const item = (request: Message, more: { flags?: number } = {}) =>
  message({ type: 24, sequence: request.sequence, payload: Uint8Array.of(1, 2, 3, 4), ...more });

Deno.test("dump() collects all parts", () => {
  const { connection } = connect(([it]) => [
    datagram(item(it!), item(it!)),
    datagram(item(it!), done(it!)),
  ]);
  equal(connection.dump(request("list")).length, 3);
});

Deno.test("dump() asks for a dump", () => {
  const { connection } = connect(([it]) => {
    equal(it!.flags & (NLM_F_DUMP | NLM_F_ACK), NLM_F_DUMP);
    return [done(it!)];
  });
  deepEqual(connection.dump(request("list")), []);
});

Deno.test("dump() begins again when it was interrupted, but not for ever", () => {
  let attempts = 0;
  const { connection } = connect(([it]) => {
    const flags = attempts++ < 2 ? NLM_F_DUMP_INTR : 0;
    return [item(it!, { flags }), done(it!)];
  });
  equal(connection.dump(request("list")).length, 1);
  equal(attempts, 3);
  const restless = connect(([it]) => [item(it!, { flags: NLM_F_DUMP_INTR }), done(it!)]);
  throws(() => restless.connection.dump(request("list")), { errno: EINTR });
  equal(restless.transport.sent.length, 10);
});

Deno.test("dump() takes a table that does not exist for an empty one", () => {
  const { connection } = connect(([it]) => [done(it!, ENOENT)]);
  deepEqual(connection.dump(request("list")), []);
});

Deno.test("dump() throws what the kernel refuses", () => {
  throws(() => connect(([it]) => [answer(it!, ENOENT)]).connection.dump(request("list")), {
    errno: ENOENT,
  });
  throws(() => connect(([it]) => [done(it!, ENODEV)]).connection.dump(request("list")), {
    errno: ENODEV,
    message: "add list: ENODEV",
  });
});

Deno.test("dump() throws when its end does not come or parts were lost", () => {
  throws(() => connect(([it]) => [item(it!)]).connection.dump(request("list")), {
    outcome: "unknown",
  });
  throws(() => connect(([it]) => [item(it!), noBuffers, done(it!)]).connection.dump(request("x")), {
    outcome: "unknown",
  });
});

Deno.test("dump() reads on after a malformed answer, so that the next begins clean", () => {
  let exchange = 0;
  const { connection } = connect(([it]) =>
    exchange++ === 0
      ? [Uint8Array.of(1, 2, 3), item(it!), noBuffers, done(it!)]
      : [item(it!), done(it!)]
  );
  throws(() => connection.dump(request("list")), MalformedError);
  equal(connection.dump(request("list")).length, 1);
});

Deno.test("get() returns the one answer, or throws what was refused", () => {
  const { connection } = connect(([it]) => [item(it!), answer(it!)]);
  equal(connection.get(request("one")).type, 24);
  throws(() => connect(([it]) => [answer(it!, ENODEV)]).connection.get(request("one")), {
    errno: ENODEV,
  });
  throws(() => connect(([it]) => [answer(it!)]).connection.get(request("one")), MalformedError);
  throws(() => connect(() => []).connection.get(request("one")), { outcome: "unknown" });
});

Deno.test("a connection closes its transport", () => {
  const { transport, connection } = connect(obedient);
  equal(connection.portId, transport.portId);
  connection[Symbol.dispose]();
  equal(transport.closed, true);
});

Deno.test("batch() of nothing sends nothing", () => {
  const { transport, connection } = connect(obedient);
  deepEqual(connection.batch([]), []);
  equal(transport.sent.length, 0);
});

Deno.test("dump() throws its first error, and ends, when a socket is broken for good", () => {
  const broken = Array.from(
    { length: 20_000 },
    (_, at) => new NetlinkError({ operation: `receive ${at}`, errno: EMSGSIZE }),
  );
  const { connection } = connect(() => broken);
  throws(() => connection.dump(request("list")), { operation: "receive 0" });
});

/** What dumpInPieces() makes of the types of messages. */
const typesOf = async (connection: Connection) =>
  (await Array.fromAsync(connection.dumpInPieces(request("a"), ({ type }) => type))).flat();

Deno.test("dumpInPieces() tells what is made of each message, and begins again when interrupted", async () => {
  let dumps = 0;
  const { connection } = connect(([request]) => [
    datagram(item(request!), item(request!)),
    item(request!, dumps++ === 0 ? { flags: NLM_F_DUMP_INTR } : {}),
    done(request!),
  ]);
  equal((await typesOf(connection)).length, 6);
  equal(dumps, 2);
  const none = connection.dumpInPieces(request("a"), () => undefined);
  deepEqual(await Array.fromAsync(none), []);
});

Deno.test("dumpInPieces() gives others their turn", async () => {
  const { connection } = connect(([request]) => [
    ...Array.from({ length: 100 }, () => item(request!)),
    done(request!),
  ]);
  let calls = 0;
  const timer = setInterval(() => calls++);
  const slow = () => {
    const end = performance.now() + 1;
    while (performance.now() < end);
    return 1;
  };
  const pieces = await Array.fromAsync(connection.dumpInPieces(request("a"), slow));
  clearInterval(timer);
  equal(pieces.flat().length, 100);
  ok(pieces.length > 1 && calls >= pieces.length - 1, `${pieces.length} pieces, ${calls} turns`);
});

Deno.test("dumpInPieces() throws what goes wrong, and leaves nothing behind", async () => {
  const cases: readonly (readonly [Kernel, RegExp])[] = [
    [([request]) => [answer(request!, EBUSY)], /EBUSY/],
    [([request]) => [item(request!), noBuffers, done(request!)], /ENOBUFS/],
    [([request]) => [item(request!)], /ENOBUFS/],
    [([request]) => [Uint8Array.of(1), item(request!), done(request!)], /1 bytes/],
    [([request]) => [item(request!, { flags: NLM_F_DUMP_INTR }), done(request!)], /EINTR/],
  ];
  for (const [kernel, what] of cases) {
    const { connection, transport } = connect(kernel);
    await rejects(typesOf(connection), what);
    equal(transport.receive(), undefined);
  }
  const { connection, transport } = connect(([request]) => [item(request!), done(request!)]);
  await rejects(async () => {
    for await (const _ of connection.dumpInPieces(request("a"), () => 1)) throw new Error("enough");
  }, /enough/);
  equal(transport.receive(), undefined);
});
