import assert from "node:assert/strict";
import { DNSResolver, LookupError } from "../../../src/dns/resolver.ts";
import { formatIP } from "../../../src/net/ip.ts";
import { libc } from "../../../src/os/libc.ts";
import { pollerIdle } from "../../../src/os/poller.ts";
import { DNSServer, type Zone } from "../../lab/dns_server.ts";

libc(); // stays open: not a leak of any test

/** The thread that waits for sockets ends a little after them. */
function test(name: string, run: () => Promise<void>): void {
  Deno.test(name, async () => {
    await run();
    await pollerIdle();
  });
}

/** Looks a name up with these files and that server; addresses as text, or why there are none. */
async function lookup(
  name: string,
  { zone, conf = "", hosts = "" }: { zone: Zone; conf?: string; hosts?: string },
) {
  const directory = await Deno.makeTempDir({ prefix: "ag-" });
  const [hostsPath, resolvConfPath] = [`${directory}/hosts`, `${directory}/resolv.conf`];
  await Deno.writeTextFile(hostsPath, hosts);
  await Deno.writeTextFile(resolvConfPath, conf);
  await using server = await DNSServer.open(zone);
  using dns = new DNSResolver({ hostsPath, resolvConfPath, port: server.port });
  const { A, AAAA } = await dns.lookup(name);
  await Deno.remove(directory, { recursive: true });
  const shown = [A, AAAA].map((ips) =>
    ips instanceof LookupError
      ? [ips.message, ips.cause instanceof Error ? ips.cause.message : ""].join(": ")
      : ips.map(formatIP).join()
  );
  return { A: shown[0]!, AAAA: shown[1]!, asked: server.asked };
}

const address = (name: string, last: number) => ({
  records: [{ name, type: "A", data: [10, 0, 0, last] }],
} as const);

/** Knows these names. */
const zoneOf = (names: Readonly<Record<string, number>>): Zone => (name, type) => {
  const last = names[name];
  if (last === undefined) return { rcode: 3 };
  return type === "A" ? address(name, last) : {};
};

test("DNSResolver.lookup() asks for both families", async () => {
  const { A, AAAA } = await lookup("a.example", {
    zone: (name, type) =>
      type === "A" ? { records: [...address(name, 9).records, ...address(name, 1).records] } : {
        records: [{ name, type: "AAAA", data: [0xfd, ...Array(14).fill(0), 1] }],
      },
  });
  assert.deepEqual([A, AAAA], ["10.0.0.1,10.0.0.9", "fd00::1"]);
});

test("DNSResolver.lookup() prefers /etc/hosts", async () => {
  const zone = zoneOf({ "a.example": 1 });
  const { A, asked } = await lookup("A.example", { zone, hosts: "10.0.0.99 a.example\n" });
  assert.deepEqual([A, asked], ["10.0.0.99", []]);
});

test("DNSResolver.lookup() is not stopped by anything in resolv.conf", async () => {
  const label = "x".repeat(64);
  for (
    const conf of [
      "",
      "options no-aaaa\n",
      "options trust-ad edns0 unheard-of\nrubbish here\n",
      `search ${label}.example\n`,
      `domain ${label}\n`,
      `search ${Array(300).fill("d".repeat(60)).join(" ")}\noptions ndots:0\n`,
      "nameserver\nnameserver 1.2.3\nnameserver fe80::1%\n",
      "\0\r\n\xff\xfe\n",
      "options timeout:x attempts:-7 ndots:\n",
    ]
  ) {
    const { A } = await lookup("a.example", { zone: zoneOf({ "a.example": 7 }), conf });
    assert.equal(A, "10.0.0.7", JSON.stringify(conf));
  }
});

test("DNSResolver.lookup() asks for no IPv6 where resolv.conf has no-aaaa", async () => {
  const zone = zoneOf({ "a.example": 7 });
  const { AAAA, asked } = await lookup("a.example", { zone, conf: "options no-aaaa\n" });
  assert.deepEqual([AAAA, asked], ["", ["a.example A udp"]]);
});

test("DNSResolver.lookup() goes through the search list as ndots says", async () => {
  const conf = "search one.example two.example\noptions no-aaaa ndots:1\n";
  const zone = zoneOf({ "a.two.example": 2, "a.b": 3 });
  assert.deepEqual(await lookup("a", { zone, conf }), {
    A: "10.0.0.2",
    AAAA: "",
    asked: ["a.one.example A udp", "a.two.example A udp"],
  });
  assert.deepEqual((await lookup("a.b", { zone, conf })).asked, ["a.b A udp"]);
  assert.deepEqual((await lookup("x.", { zone, conf })).asked, ["x A udp"]);
});

