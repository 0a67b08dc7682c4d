/** WireGuard interfaces of the lab's machines: the kernel's where it has them, else wireguard-go's. */

import { kernelHasWireGuard } from "../../tools/provision.ts";
import type { Namespace } from "./namespace.ts";
import { waitFor } from "./wait.ts";

let known: Promise<boolean> | undefined;

/** Asked once. */
export function hasKernelWireGuard(): Promise<boolean> {
  return known ??= kernelHasWireGuard();
}

/**
 * Makes an interface by the kernel or by wireguard-go, which runs as long as the namespace; or by
 * BoringTun, if `boringtun` is a path to it.
 */
export async function addWireGuard(
  namespace: Namespace,
  device: string,
  { boringtun }: { readonly boringtun?: string | undefined } = {},
): Promise<void> {
  if (!boringtun && await hasKernelWireGuard()) {
    await namespace.exec(["ip", "link", "add", device, "type", "wireguard"]);
    return;
  }
  await namespace.exec(["mkdir", "-p", "/run/wireguard"]);
  const command = boringtun
    ? [boringtun, "-f", "--disable-drop-privileges", device]
    : ["wireguard-go", "-f", device];
  const child = namespace.spawn(command, {
    env: { LOG_LEVEL: "error", WG_PROCESS_FOREGROUND: "1" },
    stdout: "null",
    stderr: "null",
  });
  let code: number | undefined;
  child.status.then((status) => code = status.code);
  const socket = namespace.path(`/run/wireguard/${device}.sock`);
  await waitFor(`${namespace.name}: ${command.join(" ")} answers`, () => {
    if (code === undefined) return Deno.statSync(socket);
    throw new Error(`it ended with code ${code}`);
  }, { interval: 3, timeout: 5000 });
}
