/** What tests do to the addresses of a host, and what they ask then. */

import type { Lab } from "./lab.ts";
import { podsReach } from "./mesh.ts";
import type { LabNode } from "./node.ts";

/** Nothing but an event tells of what happens in a test. */
export const NO_RESYNC = ["--resync-period=10m"];

/** Milliseconds: it takes a tenth of a second, but a busy machine may be slow. */
export const AT_ONCE = { timeout: 5000 };

/** `endpoint internal-ip`, as published. */
export async function addresses(node: LabNode): Promise<string> {
  const status = await node.status();
  return `${status.endpoint?.replace(":51820", "")} ${status["internal-ip"]}`;
}

export async function published(lab: Lab, node: LabNode, wanted: string): Promise<void> {
  const begin = performance.now();
  await lab.waitFor(wanted, async () => await addresses(node) === wanted, AT_ONCE);
  console.log(`measured: ${wanted} published after ${Math.round(performance.now() - begin)} ms`);
}

/** Milliseconds: WireGuard by itself would notice after 15 s. */
const BY_US = { timeout: 10_000 };

export async function together(lab: Lab): Promise<void> {
  const begin = performance.now();
  await lab.waitFor("pods reach each other", () => podsReach(lab.nodes), BY_US);
  console.log(`measured: pods reach each other after ${Math.round(performance.now() - begin)} ms`);
}

export async function ip(node: LabNode, ...commands: readonly string[]): Promise<void> {
  await node.exec(["ip", "-batch", "-"], commands.map((line) => `${line}\n`).join(""));
}
