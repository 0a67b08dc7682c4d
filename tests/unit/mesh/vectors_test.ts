import assert from "node:assert/strict";
import { checkTopologyCase } from "../../vectors/topology.ts";

const file = new URL("../../vectors/topology.json", import.meta.url);
const cases: { seed: number }[] = JSON.parse(Deno.readTextFileSync(file));

for (const value of cases) {
  Deno.test(`cluster ${value.seed} is what the original agent computes`, () => {
    assert.deepEqual(checkTopologyCase(value), []);
  });
}

Deno.test("checkTopologyCase() names every field that differs", () => {
  const [value] = cases as unknown as [{ expect: Record<string, unknown> }];
  for (const name of ["leader", "wireGuardIP", "conf", "peerConf", "routes", "dot"]) {
    const wrong = { ...value, expect: { ...value.expect, [name]: null } };
    assert.deepEqual(checkTopologyCase(wrong), [name]);
  }
});
