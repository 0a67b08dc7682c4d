/** Who checks in is never given up, and who is dead always leaves in time, whatever happens to our view. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { type Moment, Staleness } from "../../src/mesh/staleness.ts";

/** Unix seconds of second 0. */
const START = 1_795_425_492;
const PERIOD = 30;

/** Something that happens for so many seconds: to our watch, to the server (nobody can check in), or nothing. */
interface Spell {
  readonly kind: "well" | "reset" | "cut" | "outage" | "lag";
  readonly seconds: number;
}

const spells = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("well" as const), seconds: fc.integer({ min: 1, max: 120 }) }),
    fc.record({ kind: fc.constant("reset" as const), seconds: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ kind: fc.constant("cut" as const), seconds: fc.integer({ min: 1, max: 200 }) }),
    fc.record({ kind: fc.constant("outage" as const), seconds: fc.integer({ min: 1, max: 200 }) }),
    fc.record({ kind: fc.constant("lag" as const), seconds: fc.integer({ min: 1, max: 60 }) }),
  ),
  { minLength: 1, maxLength: 40 },
);

/** Seconds by which events are late in a spell of lag. */
const LAG = 15;

class World {
  readonly staleness = new Staleness();
  second = 0;
  /** Of the node: when it last checked in, and what of that we have seen. */
  lastSeen = START;
  #seen = START;
  #nextCheckIn = PERIOD;
  #lateNews: { readonly at: number; readonly lastSeen: number }[] = [];
  /** Seconds of live view since the node's last check-in reached us. */
  liveSince = 0;

  constructor(readonly isAlive: (second: number) => boolean) {
    this.staleness.observe("n", START, this.#moment(true));
  }

  /** Answers whether the node was given up in this second. */
  tick(kind: Spell["kind"]): boolean {
    this.second++;
    const isUp = kind !== "outage";
    const isLive = kind === "well" || kind === "lag";
    if (this.isAlive(this.second) && this.second >= this.#nextCheckIn) {
      // What cannot be sent is tried again each 10 s.
      this.#nextCheckIn = this.second + (isUp ? PERIOD : 10);
      if (isUp) this.lastSeen = START + this.second;
    }
    const now = this.#moment(isLive);
    this.staleness.advance(now);
    if (isLive) this.liveSince++;
    this.#news(kind, now);
    return this.staleness.expire(now).length > 0;
  }

  #news(kind: Spell["kind"], now: Moment): void {
    if (kind === "lag") {
      const due = this.#lateNews.filter(({ at }) => at <= this.second);
      this.#lateNews = this.#lateNews.filter(({ at }) => at > this.second);
      for (const { lastSeen } of due) this.#observe(lastSeen, now);
      const known = Math.max(this.#seen, ...this.#lateNews.map(({ lastSeen }) => lastSeen));
      if (this.lastSeen > known) {
        this.#lateNews.push({ at: this.second + LAG, lastSeen: this.lastSeen });
      }
    } else if (kind === "well") {
      this.#lateNews = [];
      this.#observe(this.lastSeen, now);
    }
  }

  #observe(lastSeen: number, now: Moment): void {
    if (lastSeen <= this.#seen) return;
    this.#seen = lastSeen;
    this.liveSince = 0;
    this.staleness.observe("n", lastSeen, now);
  }

  #moment(isLive: boolean): Moment {
    const monotonic = this.second * 1000;
    const liveUntil = isLive ? monotonic + 1 : -Infinity;
    return {
      monotonic,
      wall: (START + this.second) * 1000,
      liveUntil: isLive ? Infinity : liveUntil,
    };
  }
}

Deno.test("property: a node that checks in is never given up", () => {
  fc.assert(fc.property(spells, (spells) => {
    const world = new World(() => true);
    for (const { kind, seconds } of spells) {
      for (let n = 0; n < seconds; n++) assert.ok(!world.tick(kind), `second ${world.second}`);
    }
  }));
});

Deno.test("property: a dead node leaves after 60 to 100 s of live view, whatever resets connections", () => {
  fc.assert(fc.property(spells, fc.nat(200), (spells, death) => {
    const world = new World((second) => second < death);
    for (let pass = 0; pass < 200; pass++) {
      const { kind, seconds } = spells[pass % spells.length]!;
      for (let n = 0; n < seconds; n++) {
        const isGone = world.tick(kind);
        assert.ok(world.liveSince <= 101 || !world.staleness.isFresh("n"), `${world.liveSince} s`);
        if (!isGone) continue;
        assert.ok(world.liveSince >= 59, `gone after ${world.liveSince} s of live view`);
        return;
      }
      if (pass > spells.length && !spells.some((spell) => spell.kind === "well")) return;
    }
  }));
});

Deno.test("property: with connections reset each few seconds a dead node leaves in time all the same", () => {
  fc.assert(fc.property(
    fc.integer({ min: 2, max: 60 }),
    fc.integer({ min: 1, max: 30 }),
    (well, broken) => {
      const world = new World((second) => second < 40);
      while (world.staleness.isFresh("n")) {
        for (let n = 0; n < well; n++) world.tick("well");
        for (let n = 0; n < broken; n++) world.tick("cut");
        assert.ok(world.liveSince <= 100 + well, `${world.liveSince} s`);
      }
    },
  ));
});
