/**
 * A real API server on 127.0.0.1, and on addresses of network namespaces to which it was given a
 * door, with everything it keeps in a directory that ends with it.
 */

import { run } from "../../tools/command.ts";
import { exists } from "../../tools/provision.ts";
import { waitFor } from "../lab/wait.ts";
import { Door } from "./door.ts";
import { Authority } from "./pki.ts";
import { apiServerProgram } from "./program.ts";

/** The token of `system:masters`. */
export const ADMIN_TOKEN = "admin-0123456789";

/** Ends with the thread that started it, however that ends. */
const TIED = ["setsid", "setpriv", "--pdeathsig", "KILL", "--"] as const;

export class ApiServer implements AsyncDisposable {
  readonly #program: string;
  readonly #doors = new Set<Door>();
  #process: Deno.ChildProcess | undefined;

  private constructor(
    program: string,
    /** Holds `ca.crt`, `admin.kubeconfig`, the log, and etcd's data. */
    readonly directory: string,
    readonly authority: Authority,
    readonly port: number,
  ) {
    this.#program = program;
  }

  /**
   * Starts one with an empty etcd, and waits until it is ready: some seconds. `addresses` are those
   * of its doors.
   */
  static async start(
    { addresses = [] }: { readonly addresses?: readonly string[] } = {},
  ): Promise<ApiServer> {
    const program = await apiServerProgram();
    const directory = await Deno.makeTempDir({ prefix: "kg-k8s-" });
    const authority = await Authority.create(directory);
    const ips = ["127.0.0.1", "::1", ...addresses].map((address) => `IP:${address}`);
    const names = [...ips, "DNS:localhost"];
    await authority.issue("server", { subject: "/CN=kube-apiserver", names });
    await authority.issue("accounts", { subject: "/CN=service-accounts" });
    await Deno.writeTextFile(
      `${directory}/tokens.csv`,
      `${ADMIN_TOKEN},admin,admin,"system:masters"\n`,
    );
    const server = new ApiServer(program, directory, authority, freePort());
    await server.writeKubeconfig("admin", { token: ADMIN_TOKEN });
    await server.resume();
    return server;
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}`;
  }

  /**
   * Makes it reachable, until the door is disposed of, at an address of the network namespace that
   * this process lives in: one of those it was started with.
   */
  openDoor(pid: number, address: string): Door {
    const door = new Door({ pid, address, port: this.port }, () => this.#doors.delete(door));
    this.#doors.add(door);
    return door;
  }

  /** Starts it again after {@link halt}, with what its etcd holds now; waits until it is ready. */
  async resume(): Promise<void> {
    const { directory } = this;
    await Deno.mkdir(`${directory}/etcd`, { recursive: true, mode: 0o700 });
    const flags = [
      `--secure-port=${this.port}`,
      "--bind-address=127.0.0.1",
      "--advertise-address=192.0.2.1", // else it wants a default route
      "--endpoint-reconciler-type=none",
      `--tls-cert-file=${directory}/server.crt`,
      `--tls-private-key-file=${directory}/server.key`,
      `--client-ca-file=${directory}/ca.crt`,
      `--token-auth-file=${directory}/tokens.csv`,
      "--authorization-mode=RBAC",
      "--service-account-issuer=https://kubernetes.default",
      `--service-account-key-file=${directory}/accounts.crt`,
      `--service-account-signing-key-file=${directory}/accounts.key`,
      "--service-cluster-ip-range=10.43.0.0/16",
      "--disable-admission-plugins=ServiceAccount", // nobody makes the default accounts
    ];
    const log = `${directory}/log`;
    const [first, ...args] = [...TIED, "sh", "-c", 'exec "$@" 2>>"$0"', log, this.#program];
    const process = new Deno.Command(first, {
      args: [...args, `${directory}/etcd`, ...flags],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#process = process;
    for (const door of this.#doors) door.open();
    const ended = process.status.then(() => {
      if (this.#process === process) this.#process = undefined;
      return "ended" as const;
    });
    if (await Promise.race([this.#ready(), ended]) !== "ended") return;
    const lines = (await Deno.readTextFile(log)).trim().split("\n");
    throw new Error(`the API server ended: ${lines.slice(-3).join("\n")}`);
  }

  async #ready(): Promise<void> {
    const caCerts = [await Deno.readTextFile(this.authority.certificate)];
    using http = Deno.createHttpClient({ caCerts, http2: false });
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    await waitFor("the API server to be ready", async () => {
      if (!this.#process) return true;
      const response = await fetch(`${this.url}/readyz`, { client: http, headers });
      await response.body?.cancel();
      return response.ok;
    }, { timeout: 60_000, interval: 50 });
  }

  /** Ends it at once, as a power failure would; etcd's data stays. */
  async halt(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    if (!process) return;
    process.kill(signal);
    await Promise.all([...this.#doors].map((door) => door.close()));
    await process.status;
  }

  /** It answers nothing more, and keeps all its connections, until {@link thaw}. */
  freeze(): void {
    this.#process?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#process?.kill("SIGCONT");
  }

  /** Only while halted: keeps a copy of all that etcd holds. */
  async backup(): Promise<void> {
    await run(["cp", "-a", `${this.directory}/etcd`, `${this.directory}/backup`]);
  }

  /** Only while halted: etcd holds what it held at the {@link backup}; without one nothing at all. */
  async restore(): Promise<void> {
    await Deno.remove(`${this.directory}/etcd`, { recursive: true });
    const backup = `${this.directory}/backup`;
    if (exists(backup)) await run(["cp", "-a", backup, `${this.directory}/etcd`]);
  }

  /** A kubeconfig in the directory with this user; answers its path. */
  async writeKubeconfig(
    name: string,
    user: Readonly<Record<string, unknown>>,
    { server = this.url }: { readonly server?: string } = {},
  ): Promise<string> {
    const path = `${this.directory}/${name}.kubeconfig`;
    const cluster = { server, "certificate-authority": "ca.crt" };
    await Deno.writeTextFile(
      path,
      JSON.stringify({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{ name: "test", cluster }],
        "users": [{ name, user }],
        "contexts": [{ name: "test", context: { cluster: "test", user: name } }],
      }),
    );
    return path;
  }

  /** Path of the administrator's kubeconfig. */
  get adminKubeconfig(): string {
    return `${this.directory}/admin.kubeconfig`;
  }

  /** What a person types before the arguments of kubectl. */
  kubectlCommand(kubeconfig: string = this.adminKubeconfig): [string, ...string[]] {
    return [this.#program, "kubectl", `--kubeconfig=${kubeconfig}`];
  }

  /** Runs kubectl as the administrator; objects (`apply -f -`) go to its input. Answers its output. */
  async kubectl(args: readonly string[], objects: readonly unknown[] = []): Promise<string> {
    const [program, ...first] = this.kubectlCommand();
    const child = new Deno.Command(program, {
      args: [...first, ...args],
      env: { HOME: this.directory },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(objects.map((o) => JSON.stringify(o)).join("\n")));
    await writer.close();
    const { success, stdout, stderr } = await child.output();
    const [output, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    if (!success) throw new Error(`kubectl ${args.join(" ")}: ${errors!.trim()}`);
    return output!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const door of this.#doors) await door[Symbol.asyncDispose]();
    await this.halt();
    await Deno.remove(this.directory, { recursive: true });
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
