/** How many netlink messages a running process sends, as strace sees it. */

import { waitFor } from "../tests/lab/wait.ts";

export class NetlinkCount implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #file: string;

  private constructor(child: Deno.ChildProcess, file: string) {
    this.#child = child;
    this.#file = file;
  }

  /** Counts from when it returns until it is disposed of. Slows the process down. */
  static async attach(pid: number, { file }: { readonly file: string }): Promise<NetlinkCount> {
    const args = ["-f", "-qq", "-yy", "-e", "trace=sendto,sendmsg,sendmmsg,openat"];
    const child = new Deno.Command("strace", {
      args: [...args, "-o", file, "-p", `${pid}`],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const tasks = () => [...Deno.readDirSync(`/proc/${pid}/task`)].map(({ name }) => name);
    await waitFor("strace follows every thread", () =>
      tasks().every((task) => {
        const status = Deno.readTextFileSync(`/proc/${pid}/task/${task}/status`);
        return /^TracerPid:\s+[1-9]/m.test(status);
      }));
    return new NetlinkCount(child, file);
  }

  /** Sends to the kernel so far. */
  get messages(): number {
    return this.#count(/\bsend\w+\(\d+<NETLINK:/g);
  }

  /** How often a file whose path ends so was opened so far. */
  opened(path: string): number {
    return this.#count(new RegExp(`openat\\([^"]*"[^"]*${RegExp.escape(path)}"`, "g"));
  }

  #count(pattern: RegExp): number {
    return Deno.readTextFileSync(this.#file).match(pattern)?.length ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGINT");
    await this.#child.status;
  }
}
