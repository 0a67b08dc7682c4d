/** YAML as kubectl reads it, and errors in it that quote nothing: the text may be a credential. */

import { CORE_SCHEMA, mergeTag, YAMLException } from "js-yaml";

/** With merge keys (`<<`), which js-yaml leaves out unless told otherwise. */
export const YAML_SCHEMA = CORE_SCHEMA.withTags(mergeTag);

/** What is wrong with a text, without any part of it. */
export interface YAMLFault {
  readonly reason: string;
  /** Counts from 1; undefined where there is none to name. */
  readonly line: number | undefined;
}

/** What js-yaml says, without its snippet of the text and without what it quotes but punctuation. */
export function explainYAMLError(error: unknown): YAMLFault {
  if (!(error instanceof YAMLException)) return { reason: "it cannot be read", line: undefined };
  const [reason] = error.reason.replaceAll(/'(\W)'/g, "$1").split(/["'`<!]|: (?=\S+$)/);
  return { reason: reason!.trim(), line: error.mark && error.mark.line + 1 };
}
