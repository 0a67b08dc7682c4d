/**
 * One agent an interface, and one a network namespace: two would take each other's routes and rules
 * for leftovers of their own.
 *
 * Each lock is an abstract unix socket and a locked file in the state directory, both gone with the
 * process. Anybody on the machine can bind such a socket; only root gets at the file. So a socket of
 * somebody else than root is ignored, with a warning, and the file decides.
 */

import { type Warning, warning } from "../net/warning.ts";
import { readSystemLink } from "../os/libc.ts";
import { bindAbstract, isHeld, lockFile, uidOfAbstract } from "../os/lock.ts";
import { describeError } from "../net/text.ts";
import { STATE_DIRECTORY } from "./state.ts";

/** Another agent runs here. */
export class LockedError extends Error {
  override readonly name = "LockedError";
}

export interface Lock extends Disposable {
  readonly warnings: readonly Warning[];
}

interface LockOptions {
  readonly directory?: string;
}

/** Holds the interface until disposed or the process ends; throws {@link LockedError}. */
export function lockInterface(name: string, options: LockOptions = {}): Lock {
  return hold({
    socket: `kilo/${name}`,
    file: `-${encodeURIComponent(name)}`,
    refusal: () => `another agent already runs on interface ${name} of this machine`,
    ...options,
  });
}

/** Holds the network namespace for an agent on this interface; throws {@link LockedError}. */
export function lockNamespace(interfaceName: string, options: LockOptions = {}): Lock {
  return hold({
    socket: "kilo",
    file: "",
    text: interfaceName,
    refusal: (other) =>
      `another agent already runs on this machine, on interface ${other ?? "of another name"}: ` +
      "the two would remove each other's routes",
    ...options,
  });
}

interface Holding extends LockOptions {
  readonly socket: string;
  /** End of its name. */
  readonly file: string;
  /** What the file shall say to others. */
  readonly text?: string;
  /** Takes what the file of another says. */
  readonly refusal: (other: string | undefined) => string;
}

function hold(holding: Holding): Lock {
  using held = new DisposableStack();
  const { directory = STATE_DIRECTORY, socket, refusal, text = "" } = holding;
  const path = `${directory}/lock-${namespaceId()}${holding.file}`;
  const refuse = () => new LockedError(refusal(textOf(path)));
  const warnings: Warning[] = [];
  let problem: unknown;
  try {
    Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
    held.use(lockFile(path));
  } catch (error) {
    if (isHeld(error)) throw refuse();
    problem = error;
  }
  try {
    held.use(bindAbstract(socket));
  } catch (error) {
    if (!isHeld(error)) throw error;
    const uid = uidOfAbstract(socket);
    if (uid === 0) throw refuse();
    if (problem) throw new Error(`@${socket} is bound by another user`, { cause: problem });
    const who = uid === undefined ? "somebody who does not answer" : `uid ${uid}`;
    warnings.push(
      warning("lock", `@${socket}`, `@${socket} is bound by ${who}, not root: ignored`),
    );
  }
  if (!problem) Deno.writeTextFileSync(path, text);
  else {
    const text = `${path} cannot be locked: ${describeError(problem)}`;
    warnings.push(warning("lock", path, text));
  }
  const all = held.move();
  return { warnings, [Symbol.dispose]: () => all.dispose() };
}

/** Of the thread's network namespace: the inode of `net:[4026531840]` (namespaces(7)). */
function namespaceId(): string {
  return readSystemLink("/proc/thread-self/ns/net").replace(/\D/g, "");
}

function textOf(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path).trim() || undefined;
  } catch {
    return undefined;
  }
}
