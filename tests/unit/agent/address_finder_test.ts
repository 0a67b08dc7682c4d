import assert from "node:assert/strict";
import { AddressFinder } from "../../../src/agent/address_finder.ts";
import type { Chosen } from "../../../src/agent/chosen.ts";
import type { HostState } from "../../../src/agent/host_view.ts";
import { formatIP, type IP, parseIP } from "../../../src/net/ip.ts";
import { formatPrefix, parsePrefix } from "../../../src/net/prefix.ts";
import { FakeClock, settle } from "../../fake_clock.ts";

const PERMANENT = 0x80;

/** A host with one device whose addresses a test sets, and the finder of a kg on it. */
class TestHost implements HostState {
  readonly links = [{ index: 2, name: "eth0", kind: undefined, type: 1 }];
  readonly defaultRoutes = [{ oif: 2 }];
  addresses: HostState["addresses"] = [];
  readonly clock = new FakeClock();
  memory: { chosen: Chosen } = { chosen: {} };
  name: Promise<readonly IP[]> = Promise.resolve([]);
  changes = 0;
  finder!: AddressFinder;

  constructor(...texts: string[]) {
    this.set(...texts);
    this.start();
  }

  start(): void {
    this.finder = new AddressFinder(this, {
      kiloInterface: "kilo0",
      internalCidr: [],
      prioritisePrivateAddresses: false,
      lookup: () => this.name,
      memory: this.memory,
      changed: () => this.changes++,
      clock: this.clock,
    });
  }

  /** What the kernel has from now on. */
  set(...texts: string[]): void {
    this.addresses = texts.map((text) => ({
      index: 2,
      prefix: parsePrefix(text)!,
      flags: PERMANENT,
    }));
    this.finder?.invalidate();
  }

  /** `endpoint internal`, and in how many milliseconds to ask again. */
  look(): string {
    const wait = this.finder.update();
    const { endpointIP, internalIP } = this.finder.found;
    const words = [formatIP(endpointIP), internalIP ? formatPrefix(internalIP) : "-"];
    return [...words, wait ?? []].flat().join(" ");
  }
}

Deno.test("AddressFinder follows a replaced address at once, and waits for one that has gone", async () => {
  const host = new TestHost("198.51.100.11/24", "10.1.0.11/24");
  await settle();
  assert.equal(host.look(), "198.51.100.11 10.1.0.11/24");
  host.set("198.51.100.11/24", "10.1.0.21/24");
  assert.equal(host.look(), "198.51.100.11 10.1.0.21/24");
  host.set("198.51.100.11/24");
  assert.equal(host.look(), "198.51.100.11 10.1.0.21/24 300");
  await host.clock.advance(200);
  assert.equal(host.look(), "198.51.100.11 10.1.0.21/24 100");
  host.set("198.51.100.11/24", "10.1.0.31/24");
  assert.equal(host.look(), "198.51.100.11 10.1.0.31/24");
  host.set("198.51.100.11/24");
  await host.clock.advance(1000);
  assert.equal(host.look(), "198.51.100.11 10.1.0.31/24 300", "each loss has its own time");
  await host.clock.advance(300);
  assert.equal(host.look(), "198.51.100.11 -");
  assert.equal(host.look(), "198.51.100.11 -");
});

Deno.test("AddressFinder does not take a floating address for one that is set anew", async () => {
  const host = new TestHost("10.1.0.11/24", "10.1.0.1/32");
  await settle();
  host.set("10.1.0.1/32");
  assert.equal(host.look(), "10.1.0.11 10.1.0.11/24 300");
  host.set("10.1.0.1/32", "10.1.0.11/24");
  assert.equal(host.look(), "10.1.0.11 10.1.0.11/24");
  host.set("10.1.0.1/32");
  host.look();
  await host.clock.advance(300);
  assert.equal(host.look(), "10.1.0.1 10.1.0.1/32", "where it does not come");
});

Deno.test("AddressFinder keeps what it found, with a problem, on a host without any", async () => {
  const host = new TestHost("10.1.0.11/24");
  await settle();
  host.set();
  assert.equal(host.look(), "10.1.0.11 10.1.0.11/24 300");
  assert.equal(host.finder.problem, undefined);
  assert.ok(host.finder.isWanted(parseIP("10.9.9.9")!), "any may be the replacement");
  await host.clock.advance(300);
  assert.equal(host.look(), "10.1.0.11 10.1.0.11/24");
  assert.match(host.finder.problem!, /no address/);
  host.set();
  assert.equal(host.look(), "10.1.0.11 10.1.0.11/24", "there is nothing more to wait for");
  assert.ok(host.finder.isWanted(parseIP("10.9.9.9")!));
  host.set("10.1.0.1/24", "10.1.0.11/24");
  assert.equal(host.look(), "10.1.0.11 10.1.0.11/24");
  assert.equal(host.finder.problem, undefined);
  assert.ok(!host.finder.isWanted(parseIP("10.9.9.9")!));
});

Deno.test("AddressFinder remembers its choice over a restart, a lost internal address too", async () => {
  const host = new TestHost("203.0.113.9/24", "10.1.0.11/24");
  await settle();
  host.set("1.0.0.1/24", "203.0.113.9/24", "10.0.0.1/24", "10.1.0.11/24");
  host.start();
  assert.equal(host.look(), "203.0.113.9 10.1.0.11/24");
  await settle();
  assert.equal(host.look(), "203.0.113.9 10.1.0.11/24");
  host.set("203.0.113.9/24");
  host.look();
  await host.clock.advance(300);
  assert.equal(host.look(), "203.0.113.9 -");
  host.set("203.0.113.9/24", "10.0.0.1/24", "10.1.0.11/24");
  assert.equal(host.look(), "203.0.113.9 10.1.0.11/24");
  host.memory.chosen = {};
  host.start();
  assert.equal(host.look(), "203.0.113.9 10.0.0.1/24");
});

Deno.test("AddressFinder chooses for good only when the host name is known", async () => {
  const name = Promise.withResolvers<readonly IP[]>();
  const host = new TestHost("203.0.113.9/24");
  await settle();
  host.name = name.promise;
  host.memory.chosen = {};
  host.set("10.1.0.11/24", "10.1.0.12/24");
  host.start();
  assert.equal(host.look(), "10.1.0.11 10.1.0.11/24");
  host.set("10.1.0.11/24", "10.1.0.12/24", "10.1.0.10/24");
  assert.equal(host.look(), "10.1.0.10 10.1.0.10/24");
  assert.deepEqual(host.memory.chosen, {});
  const before = host.changes;
  name.resolve([parseIP("10.1.0.12")!]);
  await settle();
  assert.equal(host.changes, before + 1);
  assert.equal(host.look(), "10.1.0.12 10.1.0.12/24");
  host.name = Promise.resolve([parseIP("10.1.0.10")!]);
  host.finder.refresh();
  await settle();
  assert.equal(host.look(), "10.1.0.12 10.1.0.12/24", "later answers change nothing");
});

Deno.test("AddressFinder does without a host name that does not resolve", async () => {
  const host = new TestHost("10.1.0.11/24");
  await settle();
  host.name = Promise.reject(new Error("no such name"));
  host.memory.chosen = {};
  host.start();
  await settle();
  assert.equal(host.changes, 0);
  assert.deepEqual(host.memory.chosen, {
    endpointIP: parseIP("10.1.0.11"),
    internalIP: parseIP("10.1.0.11"),
  });
});

Deno.test("AddressFinder refuses to start on a host without any", () => {
  assert.throws(() => new TestHost(), { name: "DiscoveryError" });
});
