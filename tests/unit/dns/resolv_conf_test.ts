import assert from "node:assert/strict";
import { formatServer, parseResolvConf } from "../../../src/dns/resolv_conf.ts";

const servers = (text: string) => parseResolvConf(text).servers.map(formatServer);

Deno.test("parseResolvConf() does without a file, or servers in it, as glibc does", () => {
  for (
    const text of ["", "\n\n", "# nothing\n", "nameserver\n", "nameserver x\n", "search a.b\n"]
  ) {
    assert.deepEqual(servers(text), ["127.0.0.1"], text);
  }
  assert.deepEqual(parseResolvConf("", "host.a.example").search, ["a.example"]);
  assert.deepEqual(parseResolvConf("", "host").search, []);
});

Deno.test("parseResolvConf() takes the first three servers, of both families", () => {
  const text = "nameserver 10.0.0.1\nnameserver\tfe80::1%eth0  # ours\n nameserver 10.0.0.8\n" +
    "nameserver nonsense\nnameserver 10.0.0.300\nnameserver fd00::53\r\nnameserver 10.0.0.9\n";
  assert.deepEqual(servers(text), ["10.0.0.1", "fe80::1%eth0", "fd00::53"]);
});

Deno.test("parseResolvConf() skips every word it does not know", () => {
  const text =
    "; comment\n#options ndots:9\noptions no-aaaa trust-ad edns0 unheard-of:7 ndots:3\n" +
    "sortlist 130.155.160.0/255.255.240.0\nlookup file bind\nfamily inet4\n\0\xff\n" +
    "options\nnameserver 10.0.0.1\noptions timeout:2 attempts:4 rotate use-vc\n";
  assert.deepEqual(parseResolvConf(text), {
    servers: servers("nameserver 10.0.0.1").length > 0
      ? parseResolvConf("nameserver 10.0.0.1").servers
      : [],
    search: [],
    ndots: 3,
    timeout: 2000,
    attempts: 4,
    rotate: true,
    useTCP: true,
    noAAAA: true,
  });
});

Deno.test("parseResolvConf() takes the last of search and domain, and bounds all numbers", () => {
  assert.deepEqual(parseResolvConf("search a.b c\ndomain d.e f\n").search, ["d.e"]);
  assert.deepEqual(parseResolvConf("domain d.e\nsearch a.b. c\t.\r\n").search, ["a.b", "c"]);
  const read = (options: string) => {
    const { ndots, timeout, attempts } = parseResolvConf(`options ${options}\n`);
    return [ndots, timeout, attempts];
  };
  assert.deepEqual(read(""), [1, 5000, 2]);
  assert.deepEqual(read("ndots:99999999999 timeout:3600 attempts:1000"), [15, 30_000, 5]);
  assert.deepEqual(read("ndots:-1 timeout:0 attempts:x"), [0, 1000, 1]);
  assert.deepEqual(read("ndots timeout: attempts:3x"), [0, 1000, 3]);
});
