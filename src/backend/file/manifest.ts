/** The text of a manifest file as the values in it, in order; YAML documents and `List`s opened up. */

import { loadAll } from "js-yaml";
import { explainYAMLError, YAML_SCHEMA } from "../../net/yaml.ts";
import { findJSONError } from "./json_error.ts";

/** An object as it stands in the file, its shape unknown but for these two. */
export interface ManifestObject {
  readonly apiVersion: string | undefined;
  readonly kind: string;
  readonly value: unknown;
}

/** Text that is no manifest; the message never quotes values. */
export class ManifestError extends Error {
  override readonly name = "ManifestError";

  /** `line` counts from 1; undefined where there is none to name. */
  constructor(message: string, readonly line?: number) {
    super(message);
  }
}

/** Reads a manifest in JSON or YAML; throws {@link ManifestError}. */
export function parseManifest(text: string, format: "json" | "yaml"): ManifestObject[] {
  const documents = format === "json" ? [parseJSON(text)] : parseYAML(text);
  return documents.filter((value) => value !== null && value !== undefined).flatMap(open);
}

function parseJSON(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const { reason, line } = findJSONError(text);
    throw new ManifestError(reason, line);
  }
}

function parseYAML(text: string): unknown[] {
  try {
    return loadAll(text, { schema: YAML_SCHEMA });
  } catch (error) {
    const { reason, line } = explainYAMLError(error);
    throw new ManifestError(reason, line);
  }
}

/** A document's objects: itself, or the items of a list, whose kind they may leave out. */
function open(value: unknown, at: number): ManifestObject[] {
  if (!isRecord(value) || typeof value.kind !== "string") {
    throw new ManifestError(`document ${at + 1} is not an object with a kind`);
  }
  const { apiVersion, kind } = value;
  if (!kind.endsWith("List")) return [{ apiVersion: textOr(undefined, apiVersion), kind, value }];
  const items = value.items ?? [];
  if (!Array.isArray(items)) throw new ManifestError(`items of ${kind} is not a list`);
  const itemKind = kind.slice(0, -"List".length);
  return items.map((item, index) => {
    const own = isRecord(item) ? item : {};
    const object = {
      apiVersion: textOr(itemKind ? textOr(undefined, apiVersion) : undefined, own.apiVersion),
      kind: textOr(itemKind, own.kind) ?? "",
      value: item,
    };
    if (object.kind !== "") return object;
    throw new ManifestError(`item ${index + 1} of ${kind} is not an object with a kind`);
  });
}

function textOr(fallback: string | undefined, value: unknown): string | undefined {
  return typeof value === "string" ? value : fallback;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
