/** A virtual machine with a kernel of its own, run by QEMU without any help of the processor. */

import { CommandError } from "../lab/namespace.ts";
import type { Kernel } from "./debian.ts";
import { writeInitramfs } from "./initramfs.ts";

/** Milliseconds for anything in there: it is 20 to 40 times slower than this machine. */
const TIMEOUT = 120_000;

export class VirtualMachine implements AsyncDisposable {
  readonly #qemu: Deno.ChildProcess;
  readonly #directory: string;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #output: ReadableStreamDefaultReader<string>;
  /** What was read beyond the last answer. */
  #rest = "";
  /** The end of the last command: there is one shell for all. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(qemu: Deno.ChildProcess, directory: string) {
    this.#qemu = qemu;
    this.#directory = directory;
    this.#input = qemu.stdin.getWriter();
    this.#output = qemu.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Boots, and answers when the shell in it does. */
  static async boot(options: {
    readonly kernel: Kernel;
    /** The kg to be put into it. */
    readonly program: string;
  }): Promise<VirtualMachine> {
    const directory = await Deno.makeTempDir({ prefix: "kg-vm-" });
    const initramfs = `${directory}/initramfs`;
    await writeInitramfs(initramfs, options);
    const qemu = new Deno.Command("qemu-system-x86_64", {
      args: [
        ..."-accel tcg,thread=multi -cpu max -smp 2 -m 1536".split(" "),
        ..."-display none -monitor none -no-reboot -net none".split(" "),
        ...["-kernel", options.kernel.image, "-initrd", initramfs],
        ...["-append", "console=ttyS0 panic=-1 quiet"],
        ...["-serial", `file:${directory}/console`],
        ...["-chardev", "stdio,id=shell,signal=off", "-device", "virtio-serial-pci"],
        ...["-device", "virtserialport,chardev=shell"],
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const machine = new VirtualMachine(qemu, directory);
    try {
      await machine.script("true");
      await Deno.remove(initramfs);
      return machine;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What its kernel said. */
  get console(): string {
    return Deno.readTextFileSync(`${this.#directory}/console`);
  }

  /** Runs a shell script that stops at the first error, after all that were given before. */
  async script(text: string): Promise<string> {
    const answer = this.#last.then(() => this.#run(text));
    this.#last = answer.catch(() => {});
    return await answer;
  }

  /** Replaces a file. */
  async write(path: string, text: string): Promise<void> {
    const end = crypto.randomUUID();
    await this.script(`cat >${path}.new <<'${end}'\n${text}\n${end}\nmv ${path}.new ${path}`);
  }

  async #run(text: string): Promise<string> {
    const end = crypto.randomUUID();
    const command = `sh -e <<'${end}' 2>/run/stderr; code=$?; ` +
      `[ $code = 0 ] || cat /run/stderr; printf '\\n%s %s\\n' ${end} $code\n${text}\n${end}\n`;
    await this.#input.write(new TextEncoder().encode(command));
    const [, stdout = "", code] = await this.#read(new RegExp(`^([^]*)\\n${end} (\\d+)\\n`));
    if (code === "0") return stdout;
    const output = { code: Number(code), stdout, stderr: "" };
    throw new CommandError("the virtual machine", [text], output);
  }

  async #read(answer: RegExp): Promise<readonly string[]> {
    let idleTimeout = "";
    const timer = setTimeout(() => {
      idleTimeout = `, having given no answer for ${TIMEOUT / 1000} s`;
      this.#end();
    }, TIMEOUT);
    try {
      for (;;) {
        const found = answer.exec(this.#rest);
        if (found) {
          this.#rest = this.#rest.slice(found[0].length);
          return found;
        }
        const { value } = await this.#output.read();
        if (value === undefined) {
          throw new Error(`the virtual machine ended${idleTimeout}:\n${this.console}`);
        }
        this.#rest += value;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #end(): void {
    try {
      this.#qemu.kill("SIGKILL");
    } catch {
      // ended already
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    await this.#qemu.status;
    await this.#input.abort().catch(() => {});
    await this.#output.cancel();
    await Deno.remove(this.#directory, { recursive: true });
  }
}
