/** How long the event loop stands still, and what memory a work takes meanwhile. */

export interface Strain {
  /** The longest time between two turns of the event loop, in milliseconds. */
  readonly stall: number;
  /** How much more memory was resident than before, at most, in MB. */
  readonly memory: number;
  /** Milliseconds in all. */
  readonly time: number;
}

/** Does some work, and watches it from timers that fire as often as they can. */
export async function strainOf(work: () => Promise<unknown>): Promise<Strain> {
  const before = Deno.memoryUsage().rss;
  const start = performance.now();
  let [last, stall, peak] = [start, 0, before];
  const observe = () => {
    const now = performance.now();
    stall = Math.max(stall, now - last);
    last = now;
    peak = Math.max(peak, Deno.memoryUsage().rss);
  };
  const timer = setInterval(observe, 1);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  observe();
  return { stall, memory: (peak - before) / (1 << 20), time: performance.now() - start };
}

/** As people read it. */
export function describeStrain({ stall, memory, time }: Strain): string {
  return `${time.toFixed(0)} ms, longest stall ${stall.toFixed(0)} ms, ${
    memory.toFixed(0)
  } MB more`;
}
