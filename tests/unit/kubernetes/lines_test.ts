import assert from "node:assert/strict";
import fc from "fast-check";
import { LineSplitter, readLines } from "../../../src/kubernetes/lines.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("LineSplitter finds the same lines however the stream is cut", () => {
  const line = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => !text.includes("\n"));
  fc.assert(fc.property(fc.array(line), fc.array(fc.nat(50)), (lines, cuts) => {
    const whole = bytes(lines.map((line) => `${line}\n`).join(""));
    const splitter = new LineSplitter();
    const found: string[] = [];
    let at = 0;
    for (const cut of cuts) {
      found.push(...splitter.push(whole.subarray(at, at + cut)));
      at = Math.min(whole.length, at + cut);
    }
    found.push(...splitter.push(whole.subarray(at)), ...splitter.end());
    // A decoder takes a byte order mark for none of the text.
    assert.deepEqual(found, lines.map((line) => line.replace(/^\uFEFF/, "")).filter(Boolean));
  }));
});

Deno.test("LineSplitter keeps what is unfinished until it is ended", () => {
  const splitter = new LineSplitter();
  assert.deepEqual(splitter.push(bytes("a\nb")), ["a"]);
  assert.deepEqual(splitter.push(bytes("c\n\nd")), ["bc"]);
  assert.deepEqual(splitter.end(), ["d"]);
  assert.deepEqual(splitter.end(), []);
});

/** A stream that is written by hand, and what is read from it with the time since the start. */
function paced(batchInterval: number) {
  let stream: ReadableByteStreamController;
  const readable = new ReadableStream({ type: "bytes", start: (given) => void (stream = given) });
  const start = performance.now();
  const batches: { lines: readonly string[]; at: number }[] = [];
  const done = (async () => {
    for await (const lines of readLines(readable, { batchInterval })) {
      batches.push({ lines, at: performance.now() - start });
    }
  })();
  return {
    write: (text: string) => stream.enqueue(bytes(text)),
    end: () => {
      stream.close();
      stream.byobRequest?.respond(0); // a read that waits ends only so
    },
    batches,
    done,
  };
}

const later = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

Deno.test("readLines() with a batchInterval tells a few lines at once, then waits", async () => {
  const { write, end, batches, done } = paced(1000);
  const few = Array.from({ length: 20 }, (_, at) => `${at}`);
  for (const line of few) {
    await later(10);
    write(`${line}\n`);
  }
  await later(10);
  assert.deepEqual(batches.map(({ lines }) => lines), few.map((line) => [line]), "at once");
  for (const line of ["b\n", "c\n", "d\n"]) {
    write(line);
    await later(10);
  }
  assert.equal(batches.length, few.length, "the batchInterval is kept");
  end();
  await done;
  assert.deepEqual(batches.flatMap(({ lines }) => lines), [...few, "b", "c", "d"]);
  assert.ok(batches.at(-1)!.at - batches[few.length]!.at < 200, "and then all together");
});

Deno.test("readLines() with a batchInterval looks half as often while each look brings many lines", async () => {
  const { write, end, batches, done } = paced(50);
  for (let at = 0; at < 80; at++) {
    await later(10);
    write("line\n".repeat(6));
  }
  end();
  await done;
  const gaps = batches.map(({ at }, n) => at - (batches[n - 1]?.at ?? at));
  const pauses = gaps.filter((gap) => gap > 40).sort((a, b) => a - b);
  assert.ok(pauses[Math.floor(pauses.length / 2)]! > 80, `pauses of ${pauses} ms`);
});

Deno.test("readLines() lets go of the stream when nobody reads on", async () => {
  let cancelled = false;
  const stream = new ReadableStream({
    type: "bytes",
    pull: (controller) => controller.enqueue(bytes("x\n")),
    cancel: () => void (cancelled = true),
  });
  for await (const lines of readLines(stream, { batchInterval: 0 })) {
    assert.deepEqual(lines, ["x"]);
    break;
  }
  assert.ok(cancelled);
});
