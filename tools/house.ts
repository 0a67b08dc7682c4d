/** The rules of the house that no other tool checks: which module may import which, and long files. */

/** A source file; its path is relative to the repository. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

/**
 * What each part of src/ may import besides itself. A name not in here is a new module: give it a
 * row. `netlink`, `wireguard` and `kubernetes` know nothing of Kilo; `mesh` is pure.
 */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  net: [],
  async: ["net"],
  os: ["net", "async"],
  files: ["async", "os"],
  dns: ["net", "async", "os"],
  netlink: ["net", "async", "os"],
  wireguard: ["net", "async", "os", "netlink"],
  tls: ["net"],
  kubernetes: ["net", "async", "tls"],
  mesh: ["net"],
  backend: ["net", "async", "os", "files", "mesh", "kubernetes"],
  dataplane: ["net", "async", "os", "mesh", "netlink", "wireguard"],
  node: ["net", "async", "files"],
  http: ["net", "async", "os", "tls", "mesh"],
  agent: [
    ...["net", "async", "os", "files", "dns", "mesh", "netlink", "wireguard"],
    ...["tls", "kubernetes", "backend", "dataplane", "http", "node"],
  ],
  cli: [
    ...["net", "async", "os", "files", "dns", "mesh", "netlink", "wireguard"],
    ...["tls", "kubernetes", "backend", "dataplane", "http", "node", "agent"],
  ],
  "main.ts": ["cli"],
};

const MOST_LINES = 350;

/** Imports that go against the arrows, a sentence each. */
export function wrongArrows(sources: readonly Source[]): string[] {
  return sources.filter(({ path }) => path.startsWith("src/")).flatMap((source) => {
    const from = moduleOf(source.path)!;
    const allowed = ARROWS[from];
    if (!allowed) return [`${source.path}: ${from} has no row in ARROWS`];
    return importsOf(source.text)
      .filter((specifier) => specifier.startsWith("."))
      .map((specifier) => resolve(source.path, specifier))
      .filter((path) => path !== "deno.json")
      .flatMap((path) => {
        const to = moduleOf(path);
        if (to === from || to !== undefined && allowed.includes(to)) return [];
        return [`${source.path} imports ${path}: ${from} may not know ${to ?? "it"}`];
      });
  });
}

/** Imports of packages that are not written as deno.json names them. */
export function undeclaredPackages(
  sources: readonly Source[],
  /** The `imports` of deno.json. */
  declared: Readonly<Record<string, string>>,
): string[] {
  return sources.flatMap(({ path, text }) =>
    importsOf(text)
      .filter((specifier) =>
        !/^(\.|node:|data:)/.test(specifier) && !(packageOf(specifier) in declared)
      )
      .map((specifier) => `${path} imports ${specifier}, which deno.json does not name`)
  );
}

/** `prom-client/lib/registry.js` → `prom-client`. */
function packageOf(specifier: string): string {
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

/** Files that are too long to be one concept. */
export function longFiles(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, text }) => {
    const lines = text.split("\n").length - 1;
    return lines > MOST_LINES ? [`${path} has ${lines} lines, more than ${MOST_LINES}`] : [];
  });
}

/** Specifiers of all imports and re-exports, static and dynamic. */
function importsOf(text: string): string[] {
  const statements = /^\s*(?:import|export)\b(?:[^'"`;]*?\bfrom\b)?\s*["']([^"'\n]+)["']/gm;
  const calls = /\bimport\(\s*["']([^"'\n]+)["']/g;
  return [...text.matchAll(statements), ...text.matchAll(calls)].map((match) => match[1]!);
}

/** `src/mesh/graph.ts` → `mesh`; `src/main.ts` → `main.ts`; undefined outside of src/. */
function moduleOf(path: string): string | undefined {
  const [root, module] = path.split("/");
  return root === "src" ? module : undefined;
}

function resolve(from: string, specifier: string): string {
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}
