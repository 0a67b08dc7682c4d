/**
 * Requests and their answers over one socket.
 *
 * Everything is synchronous: the kernel works on requests while they are sent, so when the send
 * returns, all answers lie in the receive buffer (of a dump as many as fit, the rest follow as they
 * are received). An answer that is not there then will not come.
 */

import { sleep } from "../async/sleep.ts";
import { EINTR, ENOBUFS, ENOENT } from "../os/errno.ts";
import { MalformedError, NetlinkError } from "./error.ts";
import {
  type Message,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
  readAnswer,
  readMessages,
  type Request,
  requestAck,
  writeMessage,
} from "./message.ts";
import type { Transport } from "./transport.ts";
import { Writer } from "./writer.ts";

/** Bytes: below the send buffer that even an unprivileged socket has. */
const LARGEST_SEND = 128 << 10;
/** How often an interrupted dump is begun again. */
const DUMP_ATTEMPTS = 10;
/** Milliseconds of reading a large dump before others have their turn. */
const PIECE = 15;
/** Datagrams: far more than a dump has, but not for ever. */
const LONGEST_DRAIN = 10_000;

export interface ConnectionOptions {
  /** Told how many messages of a kind that may change something were handed to the kernel. */
  readonly onWrite?: (kind: string, count: number) => void;
}

/** What came back for some requests. */
interface Answers {
  /** Everything but acknowledgements and ends of dumps. */
  readonly messages: Message[];
  /** By the request's position: the end of its answer, with an error if it failed. */
  readonly ends: Map<number, { readonly type: number; readonly error: NetlinkError | undefined }>;
  /** Were answers dropped because the receive buffer was full? */
  lost: boolean;
  interrupted: boolean;
}

/** Owns its transport. */
export class Connection implements Disposable {
  readonly #transport: Transport;
  readonly #onWrite: (kind: string, count: number) => void;
  #sequence = 1;

  constructor(transport: Transport, options: ConnectionOptions = {}) {
    this.#transport = transport;
    this.#onWrite = options.onWrite ?? (() => {});
  }

  /** `nlmsg_pid` of the events that our own changes cause. */
  get portId(): number {
    return this.#transport.portId;
  }

