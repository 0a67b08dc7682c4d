/** A node of the lab: a machine with a pod, on which kg can run. */

import { Agent } from "./agent.ts";
import type { Namespace, Output } from "./namespace.ts";
import type { Objects } from "./objects.ts";
import { snapshot } from "./snapshot.ts";
import { ping } from "./traffic.ts";
import { addWireGuard, hasKernelWireGuard } from "./wireguard.ts";
import { podAddress } from "./wiring.ts";
import type { NodeSpec } from "./world.ts";
import { kernelHasIPIP } from "../../tools/provision.ts";

/**
 * What a machine with files of its own runs first: all it changes under /etc, /run and /var/lib is
 * its own, in memory, and gone with it. Names resolve by /etc/hosts, or fail at once.
 */
export function ownFiles(directory: string): string {
  return `
mkdir ${directory}
mount -t tmpfs kg-lab ${directory}
for at in /etc /run /var/lib; do
  own=${directory}/$(basename $at)
  mkdir $own $own/new $own/work
  mount -t overlay kg-lab -o lowerdir=$at,upperdir=$own/new,workdir=$own/work $at
done
rm -rf /etc/cni /etc/resolv.conf /run/wireguard /var/lib/kilo
mkdir -p /etc/cni/net.d
echo 'nameserver 127.0.0.1' >/etc/resolv.conf
echo '127.0.0.1 localhost' >/etc/hosts
`;
}

export interface AgentOptions {
  /** Another kg than the lab's. */
  readonly program?: string;
  /** After those every agent of the lab gets; the last one of a name counts. */
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** System calls to be traced, as `strace -e trace=` wants them, into the file; sockets by protocol. */
  readonly trace?: { readonly calls: string; readonly file: string };
}

export class LabNode {
  readonly namespace: Namespace;
  readonly pod: Namespace;
  readonly #objects: Objects;
  readonly #program: string;
  readonly #boringtun: string | undefined;
  readonly #logFile: string;
  /** The kg that was started last. */
  agent: Agent | undefined;

  constructor(readonly spec: NodeSpec, parts: {
    namespace: Namespace;
    pod: Namespace;
    objects: Objects;
    program: string;
    /** Path of the BoringTun that makes its interface, in place of the kernel or wireguard-go. */
    boringtun: string | undefined;
    logFile: string;
  }) {
    this.namespace = parts.namespace;
    this.pod = parts.pod;
    this.#objects = parts.objects;
    this.#program = parts.program;
    this.#boringtun = parts.boringtun;
    this.#logFile = parts.logFile;
  }

  get name(): string {
    return this.spec.name;
  }

  get podAddress(): string {
    return podAddress(this.spec);
  }

  /** Where the kernel cannot make a WireGuard interface, there is one before kg starts. */
  async setUpWireGuard(): Promise<void> {
    if (await this.#isUserspace()) {
      await addWireGuard(this.namespace, "kilo0", { boringtun: this.#boringtun });
    }
  }

  /** Starts kg; a former one must have ended. */
  async startAgent(
    { program = this.#program, flags = [], env = {}, trace }: AgentOptions = {},
  ): Promise<Agent> {
    const strace = trace ? ["strace", "-D", "-f", "-qq", "-yy", "-e", `trace=${trace.calls}`] : [];
    if (trace) strace.push("-o", trace.file, "--");
    const command = [...strace, program, ...await this.#flags(), ...flags];
    return this.agent = Agent.start(this.namespace, command, { logFile: this.#logFile, env });
  }

  /** Runs kg to its end, which it must come to by itself soon: with another command, or refused. */
  async runKg(words: readonly string[]): Promise<Output> {
    const command = ["timeout", "--signal=KILL", "30", this.#program, ...await this.#flags()];
    return await this.namespace.try([...command, ...words]);
  }

  async #isUserspace(): Promise<boolean> {
    return this.#boringtun !== undefined || !await hasKernelWireGuard();
  }

  async #flags(): Promise<string[]> {
    const flags = [...this.#objects.flags, `--hostname=${this.name}`, "--interface=kilo0"];
    if (await this.#isUserspace()) flags.push("--create-interface=false");
    if (!await kernelHasIPIP()) flags.push("--encapsulate=never");
    return flags;
  }

  /** Runs a command on it and answers what it printed. */
  async exec(command: readonly string[], input?: string): Promise<string> {
    return await this.namespace.exec(command, input);
  }

  /** Does its pod get an answer from the pod of that node, or from that address? */
  async pings(to: LabNode | string): Promise<boolean> {
    const address = typeof to === "string" ? to : to.podAddress;
    return (await ping(this.pod, address, { timeout: 0.3 })).received > 0;
  }

  /** Everything its kernel holds, as text. */
  async snapshot(): Promise<string> {
    return await snapshot(this.namespace);
  }

  /** What its agent has published, by annotation name without `kilo.squat.ai/`. */
  async status(): Promise<Record<string, string>> {
    const annotations = Object.entries(await this.#objects.status(this.name));
    return Object.fromEntries(annotations.map(([name, value]) => [name.split("/")[1], value]));
  }
}
