import assert from "node:assert/strict";
import { FileBackend } from "../../src/backend/file/backend.ts";
import { peer } from "../lab/manifest_world.ts";

/** Where inotify is used up: how long a change takes to be seen, in milliseconds. */
async function measure(): Promise<{ said: string; took: number }> {
  const path = await Deno.makeTempDir({ prefix: "ag-" });
  await Deno.writeTextFile(`${path}/a.yaml`, peer("a", "10.0.0.1/32"));
  const options = { hostname: "n", topologyLabel: "zone", resyncPeriod: 3_600_000 };
  await using backend = new FileBackend(path, options);
  const { promise: seen, resolve } = Promise.withResolvers<void>();
  await backend.start(() => {
    if (backend.cluster().peers.has("b")) resolve();
  });
  const said = backend.cluster().problems[0]?.text ?? "";
  const start = performance.now();
  await Deno.writeTextFile(`${path}/b.yaml`, peer("b", "10.0.0.2/32"));
  await seen;
  const took = performance.now() - start;
  await Deno.remove(path, { recursive: true });
  return { said, took };
}

if (import.meta.main && Deno.args[0] === "measure") {
  console.log(JSON.stringify(await measure()));
} else {
  Deno.test("FileBackend looks every 10 s where inotify cannot be had", async () => {
    // The limits of a user namespace are its own.
    const program = [Deno.execPath(), "run", "--allow-all", import.meta.filename!, "measure"];
    const script = `echo 0 >/proc/sys/user/max_inotify_instances; exec ${program.join(" ")}`;
    const { stdout, stderr } = await new Deno.Command("unshare", {
      args: ["--user", "--map-root-user", "sh", "-ec", script],
    }).output();
    assert(stdout.length > 0, new TextDecoder().decode(stderr));
    const { said, took } = JSON.parse(new TextDecoder().decode(stdout));
    assert.match(said, /cannot be watched, so it is read every 10 s: .*EMFILE/);
    assert(took < 15_000, `${took} ms`);
  });
}