test("DNSResolver.lookup() asks over TCP for what does not fit", async () => {
  const records = Array.from({ length: 100 }, (_, at) => address("a.example", at).records[0]);
  const zone: Zone = (_, type) => type === "A" ? { records, truncated: true } : {};
  const { A, asked } = await lookup("a.example", { zone });
  assert.equal(A.split(",").length, 100);
  assert.deepEqual(asked.filter((line) => line.includes(" A ")), [
    "a.example A udp",
    "a.example A tcp",
  ]);
});

test("DNSResolver.lookup() waits for the answer among others", async () => {
  const { A } = await lookup("a.example", {
    zone: (name, type) => ({
      ...(type === "A" && address(name, 7)),
      change(bytes) {
        const other = bytes.slice();
        other[1]! ^= 1; // of another question
        return [new Uint8Array(3), other, bytes.slice(0, 20), bytes];
      },
    }),
  });
  assert.equal(A, "10.0.0.7");
});

test("DNSResolver.lookup() tells a name that does not exist from a server that fails", async () => {
  const missing = await lookup("a.example", { zone: zoneOf({}) });
  assert.equal(missing.A, 'there is no name "a.example": ');
  const broken = await lookup("a.example", { zone: () => ({ rcode: 2 }) });
  assert.equal(broken.A, '"a.example" does not resolve: SERVFAIL');
  const half = await lookup("a.example", {
    zone: (name, type) => type === "A" ? address(name, 7) : { rcode: 2 },
  });
  assert.deepEqual([half.A, half.AAAA], ["10.0.0.7", '"a.example" does not resolve: SERVFAIL']);
});

test("DNSResolver.lookup() refuses what is too long, by itself", async () => {
  const { A, asked } = await lookup(`${"x".repeat(64)}.example`, { zone: zoneOf({}) });
  assert.match(A, /is too long to be a name/);
  assert.deepEqual(asked, []);
});

test("DNSResolver.lookup() asks the next server where nobody is, or nobody answers", async () => {
  const zone = zoneOf({ "a.example": 7 });
  const refused = "nameserver 127.0.0.2\nnameserver 127.0.0.1\n";
  assert.equal((await lookup("a.example", { zone, conf: refused })).A, "10.0.0.7");
  // 192.0.2.0/24 is nobody's (RFC 5737); whether there is a way to it or not, no answer comes.
  const silent = "nameserver 192.0.2.1\nnameserver 127.0.0.1\noptions timeout:1\n";
  assert.equal((await lookup("a.example", { zone, conf: silent })).A, "10.0.0.7");
});

test("DNSResolver.lookup() fails at once where nobody is, and ends when disposed of", async () => {
  const resolvConfPath = await Deno.makeTempFile({ prefix: "ag-" });
  const paths = { hostsPath: "/none", resolvConfPath };
  const unused = await DNSServer.open(() => undefined);
  await unused[Symbol.asyncDispose]();
  {
    using dns = new DNSResolver({ ...paths, port: unused.port });
    const { A } = await dns.lookup("a.example");
    assert(A instanceof LookupError);
    assert.match(`${(A.cause as Error).message}`, /^127\.0\.0\.1 is not reached$/);
  }
  await using server = await DNSServer.open(() => undefined);
  const dns = new DNSResolver({ ...paths, port: server.port });
  const lookup = dns.lookup("a.example");
  await new Promise((resolve) => setTimeout(resolve));
  dns[Symbol.dispose]();
  await assert.rejects(lookup, LookupError);
  await Deno.remove(resolvConfPath);
});

test("DNSResolver reads its files again when they change, and does without", async () => {
  const directory = await Deno.makeTempDir({ prefix: "ag-" });
  await using server = await DNSServer.open(zoneOf({ "a.example": 7 }));
  using dns = new DNSResolver({
    ...{ hostsPath: `${directory}/hosts`, resolvConfPath: `${directory}/resolv.conf` },
    port: server.port,
  });
  const first = async () => {
    const { A } = await dns.lookup("a.example");
    return A instanceof LookupError ? A : A.map(formatIP).join();
  };
  assert.equal(await first(), "10.0.0.7");
  await Deno.writeTextFile(`${directory}/hosts`, "10.0.0.8 a.example\n");
  assert.equal(await first(), "10.0.0.8");
  await Deno.remove(directory, { recursive: true });
  assert.equal(await first(), "10.0.0.7");
});
