/** A world of the lab inside a virtual machine: its network namespaces are the machines. */

import { dump } from "js-yaml";
import type { Key } from "../../src/net/key.ts";
import type { LogLine } from "../lab/agent.ts";
import { type NodeManifest, nodeObject, type PeerManifest } from "../lab/manifests.ts";
import { SYSCTLS } from "../lab/namespace.ts";
import { waitFor } from "../lab/wait.ts";
import { cables, machines, podOf, setups } from "../lab/wiring.ts";
import type { World } from "../lab/world.ts";
import type { VirtualMachine } from "./machine.ts";

/** The directory of manifests that all agents read. */
const CLUSTER = "/cluster";

/** Each machine has its own configuration and state; names resolve by its /etc/hosts, or fail at once. */
const OWN_FILES = `
for at in /etc /run /var/lib; do mount -t tmpfs none $at; done
mkdir -p /etc/cni/net.d
echo 'nameserver 127.0.0.1' >/etc/resolv.conf
echo '127.0.0.1 localhost' >/etc/hosts
`;

/** A namespace in there. */
export class Guest {
  constructor(readonly name: string, readonly pid: string, readonly vm: VirtualMachine) {}

  /** Runs a shell script in it that stops at the first error; answers what it printed. */
  async script(text: string): Promise<string> {
    return await this.vm.script(`${this.enter} sh -e <<'END OF SCRIPT'\n${text}\nEND OF SCRIPT`);
  }

  /** Do so many requests to that address all get an answer? */
  async pings(address: string, { count = 1 } = {}): Promise<boolean> {
    const ping = `ping -nq -c ${count} -i 0.1 -W 2 ${address}`;
    return await this.script(ping).then((text) => text.includes(" 0% packet loss"), () => false);
  }

  /** To be put before a command. */
  get enter(): string {
    return `nsenter --target ${this.pid} --net --mount --uts`;
  }
}

/** A node on which kg can run. */
export class GuestNode extends Guest {
  readonly #log: string;
  readonly #code: string;
  readonly #pid: string;

  constructor(guest: Guest, readonly pod: Guest) {
    super(guest.name, guest.pid, guest.vm);
    [this.#log, this.#code, this.#pid] = ["log", "code", "pid"].map((what) =>
      `/tmp/${guest.name}.${what}`
    ) as [string, string, string];
  }

  /** Starts kg; a former one must have ended. */
  async startAgent(...flags: readonly string[]): Promise<void> {
    const command = ["kg", "--backend=file", `--backend-path=${CLUSTER}`, ...flags].join(" ");
    await this.vm.script(`
      rm -f ${this.#code}
      {
        code=0
        ${this.enter} sh -c 'echo $$ >${this.#pid}; exec ${command} >>${this.#log} 2>&1' || code=$?
        echo $code >${this.#code}
      } </dev/null >/dev/null 2>&1 &
      until [ -s ${this.#pid} ]; do sleep 0.05; done`);
  }

  /** Sends a signal to kg, and answers the code it exits with. */
  async stopAgent(signal: "TERM" | "KILL"): Promise<number> {
    const code = await this.vm.script(`
      kill -${signal} $(cat ${this.#pid})
      until [ -s ${this.#code} ]; do sleep 0.1; done
      rm ${this.#pid}
      cat ${this.#code}`);
    return Number(code);
  }

  /** What its kg has logged. */
  async log(): Promise<LogLine[]> {
    const text = await this.vm.script(`cat ${this.#log}`);
    return text.split("\n").slice(0, -1).map((line) => JSON.parse(line) as LogLine);
  }
}

export class GuestWorld {
  private constructor(
    readonly vm: VirtualMachine,
    readonly machines: ReadonlyMap<string, Guest>,
    readonly nodes: readonly GuestNode[],
  ) {}

  /**
   * Makes machines, cables, addresses, routes, pods, and a Node object each; no kg runs yet. On
   * some machines there is a `tunl0` already, which the kernel made and nobody can remove.
   */
  static async create(
    vm: VirtualMachine,
    { world, withTunnel }: { readonly world: World; readonly withTunnel: readonly string[] },
  ): Promise<GuestWorld> {
    const names = machines(world);
    const scripts = names.map((name) => {
      const withheld = withTunnel.includes(name) ? 0 : 1;
      return `echo ${withheld} >/proc/sys/net/core/fb_tunnels_only_for_init_net\n${open(name)}`;
    });
    const pids = await vm.script(["modprobe ipip", ...scripts].join("\n"));
    const guests = new Map(
      pids.trim().split("\n").map((pid, at) => [names[at]!, new Guest(names[at]!, pid, vm)]),
    );
    const batch = cables(world, (name) => Number(guests.get(name)!.pid));
    await vm.script(`ip -batch - <<'END'\n${batch}END`);
    for (const [name, script] of setups(world)) await guests.get(name)!.script(script);
    const nodes = world.nodes.map((spec) =>
      new GuestNode(guests.get(spec.name)!, guests.get(podOf(spec.name))!)
    );
    const guest = new GuestWorld(vm, guests, nodes);
    await vm.script(`mkdir -p ${CLUSTER}/status`);
    for (const spec of world.nodes) await guest.put(nodeObject(spec));
    return guest;
  }

  async put(object: NodeManifest | PeerManifest): Promise<void> {
    await this.vm.write(pathOf(object), dump(object));
  }

  async delete(object: NodeManifest | PeerManifest): Promise<void> {
    await this.vm.script(`rm ${pathOf(object)}`);
  }

  /** {@link waitFor}, and what the agents last said if it comes to nothing. */
  async waitFor<T>(what: string, condition: () => Promise<T>): Promise<NonNullable<T>> {
    try {
      return await waitFor(what, condition, { timeout: 120_000, interval: 200 });
    } catch (error) {
      const logs = await this.vm.script("tail -n 5 /tmp/*.log");
      if (error instanceof Error) error.message += `\n${logs}`;
      throw error;
    }
  }
}

/** A script that makes the namespaces of a machine, and prints the process that holds them. */
function open(name: string): string {
  return `
unshare --net --mount --uts --propagation private sh -ec '
  hostname ${name}
  ${quote(SYSCTLS + OWN_FILES)}
  touch /tmp/${name}.ready
  exec sleep 1000000' </dev/null >/tmp/${name}.holder 2>&1 &
echo $!
until [ -e /tmp/${name}.ready ]; do sleep 0.05; done`;
}

/** For the inside of single quotes. */
function quote(text: string): string {
  return text.replaceAll("'", `'\\''`);
}

function pathOf({ kind, metadata }: NodeManifest | PeerManifest): string {
  return `${CLUSTER}/${kind.toLowerCase()}-${metadata.name}.yaml`;
}

/** A Peer object. */
export function peer(
  name: string,
  spec: { readonly publicKey: Key; readonly allowedIPs: readonly string[] },
): PeerManifest {
  const metadata = { name };
  return { apiVersion: "kilo.squat.ai/v1alpha1", kind: "Peer", metadata, spec };
}
