/** The CNI configuration list: the local pod subnet goes into it, everything else is left alone. */

import { ifThere, replaceFile } from "../files/replace.ts";
import { equalPrefix, formatPrefix, network, parsePrefix, type Prefix } from "../net/prefix.ts";
import { describeError } from "../net/text.ts";
import { type Warning, warning } from "../net/warning.ts";
import type { ConflistMemory } from "./conflist_memory.ts";

/** Milliseconds without a change after which half a list counts as broken. */
const STABLE_AFTER = 2000;

export type ConflistUpdate =
  | { readonly kind: "unchanged" }
  /** `isBroken`: what is there is half of a list of ours, or nothing, and no list to be changed. */
  | { readonly kind: "write"; readonly text: string; readonly isBroken?: true }
  /** It is left alone; the reason is for a warning. */
  | { readonly kind: "not understood"; readonly reason: string };

type Json = { [name: string]: unknown };

export interface ConflistOptions {
  readonly subnet: Prefix;
  /** The Kilo interface's, for a list made from nothing. */
  readonly mtu: number;
  /** What this agent last wrote there, as far as it knows. */
  readonly last?: string | undefined;
}

/** What becomes of a list (undefined: there is none) when the pods get addresses of this subnet. */
export function updateConflist(
  text: string | undefined,
  { subnet, mtu, last }: ConflistOptions,
): ConflistUpdate {
  if (text === undefined) return { kind: "write", text: newConflist({ subnet, mtu }) };
  if (isOursBroken(text, last)) {
    const again = updateConflist(last, { subnet, mtu });
    const whole = again.kind === "unchanged" ? last! : newConflist({ subnet, mtu });
    return { kind: "write", text: again.kind === "write" ? again.text : whole, isBroken: true };
  }
  const list = parse(text);
  if (!isObject(list)) return notUnderstood("it is no JSON object");
  const { plugins } = list;
  if (!Array.isArray(plugins)) return notUnderstood("it has no list of plugins");
  if (typeof list.name !== "string" || list.name === "") return notUnderstood("it has no name");
  const ours = plugins.filter(hasHostLocal);
  if (ours.length === 0) return notUnderstood("no plugin in it uses the ipam type host-local");
  const present = ours.map(({ ipam }) => firstSubnet(ipam)).find((text) => text !== undefined);
  if (typeof present === "string" && names(present, subnet)) return { kind: "unchanged" };
  const changed = plugins.map((plugin) =>
    hasHostLocal(plugin) ? withSubnet(plugin, subnet) : plugin
  );
  return { kind: "write", text: format({ ...list, plugins: changed }) };
}

/** Is it empty, or the beginning of what we wrote last? A file that was cut short ends in zeros, too. */
function isOursBroken(text: string, last: string | undefined): boolean {
  const begun = text.split("\0", 1)[0]!.trimEnd();
  if (begun === "") return true;
  if (last === undefined || parse(text) !== undefined) return false;
  return last.startsWith(begun) || begun.startsWith(last.trimEnd());
}

/**
 * The text of a list where there is none. Without a subnet host-local has nothing to
 * give: pods wait until the agent knows the subnet. `mtu`: bytes.
 */
export function newConflist(
  { subnet, mtu }: { readonly subnet?: Prefix; readonly mtu: number },
): string {
  return format({
    cniVersion: "0.4.0",
    name: "kilo",
    plugins: [
      {
        name: "kubernetes",
        type: "bridge",
        bridge: "kube-bridge",
        isDefaultGateway: true,
        forceAddress: true,
        mtu,
        ipam: { type: "host-local", ...subnet && { ranges: rangesOf(subnet) } },
      },
      { type: "portmap", snat: true, capabilities: { portMappings: true } },
    ],
  });
}

function rangesOf(subnet: Prefix): unknown {
  return [[{ subnet: formatPrefix(subnet) }]];
}

/** host-local would use an old-style `subnet` besides the ranges. */
function withSubnet(plugin: Json & { ipam: Json }, subnet: Prefix): Json {
  const { subnet: _, ...ipam } = plugin.ipam;
  return { ...plugin, ipam: { ...ipam, ranges: rangesOf(subnet) } };
}

/** The subnet host-local would take first: the old-style one stands before the ranges. */
function firstSubnet(ipam: Json): unknown {
  const { subnet, ranges } = ipam;
  const first = Array.isArray(ranges) && Array.isArray(ranges[0]) ? ranges[0][0] : undefined;
  return subnet ?? (isObject(first) ? first.subnet : undefined);
}

function names(text: string, subnet: Prefix): boolean {
  const prefix = parsePrefix(text);
  return prefix !== undefined && equalPrefix(network(prefix), network(subnet));
}

function hasHostLocal(plugin: unknown): plugin is Json & { ipam: Json } {
  return isObject(plugin) && isObject(plugin.ipam) && plugin.ipam.type === "host-local";
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function notUnderstood(reason: string): ConflistUpdate {
  return { kind: "not understood", reason };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function format(list: Json): string {
  return JSON.stringify(list, null, 2) + "\n";
}

export interface ConflistOutcome {
  readonly written: boolean;
  readonly warnings: readonly Warning[];
  /** Milliseconds until it is read again: somebody may be writing it. */
  readonly again?: number;
}

/** Puts the subnet into the list at this path; throws nothing. */
export async function writeConflist(
  path: string,
  { memory, ...options }: Omit<ConflistOptions, "last"> & { readonly memory: ConflistMemory },
): Promise<ConflistOutcome> {
  try {
    const text = await ifThere(() => Deno.readTextFile(path));
    const update = updateConflist(text, { ...options, last: await memory.last() });
    if (update.kind === "not understood") {
      return unwritten(path, `is left alone: ${update.reason}`);
    }
    if (update.kind === "unchanged") return { written: false, warnings: [] };
    if (update.isBroken) {
      const again = STABLE_AFTER - await ageOf(path);
      if (again > 0) return { written: false, warnings: [], again };
      await memory.keepBroken(text ?? "");
    }
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/") + 1) || ".", { recursive: true });
    // Both at once, since pods wait, and each takes as long as a disk does.
    await Promise.all([
      memory.remember(update.text),
      replaceFile(path, update.text, { mode: 0o644 }),
    ]);
    return { written: true, warnings: [] };
  } catch (error) {
    return unwritten(path, `cannot be written: ${describeError(error)}`);
  }
}

/** Milliseconds since it was changed; a long time if it is gone, or of the future. */
async function ageOf(path: string): Promise<number> {
  const info = await ifThere(() => Deno.stat(path));
  const age = Date.now() - (info?.mtime?.getTime() ?? 0);
  return age < 0 ? Infinity : age;
}

function unwritten(path: string, why: string) {
  const text = `CNI configuration ${path} ${why}`;
  return { written: false, warnings: [warning("cni", path, text)] };
}
