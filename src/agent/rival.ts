/**
 * Does another agent stand for the same Node? Two machines with one name (a cloned disk, a copied
 * flag) each put their own key back, and all other nodes follow each time. Noticed by annotations
 * that somebody keeps changing back, and by check-ins that are not ours.
 *
 * ```
 *            5 rewrites in a minute              the pause is over
 *  REPAIRS ─────────────────────────► PAUSES ─────────────────────► REPAIRS once, and pauses again,
 *     ▲                                                             twice as long, if that is undone
 *     └────────────── nothing was undone for ten minutes ◄──────────────────┘
 * ```
 */

import { ANNOTATIONS, type Strings } from "../mesh/object.ts";
import { CLEAN_UP_PATCH } from "../mesh/publish.ts";
import { quote } from "../net/text.ts";
import { type Warning, warning } from "../net/warning.ts";

/** Rewrites of the same text within the window, in milliseconds, after which there is a pause. */
const LIMIT = 5;
const WINDOW = 60_000;

/** Milliseconds: the first pause and the longest. */
const FIRST_PAUSE = 10_000;
const LONGEST_PAUSE = 5 * 60_000;

/** Milliseconds after the last rewrite, or check-in of the other, after which all is well again. */
const MEMORY = 10 * 60_000;

/** Check-ins of another agent within {@link CHECK_IN_WINDOW} ms: one may be a person's, or a restored backup. */
const STRANGE_CHECK_INS = 2;
const CHECK_IN_WINDOW = 3 * 60_000;

/** As many of our own check-ins are remembered as a server may show late. */
const REMEMBERED = 20;

/** What an agent writes, its check-ins excepted. */
const OWN_ANNOTATIONS: readonly string[] = Object.keys(CLEAN_UP_PATCH)
  .filter((name) => name !== ANNOTATIONS.lastSeen);

/** The public key and the endpoint of a machine, as it would annotate them. */
interface Identity {
  readonly key: string;
  readonly endpoint: string;
}

/** Times are monotonic, in milliseconds. */
export class Rival {
  readonly #hostname: string;
  /** What we wrote last. */
  readonly #sent = new Map<string, string>();
  readonly #checkIns: string[] = [];
  #lastSeen: string | undefined;
  /** The key and the endpoint that we found in place of ours. */
  #theirs: Identity | undefined;
  #rewrites: number[] = [];
  #strangeCheckIns: number[] = [];
  #pause = 0;
  #pausedUntil = -Infinity;

  constructor(hostname: string) {
    this.#hostname = hostname;
  }

  /** The own Node's annotations are these now. */
  observe(annotations: Strings, now: number): void {
    const lastSeen = annotations[ANNOTATIONS.lastSeen];
    const isNew = lastSeen !== this.#lastSeen;
    this.#lastSeen = lastSeen;
    const isOthers = OWN_ANNOTATIONS.some((name) => {
      const sent = this.#sent.get(name);
      return sent !== undefined && annotations[name] !== undefined && annotations[name] !== sent;
    });
    const isStrange = isNew && lastSeen !== undefined && this.#checkIns.length > 0 &&
      !this.#checkIns.includes(lastSeen);
    if (isStrange) {
      this.#strangeCheckIns = within(CHECK_IN_WINDOW, this.#strangeCheckIns, now);
      this.#strangeCheckIns.push(now);
    }
    if (!isOthers && !isStrange) return;
    const { [ANNOTATIONS.key]: key = "", [ANNOTATIONS.endpoint]: endpoint = "" } = annotations;
    this.#theirs = { key, endpoint };
  }

  /** What of this patch may be sent now; what is contested waits while there is a pause. */
  admit(patch: Strings, now: number): Strings {
    if (now >= this.#pausedUntil) return patch;
    return Object.fromEntries(
      Object.entries(patch).filter(([name]) => !this.#isRewrite(patch, name)),
    );
  }

  /** This patch is about to be sent. */
  sending(patch: Strings, now: number): void {
    const lastSeen = patch[ANNOTATIONS.lastSeen];
    if (lastSeen !== undefined) {
      this.#checkIns.push(lastSeen);
      if (this.#checkIns.length > REMEMBERED) this.#checkIns.shift();
    }
    if (OWN_ANNOTATIONS.some((name) => this.#isRewrite(patch, name))) this.#rewrote(now);
    for (const name of OWN_ANNOTATIONS) {
      if (patch[name] !== undefined) this.#sent.set(name, patch[name]);
    }
  }

  /** We wrote this very text before, so somebody changed it since. */
  #isRewrite(patch: Strings, name: string): boolean {
    return patch[name] !== undefined && this.#sent.get(name) === patch[name];
  }

  #rewrote(now: number): void {
    const isKnown = now - this.#pausedUntil < MEMORY;
    this.#rewrites = [...within(WINDOW, this.#rewrites, now), now];
    if (!isKnown && this.#rewrites.length < LIMIT) return;
    this.#pause = isKnown ? Math.min(this.#pause * 2, LONGEST_PAUSE) : FIRST_PAUSE;
    this.#pausedUntil = now + this.#pause;
  }

  /** Milliseconds until {@link admit} lets everything pass again; undefined: it does. */
  nextResume(now: number): number | undefined {
    return now < this.#pausedUntil ? this.#pausedUntil - now : undefined;
  }

  /** What a person must know: names this machine's key and endpoint, and the other's. */
  warnings(ours: Identity, now: number): readonly Warning[] {
    const isPaused = now - this.#pausedUntil < MEMORY;
    const last = this.#strangeCheckIns.at(-1) ?? -Infinity;
    const isAnother = this.#strangeCheckIns.length >= STRANGE_CHECK_INS && now - last < MEMORY;
    if (!isPaused && !isAnother) return [];
    const who = isAnother ? "another agent" : "somebody else";
    const name = quote(this.#hostname);
    return [warning(
      "duplicate",
      `node ${this.#hostname}`,
      `${who} keeps writing to Node ${name}: it has ${
        describe(this.#theirs ?? ours)
      }, this machine ` +
        `${describe(ours)}; are there two machines with one name? Give one another --hostname`,
    )];
  }
}

/** Only the beginning of the public key: enough to tell two apart. */
function describe({ key, endpoint }: Identity): string {
  return `key ${key.slice(0, 6)}… and endpoint ${quote(endpoint)}`;
}

function within(window: number, times: readonly number[], now: number): number[] {
  return times.filter((time) => now - time < window);
}
