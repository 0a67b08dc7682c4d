/** What the images are called: the one place that says it. Manifests are checked against it. */

import config from "../../deno.json" with { type: "json" };

/** The registry and folder that the images are pushed to; a cluster's owner puts their own here. */
export const REGISTRY = "registry.example.com/kilo";

/** `kg` → its full name, with the version as its tag. */
export function imageName(image: string): string {
  return `${REGISTRY}/${image}:${config.version}`;
}
