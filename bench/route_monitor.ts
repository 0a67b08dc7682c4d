/** When routes of a namespace changed, as the kernel tells `ip monitor`. */

import type { Namespace } from "../tests/lab/namespace.ts";
import { waitFor } from "../tests/lab/wait.ts";
import { PROTOCOL } from "./kernel.ts";

/** A route in the namespace that nobody needs, to see that the monitor listens. */
const TRIAL = "192.0.2.255/32";

export class RouteMonitor implements Disposable {
  readonly #child: Deno.ChildProcess;
  #text = "";

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#follow();
  }

  /** Listens when it returns. */
  static async open(namespace: Namespace): Promise<RouteMonitor> {
    const child = namespace.spawn(["ip", "-ts", "-4", "monitor", "route"], {
      env: { TZ: "UTC" },
      stdout: "piped",
      stderr: "null",
    });
    const monitor = new RouteMonitor(child);
    await waitFor("ip monitor listens", async () => {
      await namespace.exec(["ip", "route", "replace", "blackhole", TRIAL]);
      await namespace.exec(["ip", "route", "delete", "blackhole", TRIAL]);
      return monitor.#text.includes(TRIAL.split("/")[0]!);
    });
    return monitor;
  }

  /** When a route of ours changed last, in milliseconds since the Unix epoch; undefined: never. */
  get last(): number | undefined {
    const ours = this.#text.split("\n").filter((line) => line.includes(`proto ${PROTOCOL} `));
    const stamp = /^\[([^\]]+)\]/.exec(ours.at(-1) ?? "")?.[1];
    if (stamp === undefined) return undefined;
    const [seconds, fraction] = stamp.split(".");
    return Date.parse(`${seconds}Z`) + Number(`0.${fraction}`) * 1000;
  }

  async #follow(): Promise<void> {
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      this.#text += text;
    }
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }
}
