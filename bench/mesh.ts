/** The measurements of one row: a mesh of one kind and size. */

import { type Expected, expected, type Manifest, objects, oneMore, type Size } from "./cluster.ts";
import { Machine, pause, type Start } from "./machine.ts";
import { NetlinkCount } from "./netlink_count.ts";
import { cpuTime, type Memory, memory } from "./process.ts";
import type { Samples } from "./statistics.ts";
import { timeTools, type ToolTimes } from "./tools.ts";

/** A mesh and what the kernel must hold of it. */
export interface Mesh {
  readonly size: Size;
  readonly objects: readonly Manifest[];
  readonly wish: Expected;
}

export function meshOf(size: Size): Mesh {
  const all = objects(size);
  return { size, objects: all, wish: expected(all, size.kind) };
}

/** From exec to converged, and beside it what the usual tools take; of the same runs, in order. */
export interface Starts {
  readonly kg: readonly Start[];
  readonly tools: readonly ToolTimes[];
}

/** Of one object: milliseconds from the rename of its file until the kernel's routes follow. */
export interface Changes {
  readonly added: Samples;
  readonly changed: Samples;
  readonly removed: Samples;
}

/** Of an event that changes nothing. */
export interface CheckIns {
  /** Milliseconds of CPU, each. */
  readonly cpu: Samples;
  /** Netlink messages sent, each. */
  readonly messages: Samples;
}

export interface Quiet {
  /** Milliseconds of CPU in a minute. */
  readonly cpu: number;
  readonly memory: Memory;
}

/** A machine on which the program runs and the mesh stands. */
export async function converged(
  mesh: Mesh,
  program: string,
): Promise<{ machine: Machine; start: Start }> {
  const machine = await Machine.create();
  try {
    await machine.install(mesh.objects);
    const start = await machine.start(program, { kind: mesh.size.kind, wish: mesh.wish });
    return { machine, start };
  } catch (error) {
    await machine[Symbol.asyncDispose]();
    throw error;
  }
}

/** A fresh machine each time. */
export async function measureStart(
  mesh: Mesh,
  program: string,
): Promise<{ kg: Start; tools: ToolTimes }> {
  const { machine, start } = await converged(mesh, program);
  await using _machine = machine;
  return { kg: start, tools: await timeTools(machine.namespace, mesh.wish) };
}

export async function measureChanges(
  machine: Machine,
  { size, objects, wish }: Mesh,
  { times }: { readonly times: number },
): Promise<Changes> {
  const more = oneMore(size);
  const wishes = {
    added: expected([...objects, more.added], size.kind),
    changed: expected([...objects, more.changed], size.kind),
  };
  const changes = { added: [] as number[], changed: [] as number[], removed: [] as number[] };
  for (let n = 0; n < times; n++) {
    changes.added.push(await machine.change(more.added, wishes.added));
    changes.changed.push(await machine.change(more.changed, wishes.changed));
    changes.removed.push(await machine.change(undefined, wish));
  }
  return changes;
}

/** Milliseconds in which an agent has surely dealt with a check-in. */
const CHECK_IN_TAKES = 400;

export async function measureCheckIns(
  machine: Machine,
  { times }: { readonly times: number },
): Promise<CheckIns> {
  const cpu: number[] = [];
  const messages: number[] = [];
  let number = 0;
  await pause(CHECK_IN_TAKES);
  for (let n = 0; n < times; n++) {
    const before = cpuTime(machine.pid);
    await machine.checkIn(++number);
    await pause(CHECK_IN_TAKES);
    cpu.push(cpuTime(machine.pid) - before);
  }
  await using count = await NetlinkCount.attach(machine.pid, {
    file: `${machine.directory}/strace`,
  });
  for (let n = 0; n < 3; n++) {
    const before = count.messages;
    await machine.checkIn(++number);
    await pause(CHECK_IN_TAKES);
    messages.push(count.messages - before);
    if (count.opened(machine.statusName) < n + 1) {
      throw new Error(`check-in ${n + 1} was not read, or strace does not see it`);
    }
  }
  return { cpu, messages };
}

/** What machines do and hold when nothing happens, all at once, since it is next to nothing. */
export async function measureQuiet(
  machines: readonly Machine[],
  { seconds }: { readonly seconds: number },
): Promise<Quiet[]> {
  const before = machines.map(({ pid }) => cpuTime(pid));
  await pause(seconds * 1000);
  return machines.map(({ pid }, at) => ({
    cpu: (cpuTime(pid) - before[at]!) * 60 / seconds,
    memory: memory(pid),
  }));
}
