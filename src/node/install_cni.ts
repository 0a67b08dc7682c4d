/** Puts the CNI plugins and a first configuration onto a host: what the init container does. */

import { ifThere, replaceFile } from "../files/replace.ts";
import { describeError } from "../net/text.ts";

export interface InstallOptions {
  /** Directory with the plugins of our image. */
  readonly plugins: string;
  /** The host's directory of plugins, as seen from here. */
  readonly binDirectory: string;
  /** The host's directory of CNI configurations, as seen from here. */
  readonly configDirectory: string;
  /** Name of our configuration in it. */
  readonly configName: string;
  /** What is written there if nothing is. */
  readonly config: string;
}

export interface Installed {
  /** One sentence for each thing done. */
  readonly done: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * Copies plugins that differ, each in one step, and writes the configuration if there is none.
 * Configurations of others are never touched; one that the container runtime would prefer is a
 * warning. Rejects with the system's error if something cannot be written.
 */
export async function installCNI(options: InstallOptions): Promise<Installed> {
  const { plugins, binDirectory, configDirectory, configName, config } = options;
  const done: string[] = [];
  await Deno.mkdir(binDirectory, { recursive: true });
  for (const name of await pluginsIn(plugins)) {
    const target = `${binDirectory}/${name}`;
    if (await copyIfDifferent(`${plugins}/${name}`, target)) done.push(`${target} is installed`);
  }
  await Deno.mkdir(configDirectory, { recursive: true });
  const path = `${configDirectory}/${configName}`;
  if (await ifThere(() => Deno.stat(path)) === undefined) {
    await replaceFile(path, config, { mode: 0o644 });
    done.push(`${path} is written`);
  }
  const preferred = (await configurationsIn(configDirectory)).find((name) => name < configName);
  const warnings = preferred === undefined ? [] : [
    `${configDirectory}/${preferred} sorts before ${configName}: ` +
    "the container runtime uses it instead; remove it if pods shall be in the mesh",
  ];
  return { done, warnings };
}

/** Regular files, by name. */
async function pluginsIn(directory: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(directory));
    return entries.filter(({ isFile }) => isFile).map(({ name }) => name).sort();
  } catch (error) {
    throw new Error(`the plugins cannot be listed: ${describeError(error)}`, { cause: error });
  }
}

/** What a container runtime takes for a configuration, by name; it uses the first. */
async function configurationsIn(directory: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(directory));
  return entries.filter(({ name, isDirectory }) =>
    !isDirectory && !name.startsWith(".") && /\.(conf|conflist|json)$/.test(name)
  ).map(({ name }) => name).sort();
}

/** The new file stands beside the target first: a plugin that runs meanwhile is never half there. */
async function copyIfDifferent(source: string, target: string): Promise<boolean> {
  const content = await Deno.readFile(source);
  const present = await ifThere(() => Deno.readFile(target));
  if (present && equalBytes(content, present) && await isExecutable(target)) return false;
  await replaceFile(target, content, { mode: 0o755 });
  await Deno.chmod(target, 0o755); // an existing file may have had another mode
  return true;
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

async function isExecutable(path: string): Promise<boolean> {
  const { mode } = await Deno.stat(path);
  return mode !== null && (mode & 0o111) === 0o111;
}
