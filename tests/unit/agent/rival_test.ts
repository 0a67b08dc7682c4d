import assert from "node:assert/strict";
import { Rival } from "../../../src/agent/rival.ts";
import { ANNOTATIONS, type Strings } from "../../../src/mesh/object.ts";

const { key, endpoint, lastSeen, discoveredEndpoints } = ANNOTATIONS;
const OURS = { [key]: "GY5aT1N9dTR/nJnT1N2f4ClZWVj0jOAld0r8ysWLyjg=", [endpoint]: "192.0.2.1:1" };
const THEIRS = { [key]: "jk1ph8d/WBhSbxgUvoIzUOqxOTXzHYRIRRfpJK73iuE=", [endpoint]: "192.0.2.2:1" };
const US = { key: OURS[key]!, endpoint: OURS[endpoint]! };
const SECOND = 1000;

/** An agent that puts its key back whenever it is another; answers how often it does until then. */
function fight(rival: Rival, { from, to, undone }: { from: number; to: number; undone: number }) {
  let rewrites = 0;
  for (let now = from; now < to; now += undone) {
    rival.observe(THEIRS, now);
    const patch = rival.admit({ [key]: OURS[key]! }, now);
    if (Object.keys(patch).length === 0) continue;
    rival.sending(patch, now);
    rival.observe(OURS, now);
    rewrites++;
  }
  return rewrites;
}

const texts = (rival: Rival, now: number) => rival.warnings(US, now).map(({ text }) => text).join();

Deno.test("a key that somebody keeps changing is put back less and less often, and both are named", () => {
  const rival = new Rival("a");
  rival.sending({ ...OURS, [lastSeen]: "1" }, 0);
  rival.observe(OURS, 0);
  assert.equal(texts(rival, 0), "");
  const first = fight(rival, { from: SECOND, to: 61 * SECOND, undone: SECOND });
  assert.ok(first >= 5 && first <= 8, `${first} in the first minute`);
  const later = fight(rival, { from: 61 * SECOND, to: 3661 * SECOND, undone: SECOND });
  assert.ok(later <= 17, `${later} in the hour after`);
  const said = texts(rival, 3661 * SECOND);
  assert.match(said, /Node "a"/);
  assert.match(
    said,
    /key jk1ph8… and endpoint "192.0.2.2:1", this machine key GY5aT1… and .*"192.0.2.1:1"/,
  );
  assert.ok(!said.includes(OURS[key]!) && !said.includes(THEIRS[key]!));
});

Deno.test("what is not contested passes also in a pause, and the pause ends", () => {
  const rival = new Rival("a");
  rival.sending(OURS, 0);
  fight(rival, { from: 0, to: 10 * SECOND, undone: SECOND });
  const now = 10 * SECOND;
  const endpoints: Strings = { [discoveredEndpoints]: "{}" };
  assert.deepEqual(rival.admit({ ...OURS, ...endpoints }, now), endpoints);
  const rest = rival.nextResume(now)!;
  assert.ok(rest > 0);
  assert.deepEqual(rival.admit(OURS, now + rest), OURS);
  assert.equal(rival.nextResume(now + rest), undefined);
});

Deno.test("a new text of our own is no rewrite, and a person who deletes one is no rival", () => {
  const rival = new Rival("a");
  for (let n = 0; n < 100; n++) {
    const patch = { [endpoint]: `192.0.2.1:${n}` };
    assert.deepEqual(rival.admit(patch, n * 100), patch);
    rival.sending(patch, n * 100);
    rival.observe(patch, n * 100);
  }
  for (let n = 0; n < 4; n++) {
    rival.observe({}, 20_000 + n);
    rival.sending({ [endpoint]: "192.0.2.1:99" }, 20_000 + n);
  }
  assert.equal(texts(rival, 20_010), "");
});

Deno.test("check-ins that are not ours tell of another agent, even one with our key", () => {
  const rival = new Rival("a");
  rival.observe({ ...OURS, [lastSeen]: "90" }, 0);
  for (let n = 0; n < 3; n++) {
    const now = n * 30 * SECOND;
    rival.sending({ [lastSeen]: `${100 + n * 30}` }, now);
    rival.observe({ ...OURS, [lastSeen]: `${100 + n * 30}` }, now);
  }
  assert.equal(texts(rival, 90 * SECOND), "");
  rival.sending(OURS, 90 * SECOND);
  rival.observe({ ...OURS, [lastSeen]: "175" }, 91 * SECOND);
  assert.equal(texts(rival, 91 * SECOND), "", "once may be a person, or a restored backup");
  const other = { ...OURS, [endpoint]: "192.0.2.2:1" };
  rival.observe({ ...other, [lastSeen]: "205" }, 121 * SECOND);
  assert.match(texts(rival, 121 * SECOND), /another agent .*"192.0.2.2:1".*"192.0.2.1:1"/);
  assert.equal(texts(rival, 800 * SECOND), "", "it is gone");
});
