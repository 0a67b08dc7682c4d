import assert from "node:assert/strict";
import { asNodeObject, asPeerObject, ObjectShapeError } from "../../../src/mesh/object.ts";

function refuses(read: () => unknown, message: string): void {
  assert.throws(read, (error) => error instanceof ObjectShapeError && error.message === message);
}

Deno.test("asNodeObject() takes what the API server stores, nulls included", () => {
  const metadata = { name: "n" };
  for (
    const object of [
      { metadata },
      { metadata: { name: "n", labels: null, annotations: null }, spec: null },
      { metadata: { name: "n", labels: { a: "b" }, annotations: {} }, spec: { podCIDR: null } },
      { metadata, spec: { podCIDR: "10.42.0.0/24", podCIDRs: 7 }, status: [] },
    ]
  ) assert.equal(asNodeObject(object), object);
});

Deno.test("asNodeObject() names the field that has another type", () => {
  const metadata = { name: "n" };
  refuses(() => asNodeObject("x"), "the object is not an object");
  refuses(() => asNodeObject([]), "the object is not an object");
  refuses(() => asNodeObject({}), "metadata is missing");
  refuses(() => asNodeObject({ metadata: {} }), "metadata.name is not a string with text in it");
  refuses(
    () => asNodeObject({ metadata: { name: "" } }),
    "metadata.name is not a string with text in it",
  );
  refuses(() => asNodeObject({ metadata, spec: [] }), "spec is not an object");
  refuses(() => asNodeObject({ metadata, spec: { podCIDR: 1 } }), "spec.podCIDR is not a string");
  refuses(
    () => asNodeObject({ metadata: { name: "n", annotations: { "kilo.squat.ai/leader": true } } }),
    "metadata.annotations: kilo.squat.ai/leader is not a string (YAML wants quotes around it)",
  );
  refuses(
    () => asNodeObject({ metadata: { name: "n", labels: ["a"] } }),
    "metadata.labels is not an object",
  );
});

Deno.test("asPeerObject() takes null for nothing, as Go does", () => {
  const metadata = { name: "p" };
  for (
    const spec of [
      undefined,
      null,
      {},
      { allowedIPs: null, endpoint: null, persistentKeepalive: null, publicKey: null },
      { allowedIPs: [null], endpoint: { dnsOrIP: null, port: null }, presharedKey: null },
      { endpoint: { dnsOrIP: { dns: null, ip: "10.0.0.1" }, port: 5 }, unknown: 1 },
    ]
  ) {
    const object = { metadata, spec };
    assert.equal(asPeerObject(object), object);
  }
});

Deno.test("asPeerObject() names the field that has another type, never its value", () => {
  const read = (spec: unknown) => () => asPeerObject({ metadata: { name: "p" }, spec });
  refuses(read("x"), "spec is not an object");
  refuses(read({ allowedIPs: "10.0.0.1/32" }), "spec.allowedIPs is not a list");
  refuses(read({ allowedIPs: ["10.0.0.1/32", 5] }), "spec.allowedIPs[1] is not a string");
  refuses(read({ endpoint: "a:1" }), "spec.endpoint is not an object");
  refuses(read({ endpoint: { dnsOrIP: "a" } }), "spec.endpoint.dnsOrIP is not an object");
  refuses(read({ endpoint: { dnsOrIP: { dns: 1 } } }), "spec.endpoint.dnsOrIP.dns is not a string");
  refuses(read({ endpoint: { dnsOrIP: { ip: 1 } } }), "spec.endpoint.dnsOrIP.ip is not a string");
  refuses(read({ endpoint: { port: "5" } }), "spec.endpoint.port is not an integer");
  refuses(read({ endpoint: { port: 5.5 } }), "spec.endpoint.port is not an integer");
  refuses(read({ persistentKeepalive: "25" }), "spec.persistentKeepalive is not an integer");
  refuses(read({ publicKey: 5 }), "spec.publicKey is not a string");
  refuses(read({ presharedKey: ["secret"] }), "spec.presharedKey is not a string");
  refuses(() => asPeerObject({ metadata: null }), "metadata is missing");
});
