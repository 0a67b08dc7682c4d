import assert from "node:assert/strict";
import { formatEndpoint } from "../../../src/net/endpoint.ts";
import { formatPrefix } from "../../../src/net/prefix.ts";
import { ZERO_KEY } from "../../../src/net/key.ts";
import { forbidsInternalIP, parseNode } from "../../../src/mesh/read_node.ts";

const KEY = "jk1ph8d/WBhSbxgUvoIzUOqxOTXzHYRIRRfpJK73iuE=";
const LABEL = "topology.kubernetes.io/region";

interface Given {
  readonly annotations?: Readonly<Record<string, string>> | null;
  readonly labels?: Readonly<Record<string, string>> | null;
  readonly podCIDR?: string | null;
  readonly topologyLabel?: string;
}

/** Reads a node; annotation names without their prefix. */
function parse({ annotations, labels = null, podCIDR = null, topologyLabel = LABEL }: Given) {
  const whole = annotations && Object.fromEntries(
    Object.entries(annotations).map(([name, text]) => [`kilo.squat.ai/${name}`, text]),
  );
  const metadata = { name: "n", labels, annotations: whole ?? null };
  return parseNode({ metadata, spec: { podCIDR } }, { topologyLabel });
}

Deno.test("parseNode() reads everything a node can say", () => {
  const { node, warnings } = parse({
    annotations: {
      "endpoint": "203.0.113.1:51820",
      "internal-ip": "10.0.0.7/24",
      "key": KEY,
      "last-seen": "1795425492",
      "wireguard-ip": "10.4.0.1/16",
      "discovered-endpoints": `{"${KEY}":{"IP":"203.0.113.9","Port":51820,"Zone":""}}`,
      "granularity": "full",
      "cni-compatibility-ip": "10.42.0.7/32",
      "encapsulation-ip": "10.0.0.8/32",
      "leader": "false",
      "location": "gcp",
      "persistent-keepalive": "25",
      "allowed-location-ips": "10.1.0.0/16,10.2.0.7/16",
    },
    labels: { [LABEL]: "aws" },
    podCIDR: "10.42.0.1/24",
  });
  const { endpoint, subnet, internalIP, wireGuardIP, ...others } = node;
  const { cniCompatibilityIP, encapsulationIP, ...rest } = others;
  assert.deepEqual(warnings, []);
  assert.equal(formatEndpoint(endpoint!), "203.0.113.1:51820");
  assert.deepEqual(
    [subnet, internalIP, wireGuardIP, cniCompatibilityIP, encapsulationIP].map((prefix) =>
      formatPrefix(prefix!)
    ),
    ["10.42.0.0/24", "10.0.0.7/24", "10.4.0.1/16", "10.42.0.7/32", "10.0.0.8/32"],
  );
  assert.deepEqual(node.allowedLocationIPs.map(formatPrefix), ["10.1.0.0/16", "10.2.0.7/16"]);
  assert.deepEqual([...rest.discoveredEndpoints.keys()], [KEY]);
  assert.deepEqual(
    { ...rest, discoveredEndpoints: 0, allowedLocationIPs: 0 },
    {
      name: "n",
      location: "gcp",
      leader: true,
      key: KEY,
      persistentKeepalive: 25,
      granularity: "full",
      lastSeen: 1795425492,
      discoveredEndpoints: 0,
      allowedLocationIPs: 0,
    },
  );
});

Deno.test("parseNode() reads a node that says nothing", () => {
  const bare = {
    name: "n",
    location: "",
    leader: false,
    persistentKeepalive: 0,
    allowedLocationIPs: [],
    discoveredEndpoints: new Map(),
    lastSeen: 0,
  };
  const objects = [
    { metadata: { name: "n" } },
    { metadata: { name: "n", labels: null, annotations: null }, spec: null },
    { metadata: { name: "n", annotations: {} }, spec: { podCIDR: "" } },
  ];
  for (const object of objects) {
    assert.deepEqual(parseNode(object, { topologyLabel: LABEL }), { node: bare, warnings: [] });
  }
});

Deno.test("parseNode() warns of a pod subnet that is none", () => {
  const { node, warnings } = parse({ annotations: {}, podCIDR: "10.42.0.0" });
  assert.equal(node.subnet, undefined);
  assert.deepEqual(warnings, ['spec.podCIDR: "10.42.0.0" is not an address with prefix length']);
});

Deno.test("parseNode() lets the location annotation win, even empty", () => {
  const labels = { [LABEL]: "aws", other: "b" };
  assert.equal(parse({ labels }).node.location, "aws");
  assert.equal(parse({ labels, topologyLabel: "other" }).node.location, "b");
  assert.equal(parse({ labels, annotations: { location: "" } }).node.location, "");
  assert.equal(parse({ labels: {}, topologyLabel: "toString" }).node.location, "");
});

