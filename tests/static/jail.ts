/** An empty read-only root: nothing in it but one program, and /proc. */

import { Namespace, type Output } from "../lab/namespace.ts";

/** Where it lies in its own mount namespace. */
const ROOT = "/mnt";

export class Jail {
  private constructor(readonly namespace: Namespace) {}

  /** A jail with this program as `/kg`; `kgctl` is a link to it. Directories in it are writable. */
  static async open(
    program: string,
    { directories = [] }: { readonly directories?: readonly string[] } = {},
  ): Promise<Jail> {
    const namespace = await Namespace.open("st-jail", `mount -t tmpfs -o mode=755 jail ${ROOT}`);
    try {
      const inside = ["proc", ...directories].map((name) => `${ROOT}/${name}`);
      await namespace.exec(["mkdir", "-p", ...inside]);
      await namespace.exec(["touch", `${ROOT}/kg`]);
      await namespace.exec(["ln", "-s", "kg", `${ROOT}/kgctl`]);
      await namespace.exec(["mount", "-t", "proc", "proc", `${ROOT}/proc`]);
      await namespace.exec(["mount", "--bind", program, `${ROOT}/kg`]);
      await namespace.exec(["mount", "-o", "remount,bind,ro", `${ROOT}/kg`]);
      await namespace.exec(["mount", "-o", "remount,ro", ROOT]);
      for (const path of inside.slice(1)) {
        await namespace.exec(["mount", "-t", "tmpfs", "own", path]);
      }
      return new Jail(namespace);
    } catch (error) {
      await Namespace.end([namespace]);
      throw error;
    }
  }

  /** The command line that runs a program of the jail in it, as a container would: no environment but PATH. */
  command(...args: readonly string[]): string[] {
    return ["env", "-i", "PATH=/usr/sbin:/usr/bin", "chroot", ROOT, ...args];
  }

  /** Runs a program of the jail in it. */
  async run(...args: readonly string[]): Promise<Output> {
    return await this.namespace.try(this.command(...args));
  }

  /** The same with an empty /proc. */
  async runWithoutProc(...args: readonly string[]): Promise<Output> {
    const script = `umount ${ROOT}/proc && exec "$@"`;
    return await this.namespace.try(
      ["unshare", "--mount", "sh", "-c", script, "sh", ...this.command(...args)],
    );
  }

  /** Where a file of the jail lies in its mount namespace. */
  inside(path: string): string {
    return `${ROOT}${path}`;
  }

  /** The path by which the outside sees the jail's file. */
  path(inside: string): string {
    return this.namespace.path(`${ROOT}${inside}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Namespace.end([this.namespace]);
  }
}
