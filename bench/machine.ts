/** A fresh machine with a WireGuard device, on which one kg can run. */

import { Agent } from "../tests/lab/agent.ts";
import { Namespace } from "../tests/lab/namespace.ts";
import { ownFiles } from "../tests/lab/node.ts";
import { waitFor } from "../tests/lab/wait.ts";
import { addWireGuard } from "../tests/lab/wireguard.ts";
import { type Expected, HERE } from "./cluster.ts";
import { DEVICE, difference } from "./kernel.ts";
import { cpuTime, mainThreadTime } from "./process.ts";
import { RouteMonitor } from "./route_monitor.ts";

/** Milliseconds until a measurement that does not come to its end is given up. */
const TIMEOUT = 60_000;

/** Milliseconds in which an agent surely has dealt with an event, and waits for nothing but the next. */
const REST = 400;

const SETUP = `
ip link add eth0 type veth peer name eth1
${HERE.addresses.map((address) => `ip addr add ${address} dev eth0`).join("\n")}
ip link set eth0 up; ip link set eth1 up
ip route add default via ${HERE.gateway} dev eth0
`;

/** From exec to a kernel that holds the whole mesh, in milliseconds. */
export interface Start {
  readonly wall: number;
  /** That the agent itself was at work: {@link mainThreadTime}. */
  readonly own: number;
  /** Of all threads of the agent. */
  readonly cpu: number;
}

/** When a mesh stood, in milliseconds since the Unix epoch, and what it had cost till then. */
type Reached = Omit<Start, "wall"> & { readonly at: number };

export class Machine implements AsyncDisposable {
  #agent: Agent | undefined;
  /** Changes of the kernel that the agent has told of, as far as they were looked at. */
  #changes = 0;

  private constructor(readonly namespace: Namespace, readonly directory: string) {}

  /** With `eth0`, a default route and an empty WireGuard device. */
  static async create(): Promise<Machine> {
    // By this name the next lab removes it, should this process be killed.
    const directory = await Deno.makeTempDir({ dir: "/tmp", prefix: `kg-lab-${Deno.pid}-` });
    const setup = ownFiles(`${directory}/own`) + SETUP;
    const namespace = await Namespace.open("kg-bench", setup);
    await addWireGuard(namespace, DEVICE);
    return new Machine(namespace, directory);
  }

  get pid(): number {
    return this.#agent!.pid;
  }

  /**
   * Runs kg from exec until the kernel holds what is expected, and lets it run on. `flags` say where
   * the objects are, and what mesh to make of them.
   */
  async start(
    program: string,
    { flags, desired }: { readonly flags: readonly string[]; readonly desired: Expected },
  ): Promise<Start> {
    const command = [
      ...["bash", "-c", `echo $EPOCHREALTIME >${this.directory}/started; exec "$@"`, "bash"],
      ...[program, `--hostname=${HERE.name}`, `--interface=${DEVICE}`, "--create-interface=false"],
      ...["--encapsulate=never", ...flags],
    ];
    const agent = Agent.start(this.namespace, command, { logFile: `${this.directory}/log` });
    this.#agent = agent;
    const reached = await this.#reached(agent, desired);
    const started = Number(await Deno.readTextFile(`${this.directory}/started`)) * 1000;
    return { wall: reached.at - started, own: reached.own, cpu: reached.cpu };
  }

  /** The first change after which all is there that is expected. */
  async #reached(agent: Agent, desired: Expected): Promise<Reached> {
    for (let missing: string | undefined = "nothing happened";;) {
      const line = await waitFor(`the mesh (${missing})`, () => {
        if (agent.ended) throw new Error(`kg has ended:\n${agent.output}`);
        return agent.log.filter(({ msg }) => msg === "the kernel follows the mesh")[this.#changes];
      }, { timeout: TIMEOUT, interval: 1 });
      const cost = { own: mainThreadTime(agent.pid), cpu: cpuTime(agent.pid) };
      this.#changes++;
      missing = await difference(this.namespace, desired);
      if (missing === undefined) return { at: Date.parse(line.ts), ...cost };
    }
  }

  /**
   * Makes a change to the objects and answers the milliseconds from its beginning until the kernel's
   * routes followed, once all the rest has followed, too.
   */
  async change(act: () => void | Promise<void>, desired: Expected): Promise<number> {
    await this.rest();
    using monitor = await RouteMonitor.open(this.namespace);
    const start = performance.timeOrigin + performance.now();
    await act();
    await this.#reached(this.#agent!, desired);
    return await waitFor("route events", () => monitor.last) - start;
  }

  /** Lets the agent come to rest. */
  async rest(): Promise<void> {
    await pause(REST);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Namespace.end([this.namespace]);
    await this.#agent?.end();
    await Deno.remove(this.directory, { recursive: true });
  }
}

export async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}
