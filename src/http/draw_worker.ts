/**
 * The thread that draws. It takes one drawing, answers, and is ended by draw.ts: so a large mesh holds
 * nobody up, and what Graphviz took of memory is given back.
 */

import { type Format, Graphviz } from "@hpcc-js/wasm-graphviz";
import type { Drawing, Drawn } from "./draw.ts";

/** What a worker has: to know its types would hide those of a program from all other modules. */
const thread = globalThis as unknown as {
  onmessage: (event: MessageEvent<Drawing>) => void;
  postMessage(drawn: Drawn, transfer: ArrayBuffer[]): void;
};

thread.onmessage = async ({ data }) => {
  const result = await drawn(data);
  thread.postMessage(result, "bytes" in result ? [result.bytes.buffer] : []);
};

async function drawn({ dot, format, layout }: Drawing): Promise<Drawn> {
  try {
    const graphviz = await Graphviz.load();
    // Its types name fewer formats than it writes.
    const text = graphviz.layout(dot, format as Format, layout);
    return { bytes: new TextEncoder().encode(text) };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}