  /**
   * Sends independent requests, many at once; returns for each what went wrong, or undefined.
   * None is sent if one of them cannot be encoded (UnencodableError).
   */
  execute(requests: readonly Request[]): (NetlinkError | undefined)[] {
    const { out, starts, first } = this.#encode(requests, 0);
    const results: (NetlinkError | undefined)[] = [];
    while (results.length < requests.length) {
      const from = results.length;
      const to = endOfSend(starts, from);
      const chunk = requests.slice(from, to);
      // Failures are always reported; the acknowledgement of the last shows that nothing is missing.
      requestAck(out, starts[to - 1]!);
      results.push(...this.#executeChunk(chunk, {
        bytes: out.bytes(starts[from], starts[to]),
        first: sequenceAt(first, from),
      }));
    }
    return results;
  }

  /**
   * Sends requests that belong together (a transaction of nf_tables, from `NFNL_MSG_BATCH_BEGIN` to
   * `_END`) in one piece; returns what the kernel has against it: nothing if it is done.
   */
  batch(requests: readonly Request[]): NetlinkError[] {
    const last = requests.at(-1);
    if (!last) return [];
    const { out, starts, first } = this.#encode(requests, 0);
    // Before Linux 6.10 the end of a batch is never acknowledged, so the one before it is too.
    for (const start of starts.slice(-3, -1)) requestAck(out, start);
    const refused = this.#trySend(out.bytes());
    if (refused) return [refused];
    this.#count(requests);
    const answers = this.#receiveAnswers(requests, first);
    const errors = [...answers.ends.values()].flatMap(({ error }) => error ?? []);
    if (errors.length > 0) return errors;
    return answers.lost || answers.ends.size === 0 ? [unknownOutcome(last)] : [];
  }

  /**
   * Everything that the request's `NLM_F_DUMP` lists; a NetlinkError if the kernel refuses. A
   * routing table that does not exist has nothing in it. What `keep` does not want is forgotten as it
   * is read.
   */
  dump(request: Request, { keep }: { keep?: (message: Message) => boolean } = {}): Message[] {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      const { answers, end } = this.#ask(request, { flags: NLM_F_DUMP, ...keep && { keep } });
      if (answers.interrupted) continue;
      const failure = failureOf(end);
      if (failure) throw failure;
      return answers.messages;
    }
    throw new NetlinkError({ operation: request.describe(), errno: EINTR });
  }

  /**
   * As {@link dump}, for what may be too large to be kept: `read` gets each message, which is valid
   * only during that call, and what it makes of them comes in pieces, between which others have their
   * turn. After an interruption all of it comes again. Nobody else may use the connection meanwhile.
   */
  async *dumpInPieces<T>(
    request: Request,
    read: (message: Message) => T | undefined,
  ): AsyncGenerator<T[], void> {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      const { out, first } = this.#encode([request], NLM_F_DUMP);
      this.#transport.send(out.bytes());
      if (yield* this.#readPieces(request, { first, read })) return;
    }
    throw new NetlinkError({ operation: request.describe(), errno: EINTR });
  }

  /** Returns false if the dump was interrupted. */
  async *#readPieces<T>(
    request: Request,
    { first, read }: {
      readonly first: number;
      readonly read: (message: Message) => T | undefined;
    },
  ): AsyncGenerator<T[], boolean> {
    const answers: Answers = { messages: [], ends: new Map(), lost: false, interrupted: false };
    let isComplete = false;
    try {
      while (!isComplete) {
        const piece: T[] = [];
        const end = performance.now() + PIECE;
        while (!isComplete && performance.now() < end) {
          const bytes = this.#receive({ shared: true });
          isComplete = bytes === undefined;
          if (bytes === "lost") answers.lost = true;
          else if (bytes) sortAnswers(readMessages(bytes), { requests: [request], first, answers });
          for (const message of answers.messages.splice(0)) {
            const value = read(message);
            if (value !== undefined) piece.push(value);
          }
        }
        if (piece.length > 0) yield piece;
        if (!isComplete) await sleep(0);
      }
    } finally {
      if (!isComplete) this.#drain();
    }
    const end = answers.ends.get(0);
    if (!end || answers.lost) throw unknownOutcome(request);
    if (answers.interrupted) return false;
    const failure = failureOf(end);
    if (failure) throw failure;
    return true;
  }

  /** The one message that answers a request; a NetlinkError if the kernel refuses. */
  get(request: Request): Message {
    const { answers, end } = this.#ask(request, { flags: NLM_F_ACK });
    if (end.error) throw end.error;
    const [message] = answers.messages;
    if (message) return message;
    throw new MalformedError(`${request.describe()}: acknowledged without an answer`);
  }

  [Symbol.dispose](): void {
    this.#transport[Symbol.dispose]();
  }

  #encode(requests: readonly Request[], flags: number) {
    const first = this.#sequence;
    this.#sequence = sequenceAt(first, requests.length);
    const out = new Writer();
    const starts = requests.map((request, index) => {
      const start = out.length;
      writeMessage(out, request, { sequence: sequenceAt(first, index), flags });
      return start;
    });
    return { out, starts: [...starts, out.length], first };
  }

  #executeChunk(
    requests: readonly Request[],
    encoded: { readonly bytes: Uint8Array<ArrayBuffer>; readonly first: number },
  ): (NetlinkError | undefined)[] {
    const refused = this.#trySend(encoded.bytes);
    if (refused) {
      const { errno } = refused;
      return requests.map((it) => new NetlinkError({ operation: it.describe(), errno }));
    }
    this.#count(requests);
    const { ends, lost } = this.#receiveAnswers(requests, encoded.first);
    const complete = ends.has(requests.length - 1) && !lost;
    return requests.map((request, index) =>
      ends.get(index)?.error ?? (complete ? undefined : unknownOutcome(request))
    );
  }

  #trySend(bytes: Uint8Array<ArrayBuffer>): NetlinkError | undefined {
    try {
      this.#transport.send(bytes);
      return undefined;
    } catch (error) {
      if (error instanceof NetlinkError) return error;
      throw error;
    }
  }

  #ask(
    request: Request,
    { flags, keep }: { readonly flags: number; readonly keep?: (message: Message) => boolean },
  ) {
    const { out, first } = this.#encode([request], flags);
    this.#transport.send(out.bytes());
    const answers = this.#receiveAnswers([request], first, keep);
    const end = answers.ends.get(0);
    if (!end || answers.lost) throw unknownOutcome(request);
    return { answers, end };
  }

  /** Receives until nothing is left, so that the next exchange begins with an idle socket. */
  #receiveAnswers(
    requests: readonly Request[],
    first: number,
    keep?: (message: Message) => boolean,
  ): Answers {
    const answers: Answers = { messages: [], ends: new Map(), lost: false, interrupted: false };
    try {
      for (;;) {
        const bytes = this.#receive();
        if (bytes === undefined) return answers;
        if (bytes === "lost") answers.lost = true;
        else sortAnswers(readMessages(bytes), { requests, first, answers, ...keep && { keep } });
      }
    } catch (error) {
      this.#drain();
      throw error;
    }
  }

  #receive(options?: { readonly shared: boolean }): Uint8Array<ArrayBuffer> | "lost" | undefined {
    try {
      return this.#transport.receive(options);
    } catch (error) {
      if (error instanceof NetlinkError && error.errno === ENOBUFS) return "lost";
      throw error;
    }
  }

  /** After an answer that could not be read: a dump left in the middle would make the next one `EBUSY`. */
  #drain(): void {
    for (let turn = 0; turn < LONGEST_DRAIN; turn++) {
      try {
        if (this.#receive() === undefined) return;
      } catch {
        // What is thrown is the error that led here.
      }
    }
  }

  #count(requests: readonly Request[]): void {
    const counts = new Map<string, number>();
    for (const { kind } of requests) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    for (const [kind, count] of counts) this.#onWrite(kind, count);
  }
}

