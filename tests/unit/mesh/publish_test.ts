import assert from "node:assert/strict";
import { parseIP } from "../../../src/net/ip.ts";
import type { Key } from "../../../src/net/key.ts";
import { parsePrefix } from "../../../src/net/prefix.ts";
import { parseNode } from "../../../src/mesh/read_node.ts";
import {
  checkIn,
  CLEAN_UP_PATCH,
  NOTHING_PUBLISHED,
  type Own,
  parsePublished,
  publish,
  type Published,
} from "../../../src/mesh/publish.ts";

const KEY = "jk1ph8d/WBhSbxgUvoIzUOqxOTXzHYRIRRfpJK73iuE=" as Key;
const ip = (text: string) => parseIP(text)!;
const prefix = (text: string) => parsePrefix(text)!;

const OWN: Own = {
  key: KEY,
  granularity: "location",
  port: 51820,
  endpointIP: ip("203.0.113.1"),
  internalIP: prefix("10.0.0.1/24"),
  reconciled: { wireGuardIP: prefix("10.4.0.1/16"), discoveredEndpoints: new Map() },
  now: 1000.9,
};

type Texts = Readonly<Record<string, string>>;

const full = (texts: Texts) =>
  Object.fromEntries(Object.entries(texts).map(([name, text]) => [`kilo.squat.ai/${name}`, text]));
const short = (texts: Texts) =>
  Object.fromEntries(
    Object.entries(texts).map(([name, text]) => [name.replace("kilo.squat.ai/", ""), text]),
  );

/** An own Node object under the agent's hand: each `run` is one event, its patch arrives or not. */
class OwnNode {
  annotations: Texts = {};
  published: Published = NOTHING_PUBLISHED;

  constructor(annotations: Texts = {}) {
    this.set(annotations);
  }

  set(annotations: Texts): void {
    this.annotations = { ...this.annotations, ...full(annotations) };
  }

  remove(name: string): void {
    const { [`kilo.squat.ai/${name}`]: _, ...rest } = this.annotations;
    this.annotations = rest;
  }

  /** Returns the patch sent. */
  run(own: Partial<Own> = {}, { checkIn = false, arrives = true } = {}): Texts {
    const desired = publish(this.annotations, { ...OWN, ...own }, {
      published: this.published,
      checkIn,
    });
    this.published = parsePublished(JSON.stringify(desired.published))!;
    assert.deepEqual(desired.annotations, { ...this.annotations, ...desired.patch });
    if (arrives) this.annotations = desired.annotations;
    return short(desired.patch);
  }

  endpoint(own: Partial<Own> = {}): string | undefined {
    this.run(own);
    return this.annotations["kilo.squat.ai/endpoint"];
  }

  internalIP(own: Partial<Own> = {}): string | undefined {
    this.run(own);
    return this.annotations["kilo.squat.ai/internal-ip"];
  }
}

Deno.test("publish() says everything about a new node, and then nothing more", () => {
  const node = new OwnNode({ location: "aws" });
  assert.deepEqual(node.run({}, { checkIn: true }), {
    "endpoint": "203.0.113.1:51820",
    "internal-ip": "10.0.0.1/24",
    "key": KEY,
    "last-seen": "1000",
    "wireguard-ip": "10.4.0.1/16",
    "discovered-endpoints": "{}",
    "granularity": "location",
    "cni-compatibility-ip": "",
  });
  assert.deepEqual(node.run({ now: 1030 }), {});
  assert.equal(short(node.annotations).location, "aws");
});

Deno.test("a check-in is last-seen and nothing else, and a change has none", () => {
  const node = new OwnNode();
  node.run();
  assert.deepEqual(short(checkIn(1030.9)), { "last-seen": "1030" });
  assert.deepEqual(node.run({ now: 1040, granularity: "full" }), { "granularity": "full" });
});

Deno.test("publish() has empty text for what a node has not", () => {
  const { internalIP: _, ...own } = OWN;
  const reconciled = { discoveredEndpoints: new Map() };
  const desired = publish({}, { ...own, reconciled }, {
    published: NOTHING_PUBLISHED,
    checkIn: true,
  });
  const texts = short(desired.patch);
  assert.equal(texts["internal-ip"], "");
  assert.equal(texts["wireguard-ip"], "");
});

