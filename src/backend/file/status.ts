/**
 * `DIR/status/NAME.yaml`: a Node with the annotations that its agent would patch onto it. It is laid
 * over the Node in DIR, where only what people write is kept.
 */

import { parseEndpoint } from "../../net/endpoint.ts";
import { parsePrefix } from "../../net/prefix.ts";
import { CLEAN_UP_PATCH } from "../../mesh/publish.ts";
import { ANNOTATIONS, type NodeObject, type Strings } from "../../mesh/object.ts";

/** What an agent says of its own node; anything else in a status file does not count. */
const PUBLISHED: ReadonlySet<string> = new Set(Object.keys(CLEAN_UP_PATCH));

/** The Node with its status laid over; a person's readable `endpoint` and `internal-ip` win. */
export function withStatus(node: NodeObject, status: Strings | undefined): NodeObject {
  if (!status) return node;
  const written = node.metadata.annotations ?? {};
  const annotations: Record<string, string> = { ...written };
  for (const [name, text] of Object.entries(status)) {
    if (PUBLISHED.has(name) && !isGiven(name, written[name])) annotations[name] = text;
  }
  return { ...node, metadata: { ...node.metadata, annotations } };
}

/** Does this annotation of a person's stand before the agent's? Unreadable text does not, as ever. */
function isGiven(name: string, text: string | undefined): boolean {
  if (text === undefined) return false;
  if (name === ANNOTATIONS.endpoint) return parseEndpoint(text) !== undefined;
  return name === ANNOTATIONS.internalIP && parsePrefix(text) !== undefined;
}

/** A node's annotations after a patch, null meaning away; undefined if none are left. */
export function patched(
  annotations: Strings | undefined,
  patch: Readonly<Record<string, string | null>>,
): Strings | undefined {
  const entries = Object.entries({ ...annotations, ...patch });
  const left = entries.filter((entry): entry is [string, string] => entry[1] !== null);
  return left.length === 0 ? undefined : Object.fromEntries(left);
}

/** The text of a status file: YAML whose values are quoted as JSON does, which YAML reads, too. */
export function formatStatus(name: string, annotations: Strings): string {
  const lines = Object.keys(annotations).sort()
    .map((key) => `    ${PLAIN.test(key) ? key : quoted(key)}: ${quoted(annotations[key]!)}\n`);
  const metadata = `metadata:\n  name: ${quoted(name)}\n  annotations:\n${lines.join("")}`;
  return `apiVersion: v1\nkind: Node\n${metadata}`;
}

/** The name of an annotation that means nothing else to YAML; all of ours. */
const PLAIN = /^[a-z][a-z.]*\/[a-z][a-z-]*$/;

/** Of what is beyond ASCII, some must not stand in YAML as it is. */
function quoted(text: string): string {
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(text).replace(/[^ -~]/g, escaped);
}
