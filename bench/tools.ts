/** What the usual tools take to load, from nothing, the state that a converged machine has. */

import type { Namespace } from "../tests/lab/namespace.ts";
import { waitFor } from "../tests/lab/wait.ts";
import { DEVICE, difference, PROTOCOL } from "./kernel.ts";
import { Machine } from "./machine.ts";
import type { Expected } from "./cluster.ts";

/** Milliseconds from the start of each program to its end. */
export interface ToolTimes {
  readonly ip: number;
  readonly nft: number;
  readonly wg: number;
}

/** The state as each tool wants to read it. */
interface State {
  /** Of the device, which is there before. */
  readonly address: string;
  readonly ip: string;
  readonly nft: string;
  readonly wg: string;
}

/** Loads the state of one machine into a fresh one, and makes sure that it is the same. */
export async function timeTools(from: Namespace, desired: Expected): Promise<ToolTimes> {
  const state = await save(from, desired);
  await using machine = await Machine.create();
  const { namespace, directory } = machine;
  for (const tool of ["ip", "nft", "wg"] as const) {
    await Deno.writeTextFile(`${directory}/${tool}`, state[tool]);
  }
  await namespace.exec(["ip", "addr", "add", state.address, "dev", DEVICE]);
  await namespace.exec(["ip", "link", "set", DEVICE, "up"]);
  const times = {
    nft: await time(namespace, `nft -f ${directory}/nft`),
    wg: await time(namespace, `wg setconf ${DEVICE} ${directory}/wg`),
    ip: await time(namespace, `ip -batch ${directory}/ip`),
  };
  const missing = await difference(namespace, desired);
  if (missing !== undefined) throw new Error(`the tools did not load the same: ${missing}`);
  return times;
}

async function save(namespace: Namespace, desired: Expected): Promise<State> {
  const routes = await namespace.exec(
    ["ip", "-4", "route", "show", "table", "all", "proto", PROTOCOL],
  );
  const [link] = JSON.parse(await namespace.exec(["ip", "-j", "-4", "addr", "show", DEVICE]));
  const { local, prefixlen } = link.addr_info[0];
  return {
    address: `${local}/${prefixlen}`,
    ip: routes.trimEnd().split("\n").map((route) => `route add ${route} proto ${PROTOCOL}\n`).join(
      "",
    ),
    nft: await namespace.exec(["nft", "-s", "list", "ruleset"]),
    wg: await waitFor("a device with all peers, none of them being reset", async () => {
      const text = await namespace.exec(["wg", "showconf", DEVICE]);
      return text.split("[Peer]").length === desired.peers.size + 1 ? text : undefined;
    }),
  };
}

async function time(namespace: Namespace, command: string): Promise<number> {
  const script = `start=$EPOCHREALTIME; ${command}; echo "$start $EPOCHREALTIME"`;
  const [start, end] = (await namespace.exec(["bash", "-ec", script])).trim().split(" ");
  return (Number(end) - Number(start)) * 1000;
}
