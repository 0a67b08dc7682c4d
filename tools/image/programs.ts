/**
 * The Go programs that go into images: CNI plugins and wireguard-go, static, of the versions in
 * packaging/programs/go.mod, checked by its go.sum. Built once for each state of those files.
 */

import { createHash } from "node:crypto";
import { run } from "../command.ts";
import { type Architecture, cacheDirectory } from "../denort.ts";
import { goFor } from "../go.ts";
import { exists } from "../provision.ts";
import { say } from "../terminal.ts";

const SOURCES = new URL("../../packaging/programs", import.meta.url).pathname;

const PLUGINS = "github.com/containernetworking/plugins/plugins";
/** Name in the image, and package. */
const PACKAGES = {
  "bridge": `${PLUGINS}/main/bridge`,
  "host-local": `${PLUGINS}/ipam/host-local`,
  "loopback": `${PLUGINS}/main/loopback`,
  "portmap": `${PLUGINS}/meta/portmap`,
  "wireguard-go": "golang.zx2c4.com/wireguard",
} as const;

export type ProgramName = keyof typeof PACKAGES;
export const PLUGIN_NAMES = ["bridge", "host-local", "loopback", "portmap"] as const;

export const GO_ARCHITECTURE = { x86_64: "amd64", aarch64: "arm64" } as const;

/** Paths of the programs; building them takes some seconds, and the Go module proxy. */
export async function goPrograms(
  architecture: Architecture,
): Promise<Readonly<Record<ProgramName, string>>> {
  const hash = createHash("sha256").update(architecture);
  for (const file of ["go.mod", "go.sum"]) hash.update(await Deno.readFile(`${SOURCES}/${file}`));
  const directory = `${cacheDirectory()}/programs-${hash.digest("hex").slice(0, 16)}`;
  if (!exists(directory)) {
    const partial = `${directory}.${Deno.pid}`;
    await build(partial, architecture);
    await Deno.rename(partial, directory);
  }
  return Object.fromEntries(
    Object.keys(PACKAGES).map((name) => [name, `${directory}/${name}`]),
  ) as Record<ProgramName, string>;
}

async function build(directory: string, architecture: Architecture): Promise<void> {
  const go = await goFor(await Deno.readTextFile(`${SOURCES}/go.mod`));
  say("building the CNI plugins and wireguard-go (once)");
  await Deno.mkdir(directory, { recursive: true });
  const env = {
    ...{ CGO_ENABLED: "0", GOTOOLCHAIN: "local", GOOS: "linux" },
    GOARCH: GO_ARCHITECTURE[architecture],
  };
  for (const [name, source] of Object.entries(PACKAGES)) {
    const output = `${directory}/${name}`;
    await run(
      [go, "build", "-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o", output, source],
      { cwd: SOURCES, env },
    );
  }
}
