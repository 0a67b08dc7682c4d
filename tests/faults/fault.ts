/** A mesh to which something bad happens, and what must hold whatever it is. */

import assert from "node:assert/strict";
import type { Key } from "../../src/net/key.ts";
import type { Lab } from "../lab/lab.ts";
import { stands } from "../lab/mesh.ts";
import type { LabNode } from "../lab/node.ts";
import { leaksIn, privateKeyOf } from "../lab/secrets.ts";

/** No agent ended, the mesh stands, nobody crashed, and no key was printed. */
export async function assertUnharmed(lab: Lab): Promise<void> {
  for (const { name, agent } of lab.nodes) {
    assert.equal(agent!.ended, undefined, `${name} ended: ${agent!.output}`);
    assert.equal(agent!.stderr, "", name);
  }
  assert.ok(await stands(lab.nodes), "the mesh stands");
  assertDiscreet(lab);
}

/** What the agents printed holds no private key, nor any of these. */
export function assertDiscreet(lab: Lab, more: readonly Key[] = []): void {
  const keys = [...lab.nodes.flatMap((node) => privateKeyOf(node) ?? []), ...more];
  assert.ok(keys.length > 0);
  for (const { name, agent } of lab.nodes) {
    assert.deepEqual(leaksIn(agent!.output, keys), [], `the agent of ${name} printed a key`);
  }
}

/** The errors and warnings of a node's agent, with their causes. */
export function complaints({ agent }: LabNode): string[] {
  return agent!.log.filter(({ level }) => level !== "info")
    .map(({ msg, error }) => error === undefined ? msg : `${msg}: ${error}`);
}

/** How many of a node's complaints are of this. */
export function count(node: LabNode, pattern: RegExp): number {
  return complaints(node).filter((text) => pattern.test(text)).length;
}

/** A program that starts kg without some capabilities, such as `net_admin`. */
export async function withoutRights(lab: Lab, ...capabilities: string[]): Promise<string> {
  const path = `${lab.directory}/kg-without-rights`;
  const set = capabilities.map((name) => `-${name}`).join(",");
  const kg = new URL("../../dist/kg", import.meta.url).pathname;
  const script = `#!/bin/sh\nexec setpriv --bounding-set=${set} --inh-caps=${set} -- ${kg} "$@"\n`;
  await Deno.writeTextFile(path, script, { mode: 0o755 });
  return path;
}
