import assert from "node:assert/strict";
import { lookupAddresses, lookupHost } from "../../../src/agent/lookup.ts";
import { DNSResolver, LookupError } from "../../../src/dns/resolver.ts";
import { formatIP } from "../../../src/net/ip.ts";

Deno.test("lookupHost() takes an address for itself, and a number for no name", async () => {
  using dns = new DNSResolver();
  assert.deepEqual((await lookupHost(dns, "::ffff:10.0.0.1")).map(formatIP), ["10.0.0.1"]);
  const { A, AAAA } = await lookupAddresses(dns, "fd00::1");
  assert(!(AAAA instanceof LookupError));
  assert.deepEqual([A, AAAA.map(formatIP)], [[], ["fd00::1"]]);
  for (const name of ["10.0.0.01", "12345", "a.1"]) {
    await assert.rejects(lookupHost(dns, name), LookupError, name);
  }
});

Deno.test("lookupHost() finds what this machine's hosts file has", async () => {
  using dns = new DNSResolver();
  assert.equal(formatIP((await lookupHost(dns, "localhost"))[0]!), "127.0.0.1");
});
