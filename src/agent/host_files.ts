/** What the node needs besides the mesh: its CNI configuration, watched, and forwarding switched on. */

import { startTimer } from "../async/background.ts";
import { deadline } from "../async/deadline.ts";
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

/** Milliseconds after which a file that is open for writing is read all the same. */
const WRITE_TIMEOUT = 200;

/** Milliseconds that a write under way may take at the end: a file system may hang. */
const END_TIMEOUT = 1000;

export class HostFiles implements AsyncDisposable {
  readonly #options: AgentOptions;
  readonly #host: Host;
  readonly #watch: DirectoryWatch;
  readonly #memory = new ConflistMemory();
  readonly #changed: () => void;
  /** The pods' subnet of the last reconcile. */
  #subnet: Prefix | undefined;
  #timer: number | undefined;
  #warnings: readonly Warning[] = [];
  readonly #mutex = new Mutex();
  #isDisposed = false;

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
      this.#notifyIn(isOpen ? WRITE_TIMEOUT : 0);
    });
    this.#changed = changed;
  }

  #notifyIn(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = startTimer(milliseconds, "read the CNI configuration again", this.#changed);
  }

  /** What could not be done the last time. */
  get warnings(): readonly Warning[] {
    return this.#warnings;
  }

  /**
   * Brings the files to what pods of this subnet need; returns how many it wrote. `observe`: reads
   * them even if the subnet is the same as before.
   */
  async reconcile(subnet: Prefix, { observe }: { readonly observe: boolean }): Promise<number> {
    if (!observe && this.#subnet && equalPrefix(this.#subnet, subnet)) return 0;
    return await this.#mutex.run(() => this.#reconcile(subnet));
  }

  async #reconcile(subnet: Prefix): Promise<number> {
    const { cni, cniPath, interface: name, mtu } = this.#options;
    if (!cni || this.#isDisposed) return 0;
    await this.#ensureWatch();
    const { written, warnings, again } = await writeConflist(cniPath, {
      subnet,
      mtu: mtuOf(this.#host, { name, mtu }),
      memory: this.#memory,
    });
    if (again !== undefined) this.#notifyIn(again);
    this.#subnet = subnet;
    this.#warnings = [...warnings, ...ensureForwarding(new Set([4, subnet.ip.family]))];
    await this.#ensureWatch(); // the directory may have been made only now
    return written ? 1 : 0;
  }

  /** If the directory does not exist, the next resync writes the file. */
  async #ensureWatch(): Promise<void> {
    await this.#watch.ensure().catch(() => {});
  }

  /** Resolves when nothing is written any more, or {@link END_TIMEOUT} is over. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
    this.#watch[Symbol.dispose]();
    const ended = { milliseconds: END_TIMEOUT, what: "writing the CNI configuration" };
    await deadline(this.#mutex.idle(), ended).catch(() => {});
  }
}
