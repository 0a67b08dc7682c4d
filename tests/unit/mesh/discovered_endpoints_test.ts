import assert from "node:assert/strict";
import {
  formatDiscoveredEndpoints,
  parseDiscoveredEndpoints,
} from "../../../src/mesh/discovered_endpoints.ts";
import { formatAddressPort } from "../../../src/net/endpoint.ts";
import { parseIP } from "../../../src/net/ip.ts";

/** `key=ip:port` for what is read, `!key` for what is passed over; undefined: not an object. */
function read(text: string): string[] | undefined {
  const parsed = parseDiscoveredEndpoints(text);
  return parsed && [
    ...[...parsed.endpoints].map(([key, { ip, port }]) => `${key}=${formatAddressPort(ip, port)}`),
    ...parsed.skipped.map((key) => `!${key}`),
  ];
}

Deno.test("parseDiscoveredEndpoints() reads what the agents write", () => {
  assert.deepEqual(read("{}"), []);
  assert.deepEqual(read("null"), []);
  assert.deepEqual(
    read('{"b":{"IP":"203.0.113.9","Port":51820,"Zone":""},"a":{"IP":"::1","Port":1}}'),
    ["b=203.0.113.9:51820", "a=[::1]:1"],
  );
});

Deno.test("parseDiscoveredEndpoints() has no value for anything but an object", () => {
  for (const text of ["", "x", "[]", "5", '"a"', "{", "{}{}", "{'a':1}"]) {
    assert.equal(read(text), undefined, text);
  }
});

Deno.test("parseDiscoveredEndpoints() takes field names in any case, the last one wins", () => {
  assert.deepEqual(read('{"a":{"ip":"10.0.0.1","PORT":5}}'), ["a=10.0.0.1:5"]);
  assert.deepEqual(read('{"a":{"IP":"10.0.0.1","ip":"10.0.0.2","Port":5,"port":6}}'), [
    "a=10.0.0.2:6",
  ]);
  assert.deepEqual(read('{"a":{"IP":"10.0.0.1","Port":5,"port":null}}'), ["a=10.0.0.1:5"]);
  assert.deepEqual(read('{"a":{"IP":"10.0.0.1","Port":5},"a":null}'), ["!a"]);
});

Deno.test("parseDiscoveredEndpoints() passes over a bad entry alone", () => {
  const bad = [
    ...["null", "5", "[]", "{}", '{"IP":"10.0.0.1"}', '{"Port":5}', '{"IP":"","Port":5}'],
    ...['{"IP":"x","Port":5}', '{"IP":"10.0.0.01","Port":5}', '{"IP":5,"Port":5}'],
    ...['{"IP":"::1","Port":0}', '{"IP":"::1","Port":65536}', '{"IP":"::1","Port":-1}'],
    ...['{"IP":"::1","Port":"5"}', '{"IP":"::1","Port":1.5}', '{"IP":"fe80::1%eth0","Port":5}'],
  ];
  for (const entry of bad) {
    assert.deepEqual(read(`{"a":${entry},"b":{"IP":"::1","Port":5}}`), ["b=[::1]:5", "!a"], entry);
  }
});

Deno.test("formatDiscoveredEndpoints() writes the original's bytes, keys sorted", () => {
  const endpoints = new Map([
    ["b", { ip: parseIP("fd00::1")!, port: 1 }],
    ["a", { ip: parseIP("::ffff:203.0.113.9")!, port: 51820 }],
  ]);
  const text = formatDiscoveredEndpoints(endpoints);
  assert.equal(
    text,
    '{"a":{"IP":"203.0.113.9","Port":51820,"Zone":""},"b":{"IP":"fd00::1","Port":1,"Zone":""}}',
  );
  assert.deepEqual(parseDiscoveredEndpoints(text)?.endpoints, new Map([...endpoints].reverse()));
  assert.equal(formatDiscoveredEndpoints(new Map()), "{}");
});
