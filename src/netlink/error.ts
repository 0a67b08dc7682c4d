/** What can go wrong with netlink: the kernel says no, its answer is malformed, a value has no encoding. */

import {
  EACCES,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EBUSY,
  EEXIST,
  ENODEV,
  ENOENT,
  EOPNOTSUPP,
  EPERM,
  EPROTONOSUPPORT,
  errnoName,
  ESRCH,
} from "../os/errno.ts";

export interface NetlinkErrorFields {
  /** What was tried on what: `add route 10.4.0.0/24`. */
  readonly operation: string;
  /** Positive. */
  readonly errno: number;
  /**
   * `refused`: it was not done. `unknown`: the answer was lost (`ENOBUFS`), it may be done or not,
   * the state must be read again. Default: `refused`.
   */
  readonly outcome?: "refused" | "unknown";
  /** The kernel's own words (`NLMSGERR_ATTR_MSG`). */
  readonly kernelMessage?: string | undefined;
  /** Where in the request, counted from its header, the attribute at fault starts (`NLMSGERR_ATTR_OFFS`). */
  readonly attributeOffset?: number | undefined;
  /** `nlmsg_seq` of the request. */
  readonly sequence?: number | undefined;
}

/** The kernel refused a request, a system call on the socket failed, or an answer was lost. */
export class NetlinkError extends Error {
  override readonly name = "NetlinkError";
  readonly operation: string;
  readonly errno: number;
  /** `EEXIST` and the like. */
  readonly code: string;
  readonly outcome: "refused" | "unknown";
  readonly kernelMessage: string | undefined;
  readonly attributeOffset: number | undefined;
  readonly sequence: number | undefined;

  constructor(fields: NetlinkErrorFields) {
    const code = errnoName(fields.errno);
    const words = fields.kernelMessage ? ` (${fields.kernelMessage})` : "";
    const unknown = fields.outcome === "unknown" ? "answer lost, outcome unknown: " : "";
    super(`${fields.operation}: ${unknown}${code}${words}`);
    this.operation = fields.operation;
    this.errno = fields.errno;
    this.code = code;
    this.outcome = fields.outcome ?? "refused";
    this.kernelMessage = fields.kernelMessage;
    this.attributeOffset = fields.attributeOffset;
    this.sequence = fields.sequence;
  }

  /** Something named in the request does not exist: links, addresses, routes and objects each have a number. */
  isNotFound(): boolean {
    return [ENOENT, ESRCH, ENODEV, EADDRNOTAVAIL].includes(this.errno);
  }

  isExists(): boolean {
    return this.errno === EEXIST;
  }

  isPermission(): boolean {
    return this.errno === EPERM || this.errno === EACCES;
  }

  isBusy(): boolean {
    return this.errno === EBUSY;
  }

  /** This kernel lacks the feature, device kind or protocol. */
  isUnsupported(): boolean {
    return [EOPNOTSUPP, EPROTONOSUPPORT, EAFNOSUPPORT].includes(this.errno);
  }

  isOutcomeUnknown(): boolean {
    return this.outcome === "unknown";
  }
}

/** Bytes that are no well-formed message or attribute: never expected from a kernel. */
export class MalformedError extends Error {
  override readonly name = "MalformedError";
  readonly problem: string;
  /** The attributes it is in, outermost first. */
  readonly path: readonly string[];

  constructor(problem: string, path: readonly string[] = []) {
    super(path.length > 0 ? `${path.join(".")}: ${problem}` : problem);
    this.problem = problem;
    this.path = path;
  }

  /** The same, seen from the attribute around it. */
  inside(name: string): MalformedError {
    return new MalformedError(this.problem, [name, ...this.path]);
  }
}

/** A value that a message cannot carry: a number out of range, an attribute above 65,535 bytes. */
export class UnencodableError extends Error {
  override readonly name = "UnencodableError";
}
