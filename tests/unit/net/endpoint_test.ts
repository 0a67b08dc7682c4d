import assert from "node:assert/strict";
import {
  equalEndpoint,
  formatAddressPort,
  formatEndpoint,
  isDNSName,
  parseEndpoint,
} from "../../../src/net/endpoint.ts";
import { parseIP } from "../../../src/net/ip.ts";

// What the original prints for the text: addresses are normalised, names stay as they are written.
const READ: Record<string, string> = {
  "10.0.0.1:51820": "10.0.0.1:51820",
  "10.0.0.1:007": "10.0.0.1:7",
  "[1.2.3.4]:5": "1.2.3.4:5",
  "[::1]:65535": "[::1]:65535",
  "[2001:DB8::1]:1": "[2001:db8::1]:1",
  "[::ffff:1.2.3.4]:51820": "1.2.3.4:51820",
  "[::1.2.3.4]:1": "[::102:304]:1",
  "example.com:1": "example.com:1",
  "localhost:007": "localhost:007",
  "[example.com]:5": "[example.com]:5",
  "10.0.0.01:1": "10.0.0.01:1",
  "256.1.1.1:1": "256.1.1.1:1",
  "12345:7": "12345:7",
  "0x7f.1:1": "0x7f.1:1",
  "1.2.3:1": "1.2.3:1",
  "xn--bcher-kva.example:1": "xn--bcher-kva.example:1",
  "a.b:00000000000000000000000000000000001": "a.b:00000000000000000000000000000000001",
};

const REFUSED = [
  ..."|:|:1|10.0.0.1|10.0.0.1:|10.0.0.1:0|10.0.0.1:65536|10.0.0.1:+5|10.0.0.1: 5|10.0.0.1:5 "
    .split("|"),
  ...["10.0.0.1:-5", "10.0.0.1:0x5", "10.0.0.1:1_0", "10.0.0.1:٥", "10.0.0.1:4294967297"],
  ...["10.0.0.1:99999999999999999999", "10.0.0.1:1:2", "10.0.0.1:5\n", " 10.0.0.1:5"],
  ...["::1:5", "2001:db8::1", "[::1]", "[::1]5", "[::1:5", "::1]:5", "[[::1]]:5", "[]:5", "[::1]:"],
  ...["[fe80::1%eth0]:1", "fe80::1%eth0:1", "a[b]:1", "[a]b:1", "a]:1"],
  ...["Example.com:1", "example.com.:1", "a..b:1", "-a.com:1", "a-.com:1", "a_b.com:1"],
  ...["bücher.de:1", " example.com:1", "a b:1", "a.com\n:1", `${"a".repeat(254)}:1`],
];

Deno.test("parseEndpoint() and formatEndpoint() read and write as the original", () => {
  for (const [text, wanted] of Object.entries(READ)) {
    const endpoint = parseEndpoint(text) ?? assert.fail(`${text} is refused`);
    assert.equal(formatEndpoint(endpoint), wanted, text);
    assert.deepEqual(parseEndpoint(wanted), endpoint, `${text} as printed`);
  }
});

Deno.test("parseEndpoint() refuses what the original refuses", () => {
  for (const text of REFUSED) assert.equal(parseEndpoint(text), undefined, JSON.stringify(text));
});

Deno.test("parseEndpoint() tells names from addresses and reads the port as a number", () => {
  assert.deepEqual(parseEndpoint("a.b:51820"), { dns: "a.b", port: 51820 });
  assert.deepEqual(parseEndpoint("a.b:007"), { dns: "a.b", port: 7, written: "a.b:007" });
  assert.deepEqual(parseEndpoint("10.0.0.01:5"), { dns: "10.0.0.01", port: 5 });
  assert.deepEqual(parseEndpoint("10.0.0.1:5"), { ip: parseIP("10.0.0.1"), port: 5 });
});

Deno.test("isDNSName() limits the whole name, not its labels", () => {
  assert.ok(isDNSName("a".repeat(253)));
  assert.ok(!isDNSName("a".repeat(254)));
  assert.ok(isDNSName(`${"a.".repeat(126)}a`));
  assert.ok(!isDNSName(""));
});

Deno.test("formatEndpoint() shows the name though its address is known", () => {
  const ip = parseIP("10.0.0.1")!;
  assert.equal(formatEndpoint({ dns: "a.b", ip, port: 5 }), "a.b:5");
  assert.equal(formatAddressPort(parseIP("fd00::1")!, 5), "[fd00::1]:5");
});

Deno.test("equalEndpoint() compares what is declared, not what it resolves to", () => {
  const [one, two] = [parseIP("10.0.0.1")!, parseIP("10.0.0.2")!];
  assert.ok(equalEndpoint({ dns: "a", ip: one, port: 5 }, { dns: "a", ip: two, port: 5 }));
  assert.ok(equalEndpoint({ dns: "a", ip: one, port: 5 }, { dns: "a", port: 5 }));
  assert.ok(!equalEndpoint({ dns: "a", port: 5 }, { dns: "b", port: 5 }));
  assert.ok(!equalEndpoint({ dns: "a", port: 5 }, { dns: "a", port: 6 }));
  assert.ok(!equalEndpoint({ dns: "a", ip: one, port: 5 }, { ip: one, port: 5 }));
  assert.ok(!equalEndpoint({ ip: one, port: 5 }, { ip: two, port: 5 }));
  assert.ok(!equalEndpoint(undefined, { ip: two, port: 5 }));
  assert.ok(equalEndpoint(undefined, undefined));
});
