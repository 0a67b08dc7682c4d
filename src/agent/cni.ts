/** The CNI configuration list: the local pod subnet goes into it, everything else is left alone. */

import { ifThere, replaceFile } from "../files/replace.ts";
import { equalPrefix, formatPrefix, network, parsePrefix, type Prefix } from "../net/prefix.ts";
import { describeError } from "../net/text.ts";
import { type Warning, warning } from "../net/warning.ts";

export type ConflistUpdate =
  | { readonly kind: "unchanged" }
  | { readonly kind: "write"; readonly text: string }
  /** It is left alone; the reason is for a warning. */
  | { readonly kind: "not understood"; readonly reason: string };

type Json = { [name: string]: unknown };

/**
 * What becomes of a list (undefined: there is none) when the pods get addresses of this subnet. The
 * MTU is the Kilo interface's, for a list made from nothing.
 */
export function updateConflist(
  text: string | undefined,
  { subnet, mtu }: { readonly subnet: Prefix; readonly mtu: number },
): ConflistUpdate {
  if (text === undefined) return { kind: "write", text: newConflist({ subnet, mtu }) };
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

/** Puts the subnet into the list at this path; throws nothing. */
export async function writeConflist(
  path: string,
  options: { readonly subnet: Prefix; readonly mtu: number },
): Promise<{ readonly written: boolean; readonly warnings: readonly Warning[] }> {
  try {
    const update = updateConflist(await ifThere(() => Deno.readTextFile(path)), options);
    if (update.kind === "not understood") {
      return unwritten(path, `is left alone: ${update.reason}`);
    }
    if (update.kind === "write") {
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/") + 1) || ".", { recursive: true });
      await replaceFile(path, update.text, { mode: 0o644 });
    }
    return { written: update.kind === "write", warnings: [] };
  } catch (error) {
    return unwritten(path, `cannot be written: ${describeError(error)}`);
  }
}

function unwritten(path: string, why: string) {
  const text = `CNI configuration ${path} ${why}`;
  return { written: false, warnings: [warning("cni", path, text)] };
}