Deno.test("publish() writes discovered endpoints and the CNI's address", () => {
  const discoveredEndpoints = new Map([
    ["b", { ip: ip("fd00::1"), port: 1 }],
    ["a", { ip: ip("203.0.113.9"), port: 51820 }],
  ]);
  const node = new OwnNode();
  const texts = node.run({
    reconciled: { discoveredEndpoints },
    cniCompatibilityIP: prefix("10.42.0.7/32"),
  });
  assert.equal(
    texts["discovered-endpoints"],
    '{"a":{"IP":"203.0.113.9","Port":51820,"Zone":""},"b":{"IP":"fd00::1","Port":1,"Zone":""}}',
  );
  assert.equal(texts["cni-compatibility-ip"], "10.42.0.7/32");
});

Deno.test("publish() says from where packets come only where it must, and takes it back", () => {
  const sending = { ...OWN.reconciled!, encapsulationIP: prefix("10.0.0.8/32") };
  const node = new OwnNode();
  assert.ok(!("encapsulation-ip" in node.run()));
  assert.equal(node.run({ reconciled: sending })["encapsulation-ip"], "10.0.0.8/32");
  assert.deepEqual(node.run({ reconciled: sending }), {});
  assert.equal(node.run()["encapsulation-ip"], "");
  assert.deepEqual(node.run(), {});
  const { reconciled: _, ...starting } = OWN;
  node.run({ reconciled: sending });
  const { annotations } = publish(node.annotations, starting, {
    published: node.published,
    checkIn: true,
  });
  assert.equal(annotations["kilo.squat.ai/encapsulation-ip"], "10.0.0.8/32", "at a start it stays");
});

Deno.test("publish() leaves what a reconcile must tell alone before the first one", () => {
  const { reconciled: _, ...starting } = OWN;
  const texts = (annotations: Texts) =>
    short(
      publish(full(annotations), starting, { published: NOTHING_PUBLISHED, checkIn: true })
        .annotations,
    );
  const kept = { "wireguard-ip": "10.4.0.9/16", "discovered-endpoints": "x" };
  const { "wireguard-ip": address, "discovered-endpoints": endpoints } = texts(kept);
  assert.deepEqual([address, endpoints], ["10.4.0.9/16", "x"]);
  assert.equal(texts({})["wireguard-ip"], "");
  assert.equal(texts({})["discovered-endpoints"], "");
});

Deno.test("an endpoint that somebody else put there sticks", () => {
  const node = new OwnNode({ endpoint: "example.com:1", "internal-ip": "192.168.1.1/24" });
  assert.equal(node.endpoint(), "example.com:1");
  assert.equal(node.endpoint({ endpointIP: ip("203.0.113.2"), port: 5 }), "example.com:1");
  assert.equal(node.internalIP({ internalIP: prefix("10.0.0.2/24") }), "192.168.1.1/24");
});

Deno.test("an endpoint that cannot be read is replaced", () => {
  const node = new OwnNode({ endpoint: "example.com", "internal-ip": "10.0.0.9" });
  assert.equal(node.endpoint(), "203.0.113.1:51820");
  assert.equal(node.internalIP(), "10.0.0.1/24");
});

Deno.test("somebody else's endpoint is written as agents write it, and stays theirs", () => {
  const node = new OwnNode({ endpoint: "[::ffff:10.9.9.9]:007", "internal-ip": "10.9.9.9/08" });
  assert.equal(node.endpoint(), "10.9.9.9:7");
  assert.equal(node.internalIP(), "10.9.9.9/8");
  assert.equal(node.endpoint(), "10.9.9.9:7");
  assert.equal(node.internalIP(), "10.9.9.9/8");
});

Deno.test("what the agent published itself follows what is discovered, also over a restart", () => {
  const node = new OwnNode();
  assert.equal(node.endpoint(), "203.0.113.1:51820");
  assert.equal(node.endpoint({ endpointIP: ip("203.0.113.2"), port: 5 }), "203.0.113.2:5");
  assert.equal(node.internalIP({ internalIP: prefix("10.0.0.2/16") }), "10.0.0.2/16");
});

Deno.test("a published endpoint that somebody changed since is somebody else's", () => {
  const node = new OwnNode();
  node.run();
  node.set({ endpoint: "198.51.100.1:1" });
  assert.equal(node.endpoint({ endpointIP: ip("203.0.113.2") }), "198.51.100.1:1");
  node.set({ endpoint: "203.0.113.1:51820" });
  assert.equal(node.endpoint({ endpointIP: ip("203.0.113.2") }), "203.0.113.1:51820");
  node.remove("endpoint");
  assert.equal(node.endpoint({ endpointIP: ip("203.0.113.2") }), "203.0.113.2:51820");
});

