/** The client of a userspace device: one connection to its socket for each request. */

import { deadline } from "../async/deadline.ts";
import type { DeviceState } from "../net/device.ts";
import type { Key } from "../net/key.ts";
import { EINVAL } from "../os/errno.ts";
import { type DeviceChange, isEmptyChange, withScratchPeer } from "./change.ts";
import { type WireGuardClient, WireGuardError, type WireGuardErrorReason } from "./client.ts";
import { generatePresharedKey } from "./key.ts";
import { withReplacedPeers } from "./replace.ts";
import {
  decodeErrno,
  DeviceDecoder,
  encodeSetRequests,
  GET_REQUEST,
  isWholeAnswer,
  UapiSyntaxError,
} from "./uapi.ts";

export interface UserspaceOptions {
  /** Where the sockets are; default `/var/run/wireguard`. */
  readonly directory?: string;
  /**
   * Milliseconds without a byte moving after which a request is given up; default 10,000. Reading is
   * given up sooner: others wait for it.
   */
  readonly timeout?: number;
}

interface Address {
  readonly path: string;
  readonly timeout: number;
}

/** Initial size of the receive buffer, in bytes; later that of the last answer. */
const ROOM = 64 * 1024;

/** Milliseconds for reading the device, which takes a tenth of a second with 5,000 peers. */
const READ_TIMEOUT = 3000;

/** Bytes of more than 100,000 peers; what sends more is not a WireGuard device. */
const MAX_ANSWER = 64 * 1024 * 1024;

/** A client for the device of this name. Does nothing until it is used. */
export function userspaceClient(name: string, options: UserspaceOptions = {}): WireGuardClient {
  const { directory = "/var/run/wireguard", timeout = 10_000 } = options;
  const path = `${directory}/${name}.sock`;
  const decoder = new DeviceDecoder();
  let room = ROOM;
  let ability: Ability = "unknown";

  async function read(): Promise<DeviceState> {
    const limit = Math.min(timeout, READ_TIMEOUT);
    const answer = await ask(GET_REQUEST, { path, timeout: limit, room });
    // The next will be about as long. In one piece it takes half the work.
    room = answer.length + ROOM;
    const state = decoder.decode(answer);
    // One of the other kind may have taken its place.
    ability = abilityOf(state);
    return state;
  }

  async function send(change: DeviceChange): Promise<void> {
    for (const request of encodeSetRequests(change)) await ask(request, { path, timeout });
  }

  async function replace(change: DeviceChange): Promise<readonly Key[]> {
    const { steps, reset } = withReplacedPeers(change, await read());
    for (const step of steps) await send(step);
    return reset;
  }

  async function apply(change: DeviceChange): Promise<readonly Key[]> {
    const { privateKey, ...rest } = change;
    if (ability === "unknown" && privateKey !== undefined) {
      await send({ privateKey, peers: [] });
      await read(); // what it shows of its key tells what it can
      return await applyBy(rest);
    }
    return await applyBy(change);
  }

  async function applyBy(change: DeviceChange): Promise<readonly Key[]> {
    if (isEmptyChange(change)) return [];
    if (ability === "replace") return await replace(change);
    try {
      await send(withScratchPeer(change, generatePresharedKey()));
      return [];
    } catch (error) {
      const isUpdate = change.peers.some(({ kind }) => kind === "update");
      const isRefused = error instanceof WireGuardError && error.errno === EINVAL;
      if (!isUpdate || !isRefused) throw error;
      return await replace(change);
    }
  }

  return {
    name,
    kind: "userspace",
    async read() {
      try {
        return await read();
      } catch (cause) {
        throw explain(`cannot read WireGuard device ${name} at ${path}`, cause);
      }
    },
    async apply(change) {
      if (isEmptyChange(change)) return [];
      try {
        return await apply(change);
      } catch (cause) {
        throw explain(`cannot configure WireGuard device ${name} at ${path}`, cause);
      }
    },
  };
}

/**
 * What a device can do with a peer that is there. `replace`: only remove it and add it again, as
 * BoringTun, which shows its public key in place of the private one. `unknown`: it has no key yet.
 */
type Ability = "unknown" | "update" | "replace";

function abilityOf({ privateKey, publicKey }: DeviceState): Ability {
  if (publicKey !== undefined) return "replace";
  return privateKey === undefined ? "unknown" : "update";
}

/** Sends a request and returns the answer, which says that it succeeded. */
async function ask(
  request: string,
  { path, timeout, room = ROOM }: Address & { readonly room?: number },
): Promise<string> {
  using session = new Session(await Deno.connect({ transport: "unix", path }), timeout);
  await session.send(request).catch((cause) => {
    // A device that refuses a line hangs up, but has answered.
    if (!(cause instanceof Deno.errors.BrokenPipe)) throw cause;
  });
  const answer = await session.receive(room);
  const errno = decodeErrno(answer);
  if (errno === 0) return answer;
  throw new WireGuardError(`the device answered errno ${errno}`, { reason: "refused", errno });
}

/** A connection that is cut when nothing moves for too long. */
class Session implements Disposable {
  readonly #connection: Deno.UnixConn;
  readonly #timeout: number;

  constructor(connection: Deno.UnixConn, timeout: number) {
    this.#connection = connection;
    this.#timeout = timeout;
  }

  async send(text: string): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) {
      at += await this.#watched(() => this.#connection.write(bytes.subarray(at)));
    }
  }

  /** Everything up to an empty line or the end of the connection; `room`: bytes to begin with. */
  async receive(room: number): Promise<string> {
    let buffer = new Uint8Array(room);
    let length = 0;
    while (!isWholeAnswer(buffer.subarray(0, length))) {
      if (length === buffer.length) buffer = grown(buffer);
      const count = await this.#watched(() => this.#connection.read(buffer.subarray(length)));
      if (count === null) break;
      length += count;
    }
    return new TextDecoder().decode(buffer.subarray(0, length));
  }

  /** Not by closing alone: a write that waits does not notice that. */
  async #watched<T>(step: () => Promise<T>): Promise<T> {
    const message = `no sign of life for ${this.#timeout / 1000} s`;
    const late = () => new WireGuardError(message, { reason: "timeout" });
    return await deadline(step(), { milliseconds: this.#timeout, what: "moving a byte", late });
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}

function grown(buffer: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (buffer.length >= MAX_ANSWER) throw new UapiSyntaxError("the answer never ends");
  const larger = new Uint8Array(buffer.length * 2);
  larger.set(buffer);
  return larger;
}

function explain(doing: string, cause: unknown): WireGuardError {
  if (cause instanceof WireGuardError) {
    return new WireGuardError(`${doing}: ${cause.message}`, cause);
  }
  const text = cause instanceof Error ? cause.message : String(cause);
  return new WireGuardError(`${doing}: ${text}`, { reason: reasonOf(cause), cause });
}

function reasonOf(cause: unknown): WireGuardErrorReason {
  const { NotFound, ConnectionRefused, PermissionDenied, NotCapable } = Deno.errors;
  // Refused: a socket that outlived its process.
  if (cause instanceof NotFound || cause instanceof ConnectionRefused) return "absent";
  if (cause instanceof PermissionDenied || cause instanceof NotCapable) return "denied";
  return cause instanceof UapiSyntaxError ? "malformed" : "broken";
}
