/** The API server program (tests/k8s/apiserver), built once for each state of its sources. */

import { createHash } from "node:crypto";
import { run } from "../../tools/command.ts";
import { cacheDirectory } from "../../tools/denort.ts";
import { exists } from "../../tools/provision.ts";
import { Refusal, say } from "../../tools/terminal.ts";
import { goFor } from "../../tools/go.ts";

const SOURCES = new URL("apiserver", import.meta.url).pathname;

/** Of Kubernetes, as go.mod has it. */
const VERSION = "v1.36.3";

/** Path of the program, where it is or will be built. */
async function programPath(): Promise<string> {
  const hash = createHash("sha256").update(VERSION);
  for (const file of ["go.mod", "go.sum", "main.go"]) {
    hash.update(await Deno.readFile(`${SOURCES}/${file}`));
  }
  return `${cacheDirectory()}/apiserver-${VERSION}-${hash.digest("hex").slice(0, 16)}`;
}

/** Is it built? */
export async function hasApiServerProgram(): Promise<boolean> {
  return exists(await programPath());
}

/**
 * Path of the program; building it takes minutes, and the Go module proxy. A `Refusal` says why it
 * cannot be had here.
 */
export async function apiServerProgram(): Promise<string> {
  const path = await programPath();
  if (exists(path)) return path;
  const partial = `${path}.${Deno.pid}`;
  try {
    await build(partial);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const why = error.message.trim().split("\n").at(-1);
    throw new Refusal(`the API server cannot be built here: ${why}`);
  }
  await Deno.rename(partial, path);
  return path;
}

async function build(output: string): Promise<void> {
  const go = await goFor(await Deno.readTextFile(`${SOURCES}/go.mod`));
  say(`building the Kubernetes ${VERSION} API server (once, some minutes)`);
  await Deno.mkdir(cacheDirectory(), { recursive: true });
  const flags = `-s -w -X k8s.io/component-base/version.gitVersion=${VERSION}`;
  await run(
    ["nice", "-n", "19", go, "build", "-trimpath", "-ldflags", flags, "-o", output, "."],
    { cwd: SOURCES, env: { CGO_ENABLED: "0", GOTOOLCHAIN: "local" } },
  );
}
