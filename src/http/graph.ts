/** `/graph?format=…&layout=…`: the mesh as a drawing. */

import { quote } from "../net/text.ts";
import { draw, DrawingError, type DrawingFormat, type Layout, LAYOUTS } from "./draw.ts";

/** The mesh in Graphviz' DOT language, or why there is none now. */
export type DotText = { readonly dot: string } | { readonly problem: string };

export interface GraphSources {
  mesh(): DotText;
  /** A drawing was made, which took memory. */
  drawn(): void;
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

/** Edges: up to 90 MB for a moment, of which a third is Graphviz itself. */
const MOST_EDGES = 2000;

/**
 * Answers 400 to what is not supported, 500 if there is nothing to be drawn; while a drawing is being
 * made, 503 to others.
 */
export function graphPage(sources: GraphSources): (query: URLSearchParams) => Promise<Response> {
  let isDrawing = false;
  return async (query) => {
    const wish = readQuery(query);
    if (typeof wish === "string") return refusal(400, wish);
    const mesh = sources.mesh();
    if ("problem" in mesh) return refusal(500, mesh.problem);
    const { format } = wish;
    if (format === undefined) return answer(mesh.dot, TEXT);
    if (isDrawing) return refusal(503, "another drawing is being made: try again");
    isDrawing = true;
    try {
      return answer(await drawing(mesh.dot, { ...wish, format }), DRAWINGS[format]);
    } catch (error) {
      if (error instanceof DrawingError) return refusal(500, error.message);
      throw error;
    } finally {
      isDrawing = false;
      sources.drawn();
    }
  };
}

interface Wish {
  /** Undefined: the DOT text itself. */
  readonly format: DrawingFormat | undefined;
  readonly layout: Layout | undefined;
}

/** What is asked for, or why that cannot be had. */
function readQuery(query: URLSearchParams): Wish | string {
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

async function drawing(
  dot: string,
  { format, layout }: { readonly format: DrawingFormat; readonly layout: Layout | undefined },
): Promise<string> {
  const edges = dot.split("->").length - 1;
  if (edges > MOST_EDGES) {
    throw new DrawingError(
      `the mesh has ${edges} edges and at most ${MOST_EDGES} are drawn here: format=dot is the text of it`,
    );
  }
  if (edges <= MOST_EDGES_OF_CIRCO) return await draw({ dot, format, layout: layout ?? "circo" });
  const quick = dot.replace("overlap=false", "overlap=scale");
  return await draw({ dot: quick, format, layout: layout ?? "twopi" });
}

function isFormat(text: string): text is DrawingFormat {
  return Object.hasOwn(DRAWINGS, text);
}

function isLayout(text: string): text is Layout {
  return (LAYOUTS as readonly string[]).includes(text);
}

function answer(text: string, type: string): Response {
  return new Response(text, { headers: { "content-type": type } });
}

function refusal(status: number, why: string): Response {
  return new Response(`${why}\n`, { status, headers: { "content-type": TEXT } });
}
