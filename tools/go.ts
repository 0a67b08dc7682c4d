/** A Go toolchain that is new enough for what it shall build. */

import { run } from "./command.ts";
import { exists, provision } from "./provision.ts";
import { say } from "./terminal.ts";

/** Where Go's own installer puts it, often not on the PATH. */
const INSTALLED = "/usr/local/go/bin/go";

/** Modules whose versions are toolchains; Go itself fetches them so, but not before 1.21. */
const TOOLCHAIN = "golang.org/toolchain";

/**
 * Path of a `go` of at least the version that a go.mod asks for: the one of this machine, or one
 * from the Go module proxy, checked by the old one as any module is. A `Refusal` says why there is none.
 */
export async function goFor(mod: string): Promise<string> {
  const wanted = /^go (\d+\.\d+\.\d+)$/m.exec(mod)?.[1];
  if (wanted === undefined) throw new Error("go.mod does not say which Go it wants");
  if (!exists(INSTALLED)) await provision(["go"]);
  const go = exists(INSTALLED) ? INSTALLED : "go";
  const [, version, platform] = parseVersion(await run([go, "version"]));
  if (isAtLeast(version, wanted)) return go;
  say(`fetching Go ${wanted}, since the one here is ${version}`);
  const module = `${TOOLCHAIN}@v0.0.1-go${wanted}.${platform.replace("/", "-")}`;
  await run([go, "mod", "download", module]);
  const directory = `${(await run([go, "env", "GOMODCACHE"])).trim()}/${module}`;
  const programs = `${directory}/pkg/tool/${platform.replace("/", "_")}`;
  await run(["chmod", "--recursive", "u+x", `${directory}/bin`, programs]); // modules hold no programs
  return `${directory}/bin/go`;
}

/** Of `go version go1.26.0 linux/amd64`: all, the version, the platform. */
function parseVersion(text: string): readonly [string, string, string] {
  const match = /go(\d[\w.]*) .*?(\w+\/\w+)$/m.exec(text);
  if (!match) throw new Error(`go version says ${text}`);
  return match as unknown as [string, string, string];
}

function isAtLeast(version: string, wanted: string): boolean {
  const [ours, theirs] = [version, wanted].map((text) => text.split(".").map((n) => parseInt(n)));
  const at = theirs!.findIndex((number, at) => number !== (ours![at] ?? 0));
  return at < 0 || (ours![at] ?? 0) > theirs![at]!;
}
