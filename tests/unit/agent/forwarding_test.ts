import assert from "node:assert/strict";
import { ensureForwarding } from "../../../src/agent/forwarding.ts";
import { readSystemFile } from "../../../src/os/libc.ts";

readSystemFile("/proc/version"); // libc stays open: not a leak of any test

Deno.test("ensureForwarding() turns on what is off, and warns of what it cannot", async () => {
  const root = await Deno.makeTempDir({ prefix: "ag-" });
  await Deno.mkdir(`${root}/net/ipv4`, { recursive: true });
  const path = `${root}/net/ipv4/ip_forward`;
  await Deno.writeTextFile(path, "0");
  assert.deepEqual(ensureForwarding([4], { root }), []);
  assert.equal(await Deno.readTextFile(path), "1");
  const warnings = ensureForwarding([4, 6], { root });
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!.text, /IPv6: net\.ipv6\.conf\.all\.forwarding/);
  await Deno.remove(root, { recursive: true });
});