Deno.test("without memory a published endpoint sticks, as in the original", () => {
  const node = new OwnNode();
  node.run();
  node.published = NOTHING_PUBLISHED;
  assert.equal(node.endpoint({ endpointIP: ip("203.0.113.2") }), "203.0.113.1:51820");
});

Deno.test("a forced value is copied, and gone when it is no longer forced", () => {
  const node = new OwnNode({ "force-endpoint": "a.b:007", "force-internal-ip": "10.9.9.9/08" });
  assert.equal(node.endpoint(), "a.b:007");
  assert.equal(node.internalIP(), "10.9.9.9/8");
  node.remove("force-endpoint");
  node.remove("force-internal-ip");
  assert.equal(node.endpoint(), "203.0.113.1:51820");
  assert.equal(node.internalIP(), "10.0.0.1/24");
});

Deno.test("a forced value that can't be read forces nothing", () => {
  const node = new OwnNode({ "force-endpoint": "a_b:1", "force-internal-ip": "10.9.9.9" });
  assert.equal(node.endpoint(), "203.0.113.1:51820");
  assert.equal(node.internalIP(), "10.0.0.1/24");
});

Deno.test("a forbidden internal address empties the annotation, whoever wrote it", () => {
  for (const forbidden of ["", "-"]) {
    const node = new OwnNode({ "force-internal-ip": forbidden, "internal-ip": "10.9.9.9/24" });
    assert.equal(node.internalIP(), "");
    node.remove("force-internal-ip");
    assert.equal(node.internalIP(), "10.0.0.1/24");
  }
});

Deno.test("a patch that may or may not have arrived does not turn our value into another's", () => {
  const lost = new OwnNode();
  lost.run();
  lost.run({ endpointIP: ip("203.0.113.2") }, { arrives: false });
  assert.equal(lost.endpoint({ endpointIP: ip("203.0.113.3") }), "203.0.113.3:51820");
  // Both were sent, and only the first one got through.
  const late = new OwnNode();
  late.run({}, { arrives: false });
  late.run({ endpointIP: ip("203.0.113.2") }, { arrives: false });
  late.set({ endpoint: "203.0.113.1:51820" });
  assert.equal(late.endpoint({ endpointIP: ip("203.0.113.3") }), "203.0.113.3:51820");
  assert.deepEqual(late.published.endpoint.length, 3);
  late.run({ endpointIP: ip("203.0.113.3") });
  assert.deepEqual(
    late.published.endpoint,
    ["203.0.113.3:51820"],
    "confirmed: the others are gone",
  );
});

Deno.test("the published annotations read back as a complete node", () => {
  const { annotations } = publish({}, OWN, { published: NOTHING_PUBLISHED, checkIn: true });
  const object = { metadata: { name: "n", annotations } };
  const { node, warnings } = parseNode(object, { topologyLabel: "x" });
  assert.deepEqual(warnings, []);
  assert.deepEqual(node.endpoint, { ip: OWN.endpointIP, port: 51820 });
  assert.deepEqual([node.internalIP, node.wireGuardIP], [
    OWN.internalIP,
    OWN.reconciled?.wireGuardIP,
  ]);
  assert.equal(node.lastSeen, 1000);
});

Deno.test("CLEAN_UP_PATCH takes away what is published, and only that", () => {
  const reconciled = { ...OWN.reconciled!, encapsulationIP: prefix("10.0.0.8/32") };
  const all = { ...OWN, reconciled };
  const desired = publish({}, all, { published: NOTHING_PUBLISHED, checkIn: true });
  assert.deepEqual(Object.keys(CLEAN_UP_PATCH).sort(), Object.keys(desired.patch).sort());
  assert.ok(Object.values(CLEAN_UP_PATCH).every((value) => value === null));
});

Deno.test("parsePublished() has no value for anything it did not write", () => {
  for (
    const text of ["", "null", "[]", "{}", '{"endpoint":["a"]}', '{"endpoint":"a","internalIP":[]}']
  ) {
    assert.equal(parsePublished(text), undefined, text);
  }
  const published = { endpoint: ["a"], internalIP: [] };
  assert.deepEqual(parsePublished(JSON.stringify(published)), published);
});
