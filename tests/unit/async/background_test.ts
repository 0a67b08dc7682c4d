import assert from "node:assert/strict";
import {
  type BackgroundFailure,
  catchStrays,
  inBackground,
  onAbort,
  reportFailuresTo,
  startTimer,
} from "../../../src/async/background.ts";
import { sleep } from "../../../src/async/sleep.ts";

/** Failures as they come; `next` waits for one. */
function listen() {
  const waiting: ((failure: BackgroundFailure) => void)[] = [];
  const reporting = reportFailuresTo((failure) => waiting.shift()?.(failure));
  return {
    next: () => new Promise<BackgroundFailure>((resolve) => waiting.push(resolve)),
    [Symbol.dispose]: () => reporting[Symbol.dispose](),
  };
}

const broken = new Error("broken");

Deno.test("inBackground() reports what work throws or rejects with", async () => {
  using failures = listen();
  const works = {
    "throw": () => {
      throw broken;
    },
    "reject": () => Promise.reject(broken),
    "reject later": async () => {
      await sleep(1);
      throw broken;
    },
  };
  for (const [what, work] of Object.entries(works)) {
    const failure = failures.next();
    inBackground(what, work);
    assert.deepEqual(await failure, { what, error: broken });
  }
});

Deno.test("startTimer() and onAbort() report what their work throws", async () => {
  using failures = listen();
  const fail = () => {
    throw broken;
  };
  const late = failures.next();
  startTimer(1, "be late", fail);
  assert.deepEqual(await late, { what: "be late", error: broken });

  const controller = new AbortController();
  const aborted = failures.next();
  using _listening = onAbort(controller.signal, "end", fail);
  controller.abort();
  assert.deepEqual(await aborted, { what: "end", error: broken });
});

Deno.test("onAbort() runs its work at once if it is too late, and not at all once disposed", () => {
  let count = 0;
  const controller = new AbortController();
  onAbort(controller.signal, "count", () => count++)[Symbol.dispose]();
  controller.abort();
  assert.equal(count, 0);
  using _late = onAbort(controller.signal, "count", () => count++);
  assert.equal(count, 1);
});

Deno.test("a reporter that fails ends nothing", async () => {
  using failures = listen();
  const failure = failures.next();
  using _broken = reportFailuresTo(() => {
    throw new Error("no log either");
  });
  inBackground("be heard", () => Promise.reject(broken));
  assert.deepEqual(await failure, { what: "be heard", error: broken });
});

Deno.test("catchStrays() reports what nobody owns, and the program goes on", async () => {
  const module = import.meta.resolve("../../../src/async/background.ts");
  const program = `
    import { catchStrays, reportFailuresTo } from ${JSON.stringify(module)};
    using _strays = catchStrays();
    using _failures = reportFailuresTo(({ error }) => console.log(error.message));
    setTimeout(() => { throw new Error("thrown in a timer"); }, 0);
    Promise.reject(new Error("rejected"));
    await new Promise((resolve) => setTimeout(resolve, 50));
    console.log("goes on");
  `;
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--ext=ts", program],
  }).output();
  assert.deepEqual(new TextDecoder().decode(stdout).trim().split("\n").sort(), [
    "goes on",
    "rejected",
    "thrown in a timer",
  ]);
  assert.equal(code, 0);
  catchStrays()[Symbol.dispose]();
});
