/** One question to one name server: a datagram (RFC 1035 section 4.2.1), or a TCP connection (4.2.2). */

import { onAbort, startTimer } from "../async/background.ts";
import { UDPSocket } from "../os/udp.ts";
import { type Answer, decodeAnswer, encodeQuestion, type Question } from "./message.ts";
import { formatServer, type Server } from "./resolv_conf.ts";

/** The server was not reached, or did not answer in time. */
export class UnansweredError extends Error {
  override readonly name = "UnansweredError";
}

export interface ExchangeOptions {
  /** Milliseconds. */
  readonly timeout: number;
  readonly signal: AbortSignal;
  /** 53, but in tests. */
  readonly port: number;
  readonly useTCP: boolean;
}

/** Asks over UDP, and over TCP if the answer does not fit. Throws a {@link UnansweredError}. */
export async function exchange(
  question: Question,
  server: Server,
  options: ExchangeOptions,
): Promise<Answer> {
  if (!options.useTCP) {
    const answer = await bounded(server, options, (end) => askUDP(question, server, options, end));
    if (answer.kind !== "truncated") return answer;
  }
  return await bounded(server, options, (end) => askTCP(question, server, options, end));
}

/** Registers what ends an attempt: its socket is closed whatever happens. */
type End = (close: () => void) => void;

/** Runs one attempt until it is done, its time is over, or the signal is aborted. */
async function bounded(
  server: Server,
  { timeout, signal }: ExchangeOptions,
  attempt: (end: End) => Promise<Answer>,
): Promise<Answer> {
  signal.throwIfAborted();
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const late = new UnansweredError(`${formatServer(server)} does not answer`);
  using stack = new DisposableStack();
  stack.use(onAbort(signal, "end a DNS question", () => reject(signal.reason)));
  const timer = startTimer(timeout, "end a DNS question", () => reject(late));
  stack.defer(() => clearTimeout(timer));
  return await Promise.race([ended, attempt((close) => stack.defer(close))]);
}

async function askUDP(
  question: Question,
  server: Server,
  { port }: ExchangeOptions,
  end: End,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  try {
    const socket = new UDPSocket({ ...server, port }, {
      received(datagram) {
        const answer = decodeAnswer(datagram, question);
        if (answer) resolve(answer);
      },
      failed: reject,
    });
    end(() => socket[Symbol.dispose]());
    socket.send(encodeQuestion(question));
    return await promise;
  } catch (error) {
    throw unreachable(server, error);
  }
}

async function askTCP(
  question: Question,
  server: Server,
  { port }: ExchangeOptions,
  end: End,
): Promise<Answer> {
  const ending = new AbortController();
  let connection: Deno.Conn | undefined;
  end(() => {
    ending.abort();
    connection?.close();
  });
  try {
    connection = await Deno.connect({
      hostname: formatServer(server),
      port,
      signal: ending.signal,
    });
    if (ending.signal.aborted) connection.close();
    const message = encodeQuestion(question);
    const framed = new Uint8Array(2 + message.length);
    new DataView(framed.buffer).setUint16(0, message.length);
    framed.set(message, 2);
    for (let at = 0; at < framed.length;) at += await connection.write(framed.subarray(at));
    const length = new DataView((await read(connection, 2)).buffer).getUint16(0);
    const answer = decodeAnswer(await read(connection, length), question);
    if (answer && answer.kind !== "truncated") return answer;
    return { kind: "failure", why: "an answer that is none" };
  } catch (error) {
    throw unreachable(server, error);
  }
}

async function read(connection: Deno.Conn, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await connection.read(bytes.subarray(at));
    if (count === null) throw new Error("the connection ended early");
    at += count;
  }
  return bytes;
}

function unreachable(server: Server, cause: unknown): UnansweredError {
  if (cause instanceof UnansweredError) return cause;
  return new UnansweredError(`${formatServer(server)} is not reached`, { cause });
}
