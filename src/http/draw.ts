/** Drawing by Graphviz, in a thread of its own. */

import { deadline } from "../async/deadline.ts";

/** The formats that Graphviz is built here to write. */
export type DrawingFormat = "svg" | "json" | "ps" | "fig";

export type Layout = typeof LAYOUTS[number];
export const LAYOUTS = ["circo", "dot", "neato", "twopi", "fdp"] as const;

export interface Drawing {
  /** In Graphviz' DOT language. */
  readonly dot: string;
  readonly format: DrawingFormat;
  readonly layout: Layout;
}

/** Text in UTF-8; as bytes it is given from thread to thread without a copy. */
export type Drawn = { readonly bytes: Uint8Array<ArrayBuffer> } | { readonly problem: string };

/** There is no drawing; the message says why. */
export class DrawingError extends Error {
  override readonly name = "DrawingError";
}

/** Milliseconds: `circo` takes a minute for 40 leaders, and hours for 100. */
const DRAWING_TIMEOUT = 10_000;

/** Draws, as UTF-8 text; rejects with a {@link DrawingError} after some seconds, or if Graphviz refuses. */
export async function draw(
  drawing: Drawing,
  { timeout = DRAWING_TIMEOUT } = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { promise, resolve, reject } = Promise.withResolvers<Drawn>();
  const worker = new Worker(WORKER, { type: "module" });
  worker.onmessage = ({ data }: MessageEvent<Drawn>) => resolve(data);
  worker.onerror = (event) => {
    event.preventDefault(); // else it would end the program
    reject(new DrawingError(`drawing failed: ${event.message}`));
  };
  const late = () => {
    const seconds = timeout / 1000;
    return new DrawingError(
      `${drawing.layout} did not draw it in ${seconds} s: try another layout`,
    );
  };
  try {
    worker.postMessage(drawing);
    const drawn = await deadline(promise, { milliseconds: timeout, what: "drawing", late });
    if ("problem" in drawn) throw new DrawingError(`drawing failed: ${drawn.problem}`);
    return drawn.bytes;
  } finally {
    worker.terminate();
  }
}

/** The build makes a file of it that lies beside the program's main one. */
const WORKER = new URL(
  Deno.build.standalone ? "./draw_worker.js" : "./draw_worker.ts",
  import.meta.url,
);
