/** What is in each image. */

import { debianPackages } from "../debian.ts";
import type { Architecture } from "../denort.ts";
import { goPrograms, PLUGIN_NAMES } from "./programs.ts";
import type { Entry } from "./tar.ts";

export const IMAGES = {
  "kg": {
    about: "Kilo agent: one encrypted network for a scattered cluster",
    entrypoint: ["/opt/bin/kg"],
    licenses: "Apache-2.0",
  },
  "kg-compat": {
    about: "Kilo agent with a shell, for the manifests of the original agent",
    entrypoint: ["/opt/bin/kg"],
    licenses: "Apache-2.0 AND GPL-2.0-only",
  },
  "wireguard-go": {
    about: "WireGuard for kernels without it",
    entrypoint: ["/usr/bin/wireguard-go"],
    licenses: "MIT",
  },
} as const;

export type ImageName = keyof typeof IMAGES;

/** What the init containers of the original's manifests start. */
const SHELL = ["cat", "cp", "ls", "mkdir", "mv", "rm", "sed", "sh"] as const;

interface Parts {
  readonly architecture: Architecture;
  /** Path of the built program. */
  readonly kg: string;
}

/** All files of an image. A `Refusal` says what cannot be had here. */
export async function imageFiles(image: ImageName, parts: Parts): Promise<readonly Entry[]> {
  switch (image) {
    case "kg":
      return await agentFiles(parts);
    case "kg-compat":
      return [...await agentFiles(parts), ...await shellFiles(parts.architecture)];
    case "wireguard-go": {
      const programs = await goPrograms(parts.architecture);
      const content = await Deno.readFile(programs["wireguard-go"]);
      return [{ path: "usr/bin/wireguard-go", content }];
    }
  }
}

async function agentFiles({ architecture, kg }: Parts): Promise<readonly Entry[]> {
  const programs = await goPrograms(architecture);
  return [
    { path: "opt/bin/kg", content: await Deno.readFile(kg) },
    { path: "opt/bin/kgctl", content: { linkTo: "kg" } },
    ...await Promise.all(PLUGIN_NAMES.map(async (name) => ({
      path: `opt/cni/bin/${name}`,
      content: await Deno.readFile(programs[name]),
    }))),
  ];
}

async function shellFiles(architecture: Architecture): Promise<readonly Entry[]> {
  const root = await debianPackages(["busybox-static"], architecture);
  return [
    { path: "bin/busybox", content: await Deno.readFile(`${root}/bin/busybox`) },
    ...SHELL.map((name) => ({ path: `bin/${name}`, content: { linkTo: "busybox" } })),
    // The original image is Alpine, where these are directories, and its manifests say /usr/bin too.
    { path: "usr/bin/env", content: { linkTo: "../../bin/busybox" } },
  ];
}
