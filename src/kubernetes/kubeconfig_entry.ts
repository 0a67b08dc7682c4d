/** An entry of a kubeconfig and its fields, which may be anything that YAML can say. */

import { ConfigError } from "./error.ts";

export type Fields = Readonly<Record<string, unknown>>;

/** A cluster, user or context, with what is needed to understand it. */
export interface Entry {
  readonly fields: Fields;
  /** `FILE: cluster "NAME"`, for messages. */
  readonly where: string;
  /** Relative paths start here. */
  readonly directory: string;
}

/** A field's text; empty is the same as not there. */
export function text(entry: Entry, name: string): string | undefined {
  const value = entry.fields[name];
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value === "string") return value;
  throw new ConfigError(`${entry.where}: ${name} is not a string`);
}

/** The items of a list; none if it is not there. */
export function items(entry: Entry, name: string): readonly unknown[] {
  const value = entry.fields[name] ?? [];
  if (Array.isArray(value)) return value;
  throw new ConfigError(`${entry.where}: ${name} is not a list`);
}

export function fromDirectory({ directory }: Entry, path: string): string {
  return path.startsWith("/") ? path : `${directory}/${path}`;
}

export function asFields(value: unknown, what: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw new ConfigError(`${what} is not an object`);
}