/** A routing table that does not exist has nothing in it. */
function failureOf(
  { type, error }: { readonly type: number; readonly error?: NetlinkError | undefined },
) {
  return type === NLMSG_DONE && error?.errno === ENOENT ? undefined : error;
}

function sortAnswers(
  messages: readonly Message[],
  to: {
    readonly requests: readonly Request[];
    readonly first: number;
    readonly answers: Answers;
    readonly keep?: (message: Message) => boolean;
  },
): void {
  const { requests, first, answers, keep = () => true } = to;
  for (const message of messages) {
    const index = (message.sequence - first) >>> 0;
    const request = requests[index];
    if (!request) continue; // of an exchange that was given up
    if (message.flags & NLM_F_DUMP_INTR) answers.interrupted = true;
    if (message.type === NLMSG_ERROR || message.type === NLMSG_DONE) {
      const error = readAnswer(message, () => request.describe());
      answers.ends.set(index, { type: message.type, error });
    } else if (keep(message)) {
      answers.messages.push(message);
    }
  }
}

/** The first message after `from` that no longer fits into the same send. */
function endOfSend(starts: readonly number[], from: number): number {
  let to = from + 1;
  while (to + 1 < starts.length && starts[to + 1]! - starts[from]! <= LARGEST_SEND) to++;
  return to;
}

/** Sequence numbers are 32 bit. */
function sequenceAt(first: number, offset: number): number {
  return (first + offset) >>> 0;
}

function unknownOutcome(request: Request): NetlinkError {
  return new NetlinkError({ operation: request.describe(), errno: ENOBUFS, outcome: "unknown" });
}
