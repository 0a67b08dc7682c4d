import assert from "node:assert/strict";
import { formatEndpoint } from "../../../src/net/endpoint.ts";
import { ZERO_KEY } from "../../../src/net/key.ts";
import { formatPrefix } from "../../../src/net/prefix.ts";
import type { PeerObject } from "../../../src/mesh/object.ts";
import { InvalidPeerError, parsePeer } from "../../../src/mesh/read_peer.ts";
import { PEER_CASES } from "../../k8s/peer_cases.ts";

const KEY = "jk1ph8d/WBhSbxgUvoIzUOqxOTXzHYRIRRfpJK73iuE=";

function parse(spec: PeerObject["spec"]) {
  return parsePeer({ metadata: { name: "p" }, spec: { publicKey: KEY, ...spec } });
}

function refuses(spec: PeerObject["spec"], message: string): void {
  assert.throws(
    () => parse(spec),
    (error) => error instanceof InvalidPeerError && error.message === message,
    message,
  );
}

Deno.test("parsePeer() reads everything a Peer can say", () => {
  const { peer, warnings } = parse({
    allowedIPs: ["10.0.0.7/24", "fd00::1/128"],
    endpoint: { dnsOrIP: { dns: "vpn.example.com" }, port: 51820 },
    persistentKeepalive: 25,
    presharedKey: KEY,
  });
  assert.deepEqual(warnings, []);
  assert.deepEqual({ ...peer, allowedIPs: peer.allowedIPs.map(formatPrefix) }, {
    name: "p",
    publicKey: KEY,
    presharedKey: KEY,
    endpoint: { dns: "vpn.example.com", port: 51820 },
    persistentKeepalive: 25,
    allowedIPs: ["10.0.0.7/24", "fd00::1/128"],
  });
});

Deno.test("parsePeer() reads a Peer that says only its key", () => {
  const bare = { name: "p", publicKey: KEY, persistentKeepalive: 0, allowedIPs: [] };
  assert.deepEqual(parse({}).peer, bare);
  const nothing = { allowedIPs: null, endpoint: null, persistentKeepalive: null };
  assert.deepEqual(parse({ ...nothing, presharedKey: "" }).peer, bare);
  assert.deepEqual(parse({ ...nothing, presharedKey: null }).peer, bare);
  assert.equal(parse({ publicKey: ZERO_KEY }).peer.publicKey, ZERO_KEY);
});

Deno.test("parsePeer() prefers the name, and takes a name that is an address for the address", () => {
  const endpoint = (dns: string, ip: string) => {
    const { peer } = parse({ endpoint: { dnsOrIP: { dns, ip }, port: 5 } });
    return formatEndpoint(peer.endpoint!);
  };
  assert.equal(endpoint("a.b", "10.0.0.1"), "a.b:5");
  assert.equal(endpoint("", "10.0.0.1"), "10.0.0.1:5");
  assert.equal(endpoint("", "fd00::1"), "[fd00::1]:5");
  assert.equal(endpoint("10.0.0.2", ""), "10.0.0.2:5");
  assert.equal(
    parse({ endpoint: { dnsOrIP: { dns: "10.0.0.2" }, port: 5 } }).peer.endpoint?.dns,
    undefined,
  );
});

Deno.test("parsePeer() says which field is wrong, with its value", () => {
  const wrongIP = "is not an address with prefix length";
  refuses({ allowedIPs: ["10.0.0.1/32", "10.0.0.1"] }, `spec.allowedIPs[1]: "10.0.0.1" ${wrongIP}`);
  refuses({ allowedIPs: [null] }, `spec.allowedIPs[0]: "" ${wrongIP}`);
  const at = "spec.endpoint.dnsOrIP";
  const endpoint = (dnsOrIP: { dns?: string; ip?: string } | null, port?: number) => ({
    endpoint: { dnsOrIP, ...(port !== undefined && { port }) },
  });
  refuses(endpoint(null, 5), `${at}: neither dns nor ip is given`);
  refuses(endpoint({ dns: "", ip: "" }, 5), `${at}: neither dns nor ip is given`);
  refuses(
    endpoint({ dns: "A.b", ip: "x" }, 5),
    `${at}.dns: "A.b" is not a lower-case DNS name (RFC 1123)`,
  );
  refuses(
    endpoint({ dns: "a.b", ip: "10.0.0.01" }, 5),
    `${at}.ip: "10.0.0.01" is not an IP address`,
  );
  refuses(endpoint({ ip: "fe80::1%eth0" }, 5), `${at}.ip: "fe80::1%eth0" is not an IP address`);
  for (const port of [0, -5, 65536]) {
    refuses(endpoint({ ip: "::1" }, port), `spec.endpoint.port: ${port} is not within 1 to 65535`);
  }
  refuses(endpoint({ ip: "::1" }), "spec.endpoint.port: 0 is not within 1 to 65535");
  refuses({ persistentKeepalive: -1 }, "spec.persistentKeepalive: -1 is below 0");
  refuses({ publicKey: null }, "spec.publicKey is not base64 of 32 bytes");
});

Deno.test("parsePeer() reports the first error in the webhook's order", () => {
  const all = {
    allowedIPs: ["x"],
    endpoint: { dnsOrIP: { dns: "-", ip: "-" }, port: 0 },
    persistentKeepalive: -1,
    publicKey: "x",
    presharedKey: "x",
  };
  const fixes: readonly (readonly [RegExp, Partial<typeof all>])[] = [
    [/^spec.allowedIPs/, { allowedIPs: [] }],
    [/^spec.endpoint.dnsOrIP.dns/, { endpoint: { dnsOrIP: { dns: "a", ip: "-" }, port: 0 } }],
    [/^spec.endpoint.dnsOrIP.ip/, { endpoint: { dnsOrIP: { dns: "a", ip: "::" }, port: 0 } }],
    [/^spec.endpoint.port/, { endpoint: { dnsOrIP: { dns: "a", ip: "::" }, port: 5 } }],
    [/^spec.persistentKeepalive/, { persistentKeepalive: 0 }],
    [/^spec.publicKey/, { publicKey: KEY }],
    [/^spec.presharedKey/, { presharedKey: KEY }],
  ];
  let spec = all;
  for (const [message, fix] of fixes) {
    assert.throws(() => parse(spec), { message });
    spec = { ...spec, ...fix };
  }
  parse(spec);
});

Deno.test("parsePeer() never shows a key", () => {
  for (const field of ["publicKey", "presharedKey"] as const) {
    const almost = KEY.slice(0, -2);
    assert.throws(
      () => parse({ [field]: almost }),
      (error: Error) => !error.message.includes(almost),
    );
  }
});

Deno.test("parsePeer() uses 65535 for a longer keepalive and says so", () => {
  const { peer, warnings } = parse({ persistentKeepalive: 65536 });
  assert.equal(peer.persistentKeepalive, 65535);
  assert.deepEqual(warnings, [
    "spec.persistentKeepalive: 65536 is more than 65535, which is used instead",
  ]);
  assert.deepEqual(parse({ persistentKeepalive: 65535 }).warnings, []);
});

Deno.test("parsePeer() refuses just what webhook and policy refuse", () => {
  for (const { name, spec, refusal, schema } of PEER_CASES) {
    if (schema) continue; // no such object is ever stored
    const read = () => parsePeer({ metadata: { name: "p" }, spec });
    if (refusal) assert.throws(read, InvalidPeerError, name);
    else assert.doesNotThrow(read, name);
  }
});
