/**
 * An image as an OCI archive (OCI Image Format Specification 1.1): a tar with an image layout that
 * `ctr images import`, `skopeo` and `podman load` read. No program is needed to make one.
 */

import { createHash } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import { type Entry, tar } from "./tar.ts";

export interface ImageOptions {
  /** With its tag, as a pod's spec has it. */
  readonly name: string;
  /** As Go calls it. */
  readonly architecture: "amd64" | "arm64";
  readonly entrypoint: readonly string[];
  /** OCI annotations (`org.opencontainers.image.…`). */
  readonly labels: Readonly<Record<string, string>>;
}

export interface Archive {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bytes of the one layer. */
  readonly unpacked: number;
  readonly compressed: number;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** One layer of these files; equal arguments give equal bytes. */
export function ociArchive(files: readonly Entry[], options: ImageOptions): Archive {
  const { name, architecture, entrypoint, labels } = options;
  const blobs: Entry[] = [];
  const add = (mediaType: string, content: Uint8Array): Descriptor => {
    const digest = sha256(content);
    blobs.push({ path: `blobs/sha256/${digest}`, content, mode: 0o644 });
    return { mediaType, digest: `sha256:${digest}`, size: content.length };
  };
  const layer = tar(files);
  const compressed = zstdCompressSync(layer, { params: { [ZSTD_LEVEL]: 19 } });
  const layerBlob = add("application/vnd.oci.image.layer.v1.tar+zstd", compressed);
  const config = add(
    "application/vnd.oci.image.config.v1+json",
    json({
      architecture,
      os: "linux",
      config: { Entrypoint: entrypoint, Labels: labels },
      rootfs: { type: "layers", diff_ids: [`sha256:${sha256(layer)}`] },
      history: [{ created_by: "kg image" }],
    }),
  );
  const manifest = add(
    "application/vnd.oci.image.manifest.v1+json",
    json({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      ...{ config, layers: [layerBlob], annotations: labels },
    }),
  );
  const index = json({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [{
      ...manifest,
      platform: { architecture, os: "linux" },
      annotations: {
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": name.slice(name.lastIndexOf(":") + 1),
      },
    }],
  });
  const bytes = tar([
    ...blobs,
    { path: "index.json", content: index, mode: 0o644 },
    { path: "oci-layout", content: json({ imageLayoutVersion: "1.0.0" }), mode: 0o644 },
  ]);
  return { bytes, unpacked: layer.length, compressed: compressed.length };
}

/** `ZSTD_c_compressionLevel` of zstd.h. */
const ZSTD_LEVEL = 100;

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
