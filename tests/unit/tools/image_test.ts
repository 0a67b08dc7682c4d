import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { zstdDecompressSync } from "node:zlib";
import { ociArchive } from "../../../tools/image/oci.ts";
import { type Entry, tar } from "../../../tools/image/tar.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const FILES: readonly Entry[] = [
  { path: "opt/bin/kg", content: encode("program") },
  { path: "opt/bin/kgctl", content: { linkTo: "kg" } },
  { path: "etc/note", content: encode("x".repeat(513)), mode: 0o644 },
];

/** What the system's tar makes of an archive, without times. */
async function list(archive: Uint8Array<ArrayBuffer>): Promise<string[]> {
  const child = new Deno.Command("tar", {
    args: ["--list", "--verbose", "--numeric-owner", "--file=-"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(archive);
  await writer.close();
  const { stdout } = await child.output();
  return new TextDecoder().decode(stdout).trimEnd().split("\n")
    .map((line) => line.replace(/ \S+ \S+ (?=\S+( ->|$))/, " ").replace(/ {2,}/g, " "));
}

/** Contents of an archive's files by path. */
function read(archive: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const text = (at: number, length: number) =>
    new TextDecoder().decode(archive.subarray(at, at + length)).replace(/\0.*$/s, "");
  for (let at = 0; archive[at] !== 0;) {
    const size = parseInt(text(at + 124, 12), 8);
    files.set(text(at, 100), archive.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}

Deno.test("tar() writes what tar reads: root's files, links, their sizes and directories", async () => {
  assert.deepEqual(await list(tar(FILES)), [
    "drwxr-xr-x 0/0 0 etc/",
    "-rw-r--r-- 0/0 513 etc/note",
    "drwxr-xr-x 0/0 0 opt/",
    "drwxr-xr-x 0/0 0 opt/bin/",
    "-rwxr-xr-x 0/0 7 opt/bin/kg",
    "lrwxrwxrwx 0/0 0 opt/bin/kgctl -> kg",
  ]);
});

Deno.test("tar() gives equal bytes whatever the order, and refuses a path that does not fit", () => {
  assert.deepEqual(tar(FILES.toReversed()), tar(FILES));
  assert.throws(() => tar([{ path: "x".repeat(101), content: encode("") }]), /more than 100 bytes/);
});

Deno.test("ociArchive() makes an image layout whose digests and sizes are right", () => {
  const { bytes, unpacked } = ociArchive(FILES, {
    name: "registry.example.com/kilo/kg:1.2.3",
    architecture: "arm64",
    entrypoint: ["/opt/bin/kg"],
    labels: { "org.opencontainers.image.title": "kg" },
  });
  const files = read(bytes);
  const parse = (path: string) => JSON.parse(new TextDecoder().decode(files.get(path)));
  const blob = ({ digest, size }: { digest: string; size: number }) => {
    const path = `blobs/${digest.replace(":", "/")}`;
    const content = files.get(path)!;
    assert.equal(content.length, size, path);
    assert.equal(`sha256:${createHash("sha256").update(content).digest("hex")}`, digest);
    return path;
  };
  assert.deepEqual(parse("oci-layout"), { imageLayoutVersion: "1.0.0" });
  const [entry] = parse("index.json").manifests;
  assert.equal(entry.annotations["io.containerd.image.name"], "registry.example.com/kilo/kg:1.2.3");
  assert.equal(entry.annotations["org.opencontainers.image.ref.name"], "1.2.3");
  const manifest = parse(blob(entry));
  const config = parse(blob(manifest.config));
  assert.deepEqual([config.architecture, config.config.Entrypoint], ["arm64", ["/opt/bin/kg"]]);
  const layer = zstdDecompressSync(files.get(blob(manifest.layers[0]))!);
  assert.equal(layer.length, unpacked);
  assert.deepEqual(new Uint8Array(layer), tar(FILES));
  const digest = createHash("sha256").update(layer).digest("hex");
  assert.deepEqual(config.rootfs.diff_ids, [`sha256:${digest}`]);
});
