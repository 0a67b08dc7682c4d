/**
 * The licences of all that the program file holds, one text: printed by `kg version --licenses`.
 * Made of what is installed where the program is built, so that it tells just what is in it.
 */

import { fileURLToPath, pathToFileURL } from "node:url";
import { type System } from "./static/system.ts";
import { Refusal } from "./terminal.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** An npm package in the bundle. */
interface Package {
  readonly name: string;
  readonly version: string;
  readonly directory: string;
}

/** The text, for a program of these libraries and of a bundle with these source maps. */
export async function notices(system: System, maps: readonly string[]): Promise<string> {
  const { version } = Deno; // of the runtime too, see denort.ts
  const { libc6, "libgcc-s1": libgcc, libmnl0 } = system.packages;
  const packages = await Promise.all(
    packagesIn(maps).map(async (pkg) => (
      { title: `${pkg.name} ${pkg.version} (npm)`, text: await packageLicence(pkg.directory) }
    )),
  );
  const sections = [
    { title: "kg", text: await Deno.readTextFile(`${ROOT}LICENSE`) },
    {
      title: `Deno ${version.deno}, with V8 ${version.v8}`,
      text: await Deno.readTextFile(`${ROOT}tools/licenses/deno.txt`),
    },
    ...packages,
    {
      title: "Graphviz, Expat, fzstd, Emscripten (in @hpcc-js/wasm-graphviz)",
      text: await Deno.readTextFile(`${ROOT}tools/licenses/graphviz.txt`),
    },
    { title: `ld.so, libc, libm: ${libc6.source}`, text: libc6.copyright },
    { title: `libgcc_s: ${libgcc.source}`, text: libgcc.copyright },
    { title: `libmnl: ${libmnl0.source}`, text: libmnl0.copyright },
    ...await Promise.all(["LGPL-2.1", "GPL-3"].map(async (name) => (
      { title: `Text of ${name}`, text: await readText(`/usr/share/common-licenses/${name}`) }
    ))),
  ];
  const preface = await Deno.readTextFile(`${ROOT}tools/licenses/preface.txt`);
  const contents = sections.map(({ title }) => `  ${title}\n`).join("");
  return `${preface}\n${contents}` +
    sections.map(({ title, text }) =>
      `\n${"=".repeat(78)}\n${title}\n\n${text.replace(/^\n+/, "").trimEnd()}\n`
    ).join("");
}

/** The packages whose modules a bundle is made of, from its source maps' paths. */
function packagesIn(maps: readonly string[]): Package[] {
  const found = new Map<string, Package>();
  for (const path of maps) {
    const { sources }: { sources: string[] } = JSON.parse(Deno.readTextFileSync(path));
    for (const source of sources) {
      const module = fileURLToPath(new URL(source, pathToFileURL(path)));
      // A package's own source map may lead to where it was made: there is no version in such a path.
      const match = /^.*\/npm\/[^/]+\/((?:@[^/]+\/)?[^/]+)\/(\d[^/]*)\//.exec(module);
      if (!match) continue;
      const [directory, name, version] = match as unknown as [string, string, string];
      found.set(directory, { name, version, directory });
    }
  }
  return [...found.values()].sort((a, b) => a.name < b.name ? -1 : 1);
}

async function packageLicence(directory: string): Promise<string> {
  const names = Array.from(Deno.readDirSync(directory), ({ name }) => name).sort();
  const name = names.find((name) => /^(licen[cs]e|copying)(\.|$)/i.test(name));
  if (name === undefined) throw new Refusal(`no licence in ${directory}`);
  return await readText(`${directory}${name}`);
}

async function readText(path: string): Promise<string> {
  return await Deno.readTextFile(path).catch((error) => {
    throw new Refusal(`a licence to be embedded cannot be read: ${error.message}`);
  });
}
