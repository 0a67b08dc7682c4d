/** Writing and removing status files, as root, where others may put what they like. */

import { ifThere } from "../../files/replace.ts";
import type { Strings } from "../../mesh/object.ts";
import { OpenDirectory } from "../../os/directory.ts";
import { formatStatus } from "./status.ts";

/**
 * Puts the annotations of a Node into its status file; makes the directory if need be. No link is
 * followed; the mode of a file that is there stays. Throws what the system says.
 */
export async function writeStatus(
  directory: string,
  name: string,
  annotations: Strings,
): Promise<void> {
  await Deno.mkdir(directory).catch((error) => {
    // Never the directory around it: an empty one would mean that all objects are deleted.
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  });
  using open = await OpenDirectory.open(directory);
  const existing = await ifThere(() => Deno.lstat(`${directory}/${name}.yaml`));
  const mode = existing?.isFile ? (existing.mode ?? 0o644) & 0o777 : 0o644;
  await open.replace(`${name}.yaml`, formatStatus(name, annotations), { mode });
}

/** Removes a Node's status file, if there is one. Throws what the system says. */
export async function removeStatus(directory: string, name: string): Promise<void> {
  if (!await ifThere(() => Deno.lstat(`${directory}/${name}.yaml`))) return;
  const open = await OpenDirectory.open(directory);
  try {
    await open.remove(`${name}.yaml`);
  } finally {
    open[Symbol.dispose](); // the minifier loses a `using` that is used once, at once
  }
}