Deno.test("parseNode() lets forced values win unless they can't be read", () => {
  const endpoint = (annotations: Record<string, string>) => {
    const { node } = parse({ annotations });
    return node.endpoint && formatEndpoint(node.endpoint);
  };
  assert.equal(endpoint({ "force-endpoint": "a.b:1", "endpoint": "10.0.0.1:2" }), "a.b:1");
  assert.equal(endpoint({ "force-endpoint": "a_b:1", "endpoint": "10.0.0.1:2" }), "10.0.0.1:2");
  assert.equal(endpoint({ "force-endpoint": "", "endpoint": "" }), undefined);
  const internal = (force: string) => {
    const { node } = parse({
      annotations: { "force-internal-ip": force, "internal-ip": "10.0.0.1/24" },
    });
    return node.internalIP && formatPrefix(node.internalIP);
  };
  assert.equal(internal("10.9.9.9/8"), "10.9.9.9/8");
  assert.equal(internal("10.9.9.9"), "10.0.0.1/24");
  assert.equal(internal(""), undefined);
  assert.equal(internal("-"), undefined);
});

Deno.test("forbidsInternalIP() is true for nothing but the empty text and a dash", () => {
  const forbids = (text: string) => forbidsInternalIP({ "kilo.squat.ai/force-internal-ip": text });
  assert.deepEqual(["", "-", " ", "--", "x", "10.0.0.1/8"].map(forbids), [
    ...[true, true],
    ...[false, false, false, false],
  ]);
  assert.ok(!forbidsInternalIP({}));
});

Deno.test("parseNode() reads numbers as Go's ParseInt", () => {
  const numbers: readonly (readonly [string, number])[] = [
    ...[["7", 7], ["007", 7], ["+7", 7], ["-5", -5], ["-0", 0], ["0", 0]] as const,
    ...[["9223372036854775807", 2 ** 63], ["-9223372036854775808", -(2 ** 63)]] as const,
    ...[
      "9223372036854775808",
      "-9223372036854775809",
      "1_0",
      "0x10",
      "1.5",
      " 5",
      "5 ",
      "1e3",
      "٣",
      "+",
    ]
      .map((text) => [text, 0] as const),
  ];
  for (const [text, wanted] of numbers) {
    assert.equal(parse({ annotations: { "last-seen": text } }).node.lastSeen, wanted, text);
  }
});

Deno.test("parseNode() takes a keepalive outside 0-65535 as 0 and says so", () => {
  for (const text of ["-1", "65536", "9223372036854775807", "9223372036854775808", "abc"]) {
    const { node, warnings } = parse({ annotations: { "persistent-keepalive": text } });
    assert.equal(node.persistentKeepalive, 0);
    assert.deepEqual(warnings, [
      `annotation kilo.squat.ai/persistent-keepalive: "${text}" is not a number of seconds from 0 to 65535`,
    ]);
  }
  for (const text of ["0", "65535", "+25", "007"]) {
    const { node, warnings } = parse({ annotations: { "persistent-keepalive": text } });
    assert.deepEqual([node.persistentKeepalive, warnings], [Number(text), []]);
  }
});

Deno.test("parseNode() skips single entries of a list and warns of each that is not empty", () => {
  const { node, warnings } = parse({
    annotations: { "allowed-location-ips": "10.1.0.0/16, 10.2.0.0/16,,x,10.1.0.0/16" },
  });
  assert.deepEqual(node.allowedLocationIPs.map(formatPrefix), ["10.1.0.0/16", "10.1.0.0/16"]);
  assert.deepEqual(warnings, [
    'annotation kilo.squat.ai/allowed-location-ips: " 10.2.0.0/16" is not an address with prefix length',
    'annotation kilo.squat.ai/allowed-location-ips: "x" is not an address with prefix length',
  ]);
});

Deno.test("parseNode() takes the zero key for none, and never shows what is in the place of a key", () => {
  assert.equal(parse({ annotations: { key: ZERO_KEY } }).node.key, undefined);
  const { node, warnings } = parse({ annotations: { key: "secret" } });
  assert.equal(node.key, undefined);
  assert.deepEqual(warnings, ["annotation kilo.squat.ai/key: its value is not base64 of 32 bytes"]);
});

Deno.test("parseNode() warns of a bad discovered endpoint and keeps the others", () => {
  const { node, warnings } = parse({
    annotations: { "discovered-endpoints": `{"a":null,"${KEY}":{"ip":"10.0.0.1","PORT":5}}` },
  });
  assert.deepEqual([...node.discoveredEndpoints.keys()], [KEY]);
  assert.deepEqual(warnings, [
    'annotation kilo.squat.ai/discovered-endpoints: "a" has no IP and port',
  ]);
});

Deno.test("parseNode() knows two granularities", () => {
  const read = (granularity: string) => parse({ annotations: { granularity } }).node.granularity;
  assert.deepEqual(["location", "full", "auto", "Location", ""].map(read), [
    "location",
    "full",
    undefined,
    undefined,
    undefined,
  ]);
});
