/** Kubernetes' question whether a Peer may be stored (AdmissionReview, admission.k8s.io/v1), and the answer. */

import { asPeerObject, ObjectShapeError, type PeerObject } from "../mesh/object.ts";
import { InvalidPeerError, parsePeer } from "../mesh/read_peer.ts";

const KIND = { kind: "AdmissionReview", apiVersion: "admission.k8s.io/v1" } as const;

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
  const question = fieldsOf(parse(text), "the body");
  if (question.kind !== KIND.kind || question.apiVersion !== KIND.apiVersion) {
    throw new ReviewError("only API v1 is supported");
  }
  const request = fieldsOf(question.request, "request");
  const uid = textOf(request.uid, "request.uid");
  const operation = textOf(request.operation, "request.operation");
  const name = textOf(request.name, "request.name");
  // What is deleted need not be valid: else nobody could delete what is not.
  const message = operation === "DELETE" ? undefined : whyNot(peerOf(request.object));
  const status = message === undefined ? {} : { status: { metadata: {}, message } };
  return {
    operation,
    name,
    answer: { ...KIND, response: { uid, allowed: message === undefined, ...status } },
  };
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

/** The Peer, which may have no name yet: it is told apart by nothing here. */
function peerOf(value: unknown): PeerObject {
  const object = fieldsOf(value, "request.object");
  const metadata = isThere(object.metadata)
    ? fieldsOf(object.metadata, "request.object: metadata")
    : {};
  try {
    return asPeerObject({ ...object, metadata: { ...metadata, name: metadata.name || "unnamed" } });
  } catch (error) {
    if (!(error instanceof ObjectShapeError)) throw error;
    throw new ReviewError(`request.object is not a Peer: ${error.message}`);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ReviewError("the body is not JSON"); // V8's words would quote it, keys and all
  }
}

type Fields = Readonly<Record<string, unknown>>;

function isThere(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function fieldsOf(value: unknown, path: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw new ReviewError(`${path} is ${isThere(value) ? "not an object" : "missing"}`);
}

function textOf(value: unknown, path: string): string {
  if (!isThere(value)) return "";
  if (typeof value === "string") return value;
  throw new ReviewError(`${path} is not a string`);
}
