/** Locks against others in a network namespace. Needs root. */

import assert from "node:assert/strict";
import { LockedError, lockInterface, lockNamespace } from "../../src/agent/lock.ts";
import { readSystemFile } from "../../src/os/libc.ts";
import { NetworkNamespace } from "./namespace.ts";

readSystemFile("/proc/version"); // libc stays open: not a leak of any test

const directory = Deno.makeTempDirSync();
globalThis.addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));

/** A process of this uid that has bound an abstract socket, and listens or does not. */
async function bind(
  namespace: NetworkNamespace,
  { name, uid, listens }: { name: string; uid: number; listens: boolean },
): Promise<AsyncDisposable> {
  const perl = `use Socket; $< = $> = ${uid}; socket(S, PF_UNIX, SOCK_STREAM, 0) or die;
    bind(S, pack_sockaddr_un("\\0${name}")) or die; ${listens ? "listen(S, 1) or die;" : ""}
    $| = 1; print "bound"; sleep 1000`;
  const child = new Deno.Command("ip", {
    args: ["netns", "exec", namespace.name, "perl", "-e", perl],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), "bound");
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await reader.cancel();
      await child.status;
    },
  };
}

function message(error: unknown): string {
  assert.ok(error instanceof LockedError, Deno.inspect(error));
  return error.message;
}

Deno.test("lockNamespace() refuses an agent on another interface, and names the first one's", () => {
  using _namespace = NetworkNamespace.enter("lock");
  {
    using _first = lockNamespace("kilo7", { directory });
    assert.throws(
      () => lockNamespace("kilo8", { directory }),
      (error) => /^another agent .* on interface kilo7: .* routes$/.test(message(error)),
    );
    using _elsewhere = NetworkNamespace.enter("lock");
    lockNamespace("kilo8", { directory })[Symbol.dispose]();
  }
  lockNamespace("kilo8", { directory })[Symbol.dispose]();
});

for (const listens of [true, false]) {
  const what = listens ? "listens" : "does not listen";
  Deno.test(`a holder that is not root and ${what} is ignored, and the file decides`, async () => {
    using namespace = NetworkNamespace.enter("lock");
    await using _stranger = await bind(namespace, { name: "kilo/kilo0", uid: 65534, listens });
    using lock = lockInterface("kilo0", { directory });
    assert.deepEqual(lock.warnings.map(({ code }) => code), ["lock"]);
    assert.match(lock.warnings[0]!.text, /@kilo\/kilo0 is bound by uid 65534/);
    assert.throws(() => lockInterface("kilo0", { directory }), LockedError);
  });

  Deno.test(`a holder that is root and ${what} is another agent`, async () => {
    using namespace = NetworkNamespace.enter("lock");
    await using _other = await bind(namespace, { name: "kilo/kilo0", uid: 0, listens });
    assert.throws(() => lockInterface("kilo0", { directory }), LockedError);
  });
}
