/** `/graph?format=…&layout=…`: the mesh as a drawing. */

import { inBackground } from "../async/background.ts";
import { quote } from "../net/text.ts";
import {
  draw,
  type Drawing,
  DrawingError,
  type DrawingFormat,
  type Layout,
  LAYOUTS,
} from "./draw.ts";
import { type HttpResponse, textResponse } from "./server/message.ts";

/**
 * The mesh in Graphviz' DOT language, or why there is none now. For as long as the mesh is the same
 * it is the same object.
 */
export type DotText = { readonly dot: string } | { readonly problem: string };

export interface GraphSources {
  mesh(): DotText;
  /** Trims memory: before a drawing, which takes much, and after it. */
  trimMemory(): void;
}

const TEXT = "text/plain; charset=utf-8";

/** Media types of what Graphviz draws here. The original also makes pictures of dots. */
const DRAWINGS: Readonly<Record<DrawingFormat, string>> = {
  svg: "image/svg+xml",
  json: "application/json",
  ps: "application/postscript",
  fig: "image/x-xfig",
};

/** The language itself, by its two names. */
const SOURCES = ["dot", "gv"];

/**
 * Edges that `circo`, the usual layout, draws within a second or so; it takes a minute for 800, where
 * `twopi` takes 50 ms if it need not look for the best way to keep nodes apart.
 */
const MOST_EDGES_OF_CIRCO = 150;

/** Edges: up to 80 MB for a moment, of which a third is Graphviz itself. */
const MOST_EDGES = 1200;

/** Bytes of drawings that are kept, but for the last one, which always is. */
const MOST_KEPT = 4 * 1024 * 1024;

/** Seconds after which somebody who asks for another drawing may come again. */
const RETRY_AFTER = 2;

/**
 * Answers 400 to what is not supported, 500 if there is nothing to be drawn. One drawing is made at a
 * time: who asks for the same waits for it, who asks for another gets 503. It is kept until the mesh
 * changes, and so is the answer that it cannot be made.
 */
export function graphPage(
  sources: GraphSources,
): (query: URLSearchParams) => HttpResponse | Promise<HttpResponse> {
  let drawn: DotText | undefined;
  let kept = new Kept();
  let isDrawing = false;

  const makeDrawing = async (drawing: Drawing): Promise<HttpResponse> => {
    isDrawing = true;
    try {
      sources.trimMemory();
      return { status: 200, type: DRAWINGS[drawing.format], body: await draw(drawing) };
    } catch (error) {
      if (error instanceof DrawingError) return textResponse(500, error.message);
      throw error;
    } finally {
      isDrawing = false;
      sources.trimMemory();
    }
  };

  return (query) => {
    const options = readQuery(query);
    if (typeof options === "string") return textResponse(400, options);
    const mesh = sources.mesh();
    if ("problem" in mesh) return textResponse(500, mesh.problem);
    if (mesh !== drawn) kept = new Kept();
    drawn = mesh;
    const { format, layout } = options;
    if (format === undefined) return kept.text ??= sourceResponse(mesh.dot);
    const edges = kept.edges ??= countEdges(mesh.dot);
    if (edges > MOST_EDGES) return tooLarge(edges);
    const key = `${format} ${layout ?? ""}`;
    const before = kept.drawing(key);
    if (before) return before;
    if (isDrawing) {
      const busy = textResponse(503, "another drawing is being made: try again");
      return { ...busy, retryAfter: RETRY_AFTER };
    }
    return kept.add(key, makeDrawing(quickest(mesh.dot, { edges, format, layout })));
  };
}

/** Answers about one state of the mesh. */
class Kept {
  /** The mesh as text. */
  text: HttpResponse | undefined;
  edges: number | undefined;
  readonly #drawings = new Map<string, Promise<HttpResponse>>();
  readonly #sizes = new Map<string, number>();

  drawing(key: string): Promise<HttpResponse> | undefined {
    return this.#drawings.get(key);
  }

  /** Returns the drawing, which is made at present. */
  add(key: string, drawing: Promise<HttpResponse>): Promise<HttpResponse> {
    this.#drawings.set(key, drawing);
    inBackground("keep a drawing", () =>
      drawing.then(
        ({ body }) => this.#sized(key, body.length),
        () => void this.#drawings.delete(key),
      ));
    return drawing;
  }

  /** Forgets the oldest ones when all are too large. */
  #sized(key: string, size: number): void {
    this.#sizes.set(key, size);
    let sum = this.#sizes.values().reduce((sum, size) => sum + size, 0);
    for (const [oldest, size] of this.#sizes) {
      if (sum <= MOST_KEPT || oldest === key) return;
      this.#sizes.delete(oldest);
      this.#drawings.delete(oldest);
      sum -= size;
    }
  }
}

interface GraphQuery {
  /** Undefined: the DOT text itself. */
  readonly format: DrawingFormat | undefined;
  readonly layout: Layout | undefined;
}

/** What is asked for, or why that cannot be had. */
function readQuery(query: URLSearchParams): GraphQuery | string {
  const format = query.get("format") || "svg";
  const layout = query.get("layout") || undefined;
  if (SOURCES.includes(format)) return { format: undefined, layout: undefined };
  if (!isFormat(format)) {
    const formats = [...Object.keys(DRAWINGS), ...SOURCES].join(", ");
    return `format ${quote(format)} is none of ${formats}`;
  }
  if (layout !== undefined && !isLayout(layout)) {
    return `layout ${quote(layout)} is none of ${LAYOUTS.join(", ")}`;
  }
  return { format, layout };
}

/** Drawn in the layout that is asked for, or else in one that does not take too long. */
function quickest(
  dot: string,
  { edges, format, layout }: GraphQuery & {
    readonly edges: number;
    readonly format: DrawingFormat;
  },
): Drawing {
  if (edges <= MOST_EDGES_OF_CIRCO) return { dot, format, layout: layout ?? "circo" };
  const quick = dot.replace("overlap=false", "overlap=scale");
  return { dot: quick, format, layout: layout ?? "twopi" };
}

function tooLarge(edges: number): HttpResponse {
  const limit = `at most ${MOST_EDGES} are drawn here: format=dot is the text of it`;
  return textResponse(500, `the mesh has ${edges} edges and ${limit}`);
}

function isFormat(text: string): text is DrawingFormat {
  return Object.hasOwn(DRAWINGS, text);
}

function isLayout(text: string): text is Layout {
  return (LAYOUTS as readonly string[]).includes(text);
}

function countEdges(dot: string): number {
  let count = 0;
  for (let at = dot.indexOf("->"); at >= 0; at = dot.indexOf("->", at + 2)) count++;
  return count;
}

/** As bytes: many clients share them, however slowly each reads. */
function sourceResponse(dot: string): HttpResponse {
  return { status: 200, type: TEXT, body: new TextEncoder().encode(dot) };
}
