/** The flags of `kg`, which `kg clean-up` shares, and the options they amount to. */

import type { AgentOptions } from "../agent/options.ts";
import { LOG_LEVELS } from "../agent/log.ts";
import { BACKEND_FLAGS, backendChoice } from "./backend_flags.ts";
import {
  boolean,
  choice,
  cidr,
  cidrs,
  decimalOr,
  duration,
  integer,
  listenAddress,
  text,
  ValueError,
} from "./flag.ts";
import { type FlagValues, UsageError } from "./flags.ts";

export const KG_FLAGS = {
  ...BACKEND_FLAGS,
  "clean-up": boolean(true, { help: "undo network changes on shutdown" }),
  "clean-up-interface": boolean(false, {
    help: "on clean-up also delete the WireGuard interface",
  }),
  "cni": boolean(true, { help: "manage the node's CNI configuration" }),
  "cni-path": text("/etc/cni/net.d/10-kilo.conflist", {
    placeholder: "file",
    help: "the CNI configuration list",
    check: checkFilePath,
  }),
  "compatibility": choice(undefined, {
    words: ["flannel", "cilium"],
    help: "run as an add-on to this network",
  }),
  "create-interface": boolean(true, {
    help: "create the WireGuard interface if it is missing; else it must exist",
  }),
  "encapsulate": choice("always", {
    words: ["never", "crosssubnet", "always"],
    help: "when to encapsulate packets inside a location",
  }),
  "firewall": choice("nftables", {
    words: ["nftables", "iptables"],
    help: "how firewall rules are written",
  }),
  "hostname": text(undefined, {
    placeholder: "name",
    help: "the node this agent runs on (default $NODE_NAME, else the kernel's host name)",
  }),
  "interface": text("kilo0", {
    placeholder: "name",
    help: "the WireGuard interface",
    check: checkInterfaceName,
  }),
  "internal-cidr": cidrs({ help: "only addresses inside these count as internal ones" }),
  "iptables-forward-rules": boolean(false, {
    help: "accept forwarded pod traffic even where FORWARD drops",
  }),
  "kubeconfig": text(undefined, { placeholder: "file", help: "how to reach the API server" }),
  "listen": listenAddress(":1107", { help: "serve health and metrics here" }),
  "local": boolean(true, { help: "manage routes inside the location" }),
  "log-level": choice("info", { words: LOG_LEVELS, help: "how much to log" }),
  "master": text(undefined, {
    placeholder: "URL",
    help: "the API server, instead of the kubeconfig's",
  }),
  "mesh-granularity": choice("location", {
    words: ["location", "full"],
    help: "mesh locations, or all nodes",
  }),
  "mtu": decimalOr("auto", { min: 1, help: "MTU of the WireGuard interface" }),
  "port": integer(51820, { min: 1, max: 65535, help: "UDP port of WireGuard" }),
  "prioritise-private-addresses": boolean(false, {
    help: "use the private address as endpoint",
  }),
  "resync-period": duration("30s", { help: "how often everything is looked at again" }),
  "service-cidr": cidrs({ help: "never masquerade traffic to these" }),
  "subnet": cidr("10.4.0.0/16", { help: "where WireGuard addresses come from" }),
  "topology-label": text("topology.kubernetes.io/region", {
    placeholder: "label",
    help: "node label that names the location; none if empty",
  }),
  "version": boolean(false, { letter: "v", help: "print the version" }),
};

export type KgValues = FlagValues<typeof KG_FLAGS>;

/** What the values amount to on this machine; throws a UsageError if they don't fit together. */
export function kgOptions(
  values: KgValues,
  machine: { readonly nodeName: string | undefined; readonly hostname: string } = {
    nodeName: Deno.env.get("NODE_NAME"),
    hostname: Deno.hostname(),
  },
): AgentOptions {
  const { backend, backendPath, kubeconfig, master, version: _, ...rest } = values;
  if (rest.firewall === "iptables") throw new UsageError("--firewall iptables is not there yet");
  return {
    ...rest,
    backend: backendChoice({ backend, backendPath }, () => ({ kubeconfig, master })),
    hostname: values.hostname || machine.nodeName || machine.hostname,
  };
}

function checkFilePath(path: string): void {
  if (path === "" || path.endsWith("/")) throw new ValueError("the path of a file is expected");
}

/** As the kernel's `dev_valid_name` has it. */
function checkInterfaceName(name: string): void {
  if (name === "") throw new ValueError("a name is expected");
  if (new TextEncoder().encode(name).length > 15) {
    throw new ValueError("an interface name has at most 15 bytes");
  }
  if (/[/:\s]/.test(name) || name === "." || name === "..") {
    throw new ValueError("an interface name has no space, slash or colon");
  }
}
