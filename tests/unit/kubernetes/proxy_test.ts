import assert from "node:assert/strict";
import { isLoopback, proxyFor, proxySettings } from "../../../src/kubernetes/proxy.ts";

function proxyOf(url: string, variables: Readonly<Record<string, string>>): string | undefined {
  return proxyFor(new URL(url), proxySettings((name) => variables[name]));
}

Deno.test("proxyFor() reads NO_PROXY as Go's httpproxy does", () => {
  const NO_PROXY = "foobar.com, .barbaz.net, *.wildcard.io, 192.168.1.1, 192.168.1.2:81, " +
    "192.168.1.3:443, 10.0.0.0/30, 2001:db8::52:0:1, [2001:db8::52:0:2]:80, " +
    "[2001:db8::52:0:3]:443, 2002:db8:a::45/64, ported.org:443, other.org:80, :443, ,Upper.ORG";
  const expected: Readonly<Record<string, boolean>> = {
    "localhost": false,
    "127.0.0.1": false,
    "127.255.0.2": false,
    "[::1]": false,
    "[::ffff:127.0.0.1]": false,
    "[::2]": true,
    "192.168.1.1": false,
    "192.168.1.2": true,
    "192.168.1.3": false,
    "192.168.1.4": true,
    "10.0.0.2": false,
    "10.0.0.4": true,
    "[2001:db8::52:0:1]": false,
    "[2001:db8::52:0:2]": true,
    "[2001:db8::52:0:3]": false,
    "[2002:db8:a::123]": false,
    "[fe80::424b:c8be:1643:a1b6]": true,
    "barbaz.net": true,
    "www.barbaz.net": false,
    "foobar.com": false,
    "www.foobar.com": false,
    "foofoobar.com": true,
    "baz.com": true,
    "localhost.net": true,
    "local.localhost": true,
    "barbarbaz.net": true,
    "wildcard.io": true,
    "nested.wildcard.io": false,
    "awildcard.io": true,
    "ported.org": false,
    "sub.ported.org": false,
    "other.org": true,
    "upper.org": false,
  };
  for (const [host, isProxied] of Object.entries(expected)) {
    const proxy = proxyOf(`https://${host}`, { HTTPS_PROXY: "p:3128", NO_PROXY });
    assert.equal(proxy, isProxied ? "p:3128" : undefined, host);
  }
  assert.equal(proxyOf("https://ported.org:6443", { HTTPS_PROXY: "p", NO_PROXY }), "p");
  assert.equal(proxyOf("https://far.org", { HTTPS_PROXY: "p", NO_PROXY: "a, * ,b" }), undefined);
  assert.equal(proxyOf("https://far.org", { HTTPS_PROXY: "p", NO_PROXY: "*.*" }), "p");
});

Deno.test("proxyFor() takes the variable of the URL's scheme, upper case before lower", () => {
  const all = { HTTP_PROXY: "a", http_proxy: "b", HTTPS_PROXY: "c", https_proxy: "d" };
  assert.equal(proxyOf("http://h", all), "a");
  assert.equal(proxyOf("https://h", all), "c");
  assert.equal(proxyOf("http://h", { ...all, HTTP_PROXY: "" }), "b");
  assert.equal(proxyOf("https://h", { https_proxy: "d", no_proxy: "x" }), "d");
  assert.equal(proxyOf("https://h", { https_proxy: "d", no_proxy: "h" }), undefined);
  assert.equal(proxyOf("https://h", { HTTP_PROXY: "a" }), undefined);
  assert.equal(proxyOf("https://h", { ALL_PROXY: "a" }), undefined, "Go knows no such variable");
});

Deno.test("isLoopback() knows names and addresses of this machine", () => {
  for (const host of ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "[::1]"]) {
    assert.ok(isLoopback(host), host);
  }
  for (const host of ["128.0.0.1", "localhost.example", "::2", "0.0.0.0", "127.0.0.1.example"]) {
    assert.ok(!isLoopback(host), host);
  }
});
