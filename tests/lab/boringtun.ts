/** BoringTun, another userspace WireGuard: built once where cargo is there. */

import { run } from "../../tools/command.ts";
import { cacheDirectory } from "../../tools/denort.ts";
import { exists } from "../../tools/provision.ts";
import { Refusal, say } from "../../tools/terminal.ts";

const VERSION = "0.7.1";

/** Where the installer of Rust puts it, often not on the PATH. */
const INSTALLED = `${Deno.env.get("HOME") ?? "/root"}/.cargo/bin/cargo`;

/** Path of the program; building it takes a minute, and crates.io. Undefined, said why, where it cannot be had. */
export async function boringtun(): Promise<string | undefined> {
  const directory = `${cacheDirectory()}/boringtun-${VERSION}`;
  const program = `${directory}/bin/boringtun-cli`;
  if (exists(program)) return program;
  const cargo = exists(INSTALLED) ? INSTALLED : "cargo";
  try {
    say(`building BoringTun ${VERSION} (once, a minute)`);
    const what = ["--version", VERSION, "--root", directory, "boringtun-cli"];
    await run(["nice", "-n", "19", cargo, "install", "--locked", "--quiet", ...what]);
    return program;
  } catch (error) {
    if (!(error instanceof Refusal || error instanceof Deno.errors.NotFound)) throw error;
    say(`tests with BoringTun are skipped, since it cannot be built here: ${error.message}`);
    return undefined;
  }
}
