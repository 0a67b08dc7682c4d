/** A machine of the lab: network, mount and host-name namespaces of its own, as long as the lab lives. */

/** What a command that has ended left. */
export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command in a namespace ended with another code than 0. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  constructor(where: string, command: readonly string[], readonly output: Output) {
    const said = (output.stderr || output.stdout).trim();
    super(`${where}: ${command.join(" ")}: exit code ${output.code}: ${said}`);
  }
}

/**
 * Its holder process, and all that is started in it, die with the thread that started them, however
 * that ends (`PR_SET_PDEATHSIG`), and with them the namespaces. Ctrl-C at the terminal does not
 * reach them (a session of their own), so that whoever made the lab ends it in order.
 */
const TIED = ["setsid", "setpriv", "--pdeathsig", "KILL", "--"];

/** Sysctls of every machine: addresses are usable at once, and it forwards as a node or router does. */
export const SYSCTLS = `
cd /proc/sys/net
echo 0 >ipv6/conf/all/accept_dad; echo 0 >ipv6/conf/default/accept_dad
echo 0 >ipv6/conf/all/accept_ra; echo 0 >ipv6/conf/default/accept_ra
echo 1 >ipv4/ip_forward; echo 1 >ipv6/conf/all/forwarding
echo '0 2147483647' >ipv4/ping_group_range
cd /
ip link set lo up
`;

export class Namespace {
  readonly #holder: Deno.ChildProcess;
  readonly #children = new Set<Deno.ChildProcess>();
  /** As in /proc/PID/ns/net; undefined once the holder has ended, for then the kernel may use it again. */
  #network: string | undefined;

  private constructor(readonly name: string, holder: Deno.ChildProcess) {
    this.#holder = holder;
    this.#network = networkOf(holder.pid);
    holder.status.then(() => this.#network = undefined);
  }

  /** Makes the namespaces; `setup` is run in them by the shell before anything else. */
  static async open(name: string, setup = ""): Promise<Namespace> {
    const script = `set -e\nhostname ${name}\n${SYSCTLS}${setup}\necho ready\nexec sleep infinity`;
    const holder = new Deno.Command("unshare", {
      args: ["--net", "--mount", "--uts", "--propagation", "private", "--"]
        .concat(TIED, "sh", "-c", script),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const reader = holder.stdout.getReader();
    const { value } = await reader.read();
    await reader.cancel();
    if (value === undefined) {
      const error = await new Response(holder.stderr).text();
      throw new Error(`the namespaces of ${name} cannot be made: ${error.trim()}`);
    }
    await holder.stderr.cancel();
    return new Namespace(name, holder);
  }

  /** The process that `nsenter --target` and `ip … netns` want to be told. */
  get pid(): number {
    return this.#holder.pid;
  }

  /** What a person types to have a shell in it. */
  get enter(): string {
    return `nsenter --target ${this.pid} --net --mount --uts`;
  }

  /** The path by which the outside sees this machine's file. */
  path(inside: string): string {
    return `/proc/${this.pid}/root${inside}`;
  }

  /** Starts a command in it that runs until it ends or is killed; its pid is the command's own. */
  spawn(command: readonly string[], options: Deno.CommandOptions = {}): Deno.ChildProcess {
    const enter = ["--target", `${this.pid}`, "--net", "--mount", "--uts", "--"];
    const child = new Deno.Command("nsenter", {
      stdin: "null",
      ...options,
      args: [...enter, ...TIED, ...command],
    }).spawn();
    this.#children.add(child);
    child.status.then(() => this.#children.delete(child));
    return child;
  }

  /** Runs a command in it and answers what it left; it need not have succeeded. */
  async try(command: readonly string[], input = ""): Promise<Output> {
    const child = this.spawn(command, { stdin: "piped", stdout: "piped", stderr: "piped" });
    const writer = child.stdin.getWriter();
    // A command that ends without reading its input is no failure of ours.
    const written = writer.write(new TextEncoder().encode(input)).then(() => writer.close())
      .catch(() => {});
    const { code, stdout, stderr } = await child.output();
    await written;
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  /** Runs a command in it and answers what it printed; {@link CommandError} if it fails. */
  async exec(command: readonly string[], input = ""): Promise<string> {
    const output = await this.try(command, input);
    if (output.code !== 0) throw new CommandError(this.name, command, output);
    return output.stdout;
  }

  /** Runs a shell script in it that stops at the first error. */
  async script(text: string): Promise<string> {
    return await this.exec(["sh", "-e"], text);
  }

  /** The processes of this name that live in its network. */
  processes(name: string): number[] {
    return [...Deno.readDirSync("/proc")].map((entry) => Number(entry.name))
      .filter((pid) => pid > 0 && networkOf(pid) === this.#network && nameOf(pid) === name);
  }

  /** Ends every process that lives in one of these network namespaces, whoever started it. */
  static async end(namespaces: readonly Namespace[]): Promise<void> {
    const ours = new Set(namespaces.map((namespace) => namespace.#network));
    for (const { name } of Deno.readDirSync("/proc")) {
      if (/^\d+$/.test(name) && ours.has(networkOf(Number(name)) ?? "gone")) kill(Number(name));
    }
    await Promise.all(
      namespaces.flatMap((namespace) =>
        [namespace.#holder, ...namespace.#children].map((child) => child.status)
      ),
    );
  }
}

function networkOf(pid: number): string | undefined {
  try {
    return Deno.readLinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined; // the process is gone
  }
}

function nameOf(pid: number): string | undefined {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/comm`).trimEnd();
  } catch {
    return undefined;
  }
}

function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // gone already
  }
}
