import assert from "node:assert/strict";
import { loadAll } from "js-yaml";
import { IMAGES } from "../../../tools/image/images.ts";
import { imageName } from "../../../tools/image/name.ts";

const MANIFESTS = new URL("../../../manifests/", import.meta.url);

/** Programs of others that our manifests run. */
const FOREIGN = ["registry.k8s.io/ingress-nginx/kube-webhook-certgen:v1.4.4"];

function filesIn(directory: URL): URL[] {
  return [...Deno.readDirSync(directory)].flatMap(({ name, isDirectory }) => {
    if (isDirectory) return filesIn(new URL(`${name}/`, directory));
    return /\.ya?ml$/.test(name) ? [new URL(name, directory)] : [];
  });
}

/** What the containers in an object run. */
function imagesIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, field]) =>
    key === "image" && typeof field === "string" ? [field] : imagesIn(field)
  );
}

Deno.test("manifests run our images by their full names, and others with a version", () => {
  const ours = Object.keys(IMAGES).map(imageName);
  const images = filesIn(MANIFESTS)
    .flatMap((file) => loadAll(Deno.readTextFileSync(file)).flatMap(imagesIn));
  assert.ok(images.includes(imageName("kg")));
  assert.deepEqual(images.filter((image) => !ours.includes(image) && !FOREIGN.includes(image)), []);
});
