/** A network namespace that the calling thread lives in until it is disposed of. Needs root. */

import { openLibraries } from "../../src/netlink/libmnl.ts";

// Opened once for the process: no leak of the first test that needs them.
openLibraries();

const LIBC = {
  setns: { parameters: ["i32", "i32"], result: "i32" },
  open: { parameters: ["buffer", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

const CLONE_NEWNET = 0x40000000;

/** Sockets opened through FFI belong to the namespace; programs started do not: give them to {@link run}. */
export class NetworkNamespace implements Disposable {
  readonly name: string;
  readonly #libc: Deno.DynamicLibrary<typeof LIBC>;
  readonly #home: number;

  private constructor(name: string) {
    this.name = name;
    this.#libc = Deno.dlopen("libc.so.6", LIBC);
    this.#home = this.#open("/proc/thread-self/ns/net");
  }

  /** Creates a namespace with `lo` up and enters it. `prefix` tells whose it is. */
  static enter(prefix: string): NetworkNamespace {
    const namespace = new NetworkNamespace(`${prefix}-${crypto.randomUUID().slice(0, 8)}`);
    execute(["ip", "netns", "add", namespace.name]);
    const fd = namespace.#open(`/run/netns/${namespace.name}`);
    namespace.#set(fd);
    namespace.#libc.symbols.close(fd);
    namespace.run("ip link set lo up");
    return namespace;
  }

  /** Runs a program (words without quotes) in the namespace; its output, or an error with what it said. */
  run(command: string): string {
    return execute(["ip", "netns", "exec", this.name, ...command.split(" ")]);
  }

  /** Leaves and deletes the namespace. */
  [Symbol.dispose](): void {
    this.#set(this.#home);
    this.#libc.symbols.close(this.#home);
    this.#libc.close();
    execute(["ip", "netns", "delete", this.name]);
  }

  #open(path: string): number {
    const O_CLOEXEC = 0x80000;
    const fd = this.#libc.symbols.open(new TextEncoder().encode(path + "\0"), O_CLOEXEC);
    if (fd < 0) throw new Error(`cannot open ${path}`);
    return fd;
  }

  #set(fd: number): void {
    if (this.#libc.symbols.setns(fd, CLONE_NEWNET) !== 0) throw new Error("setns failed");
  }
}

function execute([program, ...args]: readonly string[]): string {
  const output = new Deno.Command(program!, { args }).outputSync();
  const text = new TextDecoder();
  if (!output.success) {
    throw new Error(`${program} ${args.join(" ")}: ${text.decode(output.stderr)}`);
  }
  return text.decode(output.stdout);
}
