import assert from "node:assert/strict";
import { parseNameServers, Servers } from "../../../src/agent/servers.ts";
import { formatIP, type IP, parseIP } from "../../../src/net/ip.ts";

Deno.test("parseNameServers() reads a resolv.conf", () => {
  const text = "search example\n# nameserver 10.0.0.9\nnameserver 10.0.0.1\n" +
    "  nameserver\tfd00::1%eth0\nnameserver nonsense\nnameserver 10.0.0.2 trailing";
  const found = parseNameServers(text).map(({ ip, role }) => `${role} ${formatIP(ip)}`);
  assert.deepEqual(found, [
    "name server 10.0.0.1",
    "name server fd00::1",
    "name server 10.0.0.2",
  ]);
});

Deno.test("Servers keeps how a server was reached when it was first heard of", async () => {
  const ip = parseIP("203.0.113.5")!;
  let [isDirect, resolves, asked] = [true, true, 0];
  const servers = new Servers({
    host: {
      isReachedWithout: (to: IP) => {
        if (formatIP(to) === formatIP(ip)) asked++;
        return isDirect;
      },
    },
    kiloInterface: "kilo0",
    apiServer: () => "api.example",
    lookup: () => resolves ? Promise.resolve([ip]) : Promise.reject(new Error("no answer")),
    changed: () => {},
  });
  const api = () => servers.known.filter(({ role }) => role === "API server");
  assert.ok(await servers.find());
  assert.deepEqual(api(), [{ ip, role: "API server" }]);
  const { known } = servers;
  isDirect = false; // a route of ours leads there by now
  assert.equal(await servers.find(), false);
  assert.equal(servers.known, known);
  resolves = false;
  assert.equal(await servers.find(), false);
  assert.equal(servers.known, known);
  assert.equal(asked, 1);
});

Deno.test("Servers asks again for the way to a server that had none at first", async () => {
  const answers = [undefined, true];
  const servers = new Servers({
    host: { isReachedWithout: () => answers.length > 1 ? answers.shift() : answers[0] },
    kiloInterface: "kilo0",
    apiServer: () => "api.example",
    lookup: () => Promise.resolve([parseIP("203.0.113.5")!]),
    changed: () => {},
  });
  const roles = () => servers.known.map(({ role }) => role);
  await servers.find();
  assert.ok(!roles().includes("API server"), "before DHCP is done nothing leads there");
  await servers.find();
  assert.ok(roles().includes("API server"));
});
