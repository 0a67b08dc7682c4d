/**
 * `./denow task image`: container images as OCI archives in `dist`, made without a container tool.
 * With `--rootfs DIRECTORY` only their files, one folder an image: the Containerfile copies those.
 */

import config from "../../deno.json" with { type: "json" };
import { build } from "../build.ts";
import type { Architecture } from "../denort.ts";
import { bold, dim, main, Refusal, table } from "../terminal.ts";
import { imageFiles, type ImageName, IMAGES } from "./images.ts";
import { imageName } from "./name.ts";
import { ociArchive } from "./oci.ts";
import { GO_ARCHITECTURE } from "./programs.ts";
import type { Entry } from "./tar.ts";

const USAGE = `Usage: ./denow task image [--target x86_64|aarch64] [--rootfs DIRECTORY]

Writes dist/IMAGE-ARCHITECTURE.tar for ${Object.keys(IMAGES).join(", ")}.
--rootfs writes the files of each image to DIRECTORY/IMAGE instead.`;

const DIST = new URL("../../dist", import.meta.url).pathname;

interface Arguments {
  readonly target: Architecture;
  readonly rootfs?: string;
}

async function makeImages(): Promise<void> {
  if (Deno.args.includes("--help")) return console.log(USAGE);
  const { target, rootfs } = readArguments(Deno.args);
  const kg = await build(target);
  const rows = [["image", "unpacked", "zstd", ""]];
  for (const name of Object.keys(IMAGES) as ImageName[]) {
    const files = await imageFiles(name, { architecture: target, kg });
    if (rootfs !== undefined) {
      await writeFiles(`${rootfs}/${name}`, files);
      continue;
    }
    const architecture = GO_ARCHITECTURE[target];
    const archive = ociArchive(files, {
      ...{ name: imageName(name), architecture, entrypoint: IMAGES[name].entrypoint },
      labels: {
        "org.opencontainers.image.title": name,
        "org.opencontainers.image.description": IMAGES[name].about,
        "org.opencontainers.image.version": config.version,
        "org.opencontainers.image.licenses": IMAGES[name].licenses,
      },
    });
    const path = `${DIST}/${name}-${architecture}.tar`;
    await Deno.writeFile(path, archive.bytes);
    rows.push([bold(imageName(name)), mb(archive.unpacked), mb(archive.compressed), dim(path)]);
  }
  if (rootfs === undefined) console.log(table(rows));
}

async function writeFiles(directory: string, files: readonly Entry[]): Promise<void> {
  for (const { path, content, mode = 0o755 } of files) {
    const target = `${directory}/${path}`;
    await Deno.mkdir(target.slice(0, target.lastIndexOf("/")), { recursive: true });
    if (!(content instanceof Uint8Array)) await Deno.symlink(content.linkTo, target);
    else {
      await Deno.writeFile(target, content);
      await Deno.chmod(target, mode);
    }
  }
}

function readArguments(args: readonly string[]): Arguments {
  const given = new Map<string, string>();
  for (let at = 0; at < args.length; at++) {
    const [name, value = args[++at]] = args[at]!.split("=");
    if (value === undefined || !["--target", "--rootfs"].includes(name!)) throw new Refusal(USAGE);
    given.set(name!, value);
  }
  const target = given.get("--target") ?? Deno.build.arch;
  if (target !== "x86_64" && target !== "aarch64") {
    throw new Refusal(`--target ${target}: x86_64 and aarch64 can be built`);
  }
  const rootfs = given.get("--rootfs");
  return { target, ...rootfs !== undefined && { rootfs } };
}

function mb(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

if (import.meta.main) await main(makeImages);
