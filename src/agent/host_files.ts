/** What the node needs besides the mesh: its CNI configuration, watched, and forwarding switched on. */

import { startTimer } from "../async/background.ts";
import { Mutex } from "../async/mutex.ts";
import type { Host } from "../dataplane/host.ts";
import { mtuOf } from "../dataplane/interface.ts";
import { DirectoryWatch } from "../files/watch.ts";
import { equalPrefix, type Prefix } from "../net/prefix.ts";
import { writeConflist } from "./cni.ts";
import { ConflistMemory } from "./conflist_memory.ts";
import { ensureForwarding } from "./forwarding.ts";
import type { AgentOptions } from "./options.ts";
import type { Warning } from "../net/warning.ts";

/** Milliseconds after which a file that is open for writing is looked at all the same. */
const SILENCE = 200;

export class HostFiles implements Disposable {
  readonly #options: AgentOptions;
  readonly #host: Host;
  readonly #watch: DirectoryWatch;
  readonly #memory = new ConflistMemory();
  readonly #changed: () => void;
  /** Of the pods, when they were last made as they should be. */
  #subnet: Prefix | undefined;
  #silence: number | undefined;
  #warnings: readonly Warning[] = [];
  readonly #mutex = new Mutex();

  /** `changed` is called when the CNI configuration, or its directory, is touched. */
  constructor(
    options: AgentOptions,
    { host, changed }: { readonly host: Host; readonly changed: () => void },
  ) {
    this.#options = options;
    this.#host = host;
    const slash = options.cniPath.lastIndexOf("/");
    const file = options.cniPath.slice(slash + 1);
    this.#watch = new DirectoryWatch(options.cniPath.slice(0, slash) || ".", (event) => {
      if (event.name !== undefined && event.name !== file) return;
      const isOpen = event.kind === "created" || event.kind === "modified";
      this.#lookIn(isOpen ? SILENCE : 0);
    });
    this.#changed = changed;
  }

  #lookIn(milliseconds: number): void {
    clearTimeout(this.#silence);
    this.#silence = startTimer(milliseconds, "look at the CNI configuration", this.#changed);
  }

  /** What could not be done the last time. */
  get warnings(): readonly Warning[] {
    return this.#warnings;
  }

  /**
   * Makes them as they should be for pods of this subnet; returns how many were not. `observe`: look
   * at them even if the subnet is the one of before.
   */
  async tend(subnet: Prefix, { observe }: { readonly observe: boolean }): Promise<number> {
    if (!observe && this.#subnet && equalPrefix(this.#subnet, subnet)) return 0;
    return await this.#mutex.run(() => this.#tend(subnet));
  }

  async #tend(subnet: Prefix): Promise<number> {
    const { cni, cniPath, interface: name, mtu } = this.#options;
    if (!cni) return 0;
    await this.#ensureWatch();
    const { written, warnings, again } = await writeConflist(cniPath, {
      subnet,
      mtu: mtuOf(this.#host, { name, mtu }),
      memory: this.#memory,
    });
    if (again !== undefined) this.#lookIn(again);
    this.#subnet = subnet;
    this.#warnings = [...warnings, ...ensureForwarding(new Set([4, subnet.ip.family]))];
    await this.#ensureWatch(); // the directory may have been made only now
    return written ? 1 : 0;
  }

  /** Where there is no directory to be watched, the next resync has to do. */
  async #ensureWatch(): Promise<void> {
    await this.#watch.ensure().catch(() => {});
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#silence);
    this.#watch[Symbol.dispose]();
  }
}
