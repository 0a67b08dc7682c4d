/** What a running process has cost so far. */

const libc = Deno.dlopen("libc.so.6", {
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
});

/** `CPUCLOCK_SCHED`, which `clock_getcpuclockid(3)` composes with the process's id. */
const CPUCLOCK_SCHED = 2;

/** Milliseconds that all its threads were running, ended ones too; exact to the microsecond. */
export function cpuTime(pid: number): number {
  const time = new BigInt64Array(2);
  if (libc.symbols.clock_gettime((~pid << 3) | CPUCLOCK_SCHED, time) !== 0) {
    throw new Error(`the CPU clock of process ${pid} cannot be read`);
  }
  return Number(time[0]) * 1000 + Number(time[1]) / 1e6;
}

/**
 * Milliseconds that its first thread, where all its JavaScript runs, was running: the time that
 * passed less all waiting, be it for other programs, disks or a free CPU.
 */
export function mainThreadTime(pid: number): number {
  const [running] = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/schedstat`).split(" ");
  return Number(running) / 1e6;
}

/** Bytes. */
export interface Memory {
  readonly resident: number;
  readonly anonymous: number;
  /** The most that was resident at any time. */
  readonly peak: number;
}

export function memory(pid: number): Memory {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const field = (name: string) => {
    const kilobytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
    if (kilobytes === undefined) throw new Error(`process ${pid} has no ${name}`);
    return Number(kilobytes) * 1024;
  };
  return { resident: field("VmRSS"), anonymous: field("RssAnon"), peak: field("VmHWM") };
}
