/** Debian's packages for any architecture, unpacked into the cache: nothing is installed. */

import { run } from "./command.ts";
import { type Architecture, cacheDirectory } from "./denort.ts";
import { exists, provision } from "./provision.ts";
import { say } from "./terminal.ts";

/** How Debian calls the architectures. */
const DEBIAN: Readonly<Record<Architecture, string>> = { x86_64: "amd64", aarch64: "arm64" };

/** For dpkg-query and dpkg-deb: a line with the package, its source package and that one's version. */
export const SOURCE = "${Package} ${source:Package} ${source:Version}\\n";

/**
 * A directory with the files of these packages and a list `sources` (lines as {@link SOURCE}),
 * fetched once by apt with a state of its own: this system's lists and architectures stay as they
 * are. `following` names more packages, once the first are unpacked.
 */
export async function debianPackages(
  names: readonly string[],
  architecture: Architecture,
  { following }: { readonly following?: (root: string) => Promise<readonly string[]> } = {},
): Promise<string> {
  const root = `${cacheDirectory()}/debian-${DEBIAN[architecture]}-${names.join("+")}`;
  if (exists(root)) return root;
  await provision(["apt", "dpkg"]);
  say(`fetching ${names.join(", ")} for ${architecture} (once)`);
  await Deno.mkdir(cacheDirectory(), { recursive: true });
  const work = await Deno.makeTempDir({ dir: cacheDirectory(), prefix: ".debian-" });
  try {
    const apt = await privateApt(work, DEBIAN[architecture]);
    await apt("update");
    await apt("download", ...names);
    await unpack(work);
    if (following) {
      await apt("download", ...await following(`${work}/root`));
      await unpack(work);
    }
    await Deno.rename(`${work}/root`, root);
    return root;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** apt-get for another architecture, in a directory; what it downloads comes into `debs` there. */
async function privateApt(
  directory: string,
  architecture: string,
): Promise<(...args: readonly string[]) => Promise<unknown>> {
  for (const name of ["lists", "cache", "debs"]) await Deno.mkdir(`${directory}/${name}`);
  await Deno.writeTextFile(`${directory}/status`, "");
  const options = [
    `Dir::State=${directory}`,
    `Dir::State::lists=${directory}/lists`,
    `Dir::State::status=${directory}/status`,
    `Dir::Cache=${directory}/cache`,
    `APT::Architecture=${architecture}`,
    `APT::Architectures=${architecture}`,
    "APT::Sandbox::User=",
  ].flatMap((option) => ["-o", option]);
  return (...args) => run(["apt-get", "-q", ...options, ...args], { cwd: `${directory}/debs` });
}

/** Unpacks all `debs` of a directory into its `root`, with a list of their sources. */
async function unpack(directory: string): Promise<void> {
  let sources = "";
  for (const { name } of Deno.readDirSync(`${directory}/debs`)) {
    const deb = `${directory}/debs/${name}`;
    await run(["dpkg-deb", "--extract", deb, `${directory}/root`]);
    sources += await run(["dpkg-deb", "--show", "--showformat", SOURCE, deb]);
  }
  await Deno.writeTextFile(`${directory}/root/sources`, sources);
}
