/** Kubernetes' question whether a Peer may be stored (AdmissionReview, admission.k8s.io/v1), and the answer. */

import {
  asPeerObject,
  fields,
  ObjectShapeError,
  optional,
  type PeerObject,
} from "../mesh/object.ts";
import { equalJson } from "./equal_json.ts";
import { InvalidPeerError, parsePeer } from "../mesh/read_peer.ts";

const KIND = { kind: "AdmissionReview", apiVersion: "admission.k8s.io/v1" } as const;

/** Values in a review: a Peer with more allowed IPs than etcd takes has a tenth of them. */
const MOST_VALUES = 1_000_000;

/** Character codes of `,`, `{` and `[`. */
const [COMMA, BRACE, BRACKET] = [44, 123, 91];

/** What was asked is not a review of a Peer; the message says why. */
export class ReviewError extends Error {
  override readonly name = "ReviewError";
}

export interface Answer extends Readonly<typeof KIND> {
  readonly response: {
    /** Of the question. */
    readonly uid: string;
    readonly allowed: boolean;
    /** Why not. */
    readonly status?: {
      readonly metadata: Readonly<Record<never, never>>;
      readonly message: string;
    };
  };
}

export interface Reviewed {
  /** `CREATE`, `UPDATE`, …; whatever the question says, empty if nothing. */
  readonly operation: string;
  /** The Peer's, as far as it has one yet. */
  readonly name: string;
  readonly answer: Answer;
}

/** Answers the question in this text; throws a {@link ReviewError} if it is none. */
export function review(text: string): Reviewed {
  try {
    return answer(parse(text));
  } catch (error) {
    if (error instanceof ObjectShapeError) throw new ReviewError(error.message);
    throw error;
  }
}

function parse(text: string): unknown {
  if (hasMoreValues(text)) throw new ReviewError(`the body has more than ${MOST_VALUES} values`);
  try {
    return JSON.parse(text);
  } catch {
    throw new ReviewError("the body is not JSON"); // V8's words would quote it, keys and all
  }
}

/** JSON of a few MB can be a few hundred of objects. What counts is what may separate values, also inside of text. */
function hasMoreValues(text: string): boolean {
  let count = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if ((code === COMMA || code === BRACE || code === BRACKET) && ++count > MOST_VALUES) {
      return true;
    }
  }
  return false;
}

function answer(question: unknown): Reviewed {
  const { kind, apiVersion, request } = fields(question, "the body");
  if (kind !== KIND.kind || apiVersion !== KIND.apiVersion) {
    throw new ReviewError("only API v1 is supported");
  }
  const { uid, operation, name, object, oldObject } = fields(request, "request");
  const isExempt = needsNoReview({ operation, object, oldObject });
  const message = isExempt ? undefined : whyNot(asPeer(object));
  const status = message === undefined ? {} : { status: { metadata: {}, message } };
  return {
    operation: optionalText(operation, "request.operation"),
    name: optionalText(name, "request.name"),
    answer: {
      ...KIND,
      response: {
        uid: optionalText(uid, "request.uid"),
        allowed: message === undefined,
        ...status,
      },
    },
  };
}

/**
 * Peers that were stored before anybody looked may be invalid. They must not get stuck: they can be
 * deleted, lose the finalizers that hold that up, and get labels.
 */
function needsNoReview(
  { operation, object, oldObject }: Readonly<Record<"operation" | "object" | "oldObject", unknown>>,
): boolean {
  if (operation === "DELETE") return true;
  if (operation !== "UPDATE" || !isRecord(object)) return false;
  if (isRecord(object.metadata) && (object.metadata.deletionTimestamp ?? "") !== "") return true;
  return isRecord(oldObject) && equalJson(object.spec, oldObject.spec);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What is wrong with the Peer. */
function whyNot(peer: PeerObject): string | undefined {
  try {
    parsePeer(peer);
    return undefined;
  } catch (error) {
    if (error instanceof InvalidPeerError) return error.message;
    throw error;
  }
}

/** The Peer, which may have no name yet; it does not matter here. */
function asPeer(value: unknown): PeerObject {
  const object = fields(value, "request.object");
  const metadata = fields(object.metadata ?? {}, "metadata");
  return asPeerObject({ ...object, metadata: { ...metadata, name: metadata.name || "unnamed" } });
}

/** As in Go, nothing and `null` are the empty text. */
function optionalText(value: unknown, path: string): string {
  optional("string", value, path);
  return value as string | undefined ?? "";
}
