import assert from "node:assert/strict";
import type { DiscoveryError, DiscoveryOptions } from "../../../src/agent/discovery.ts";
import { type HostView, viewHost } from "../../../src/agent/host_view.ts";
import { parsePrefix } from "../../../src/net/prefix.ts";
import { host, pick } from "./hosts.ts";

Deno.test("discover() picks the first private and the first public address", () => {
  assert.equal(
    pick(host({ lo: "127.0.0.1/8 ::1/128", eth0: "10.0.0.1/24", eth1: "203.0.113.1/24" })),
    "203.0.113.1 10.0.0.1/24",
  );
});

Deno.test("discover() falls back on the private address, but never the other way round", () => {
  assert.equal(pick(host({ eth0: "10.0.0.1/24" })), "10.0.0.1 10.0.0.1/24");
  assert.equal(pick(host({ eth0: "203.0.113.1/24" })), "203.0.113.1 -");
  assert.equal(pick(host({ eth0: "100.64.0.1/10" })), "100.64.0.1 -");
});

Deno.test("discover() prefers the host name, then the default route, then any interface", () => {
  const interfaces = { a: "10.0.0.1/24", b: "10.0.0.2/24", c: "10.0.0.3/24" };
  assert.equal(pick(host(interfaces)), "10.0.0.1 10.0.0.1/24");
  assert.equal(pick(host(interfaces, { via: "b" })), "10.0.0.2 10.0.0.2/24");
  assert.equal(pick(host(interfaces, { via: "b", name: "10.0.0.3" })), "10.0.0.3 10.0.0.3/24");
  assert.equal(pick(host(interfaces, { via: "b", name: "10.9.9.9" })), "10.0.0.2 10.0.0.2/24");
});

Deno.test("discover() sorts a group by family, then by text", () => {
  assert.equal(
    pick(host({ eth0: "fd00::1/64 10.0.0.2/24 10.0.0.10/24" })),
    "10.0.0.10 10.0.0.10/24",
  );
  assert.equal(pick(host({ eth0: "2001:db8::2/64 2001:db8::10/64" })), "2001:db8::10 -");
});

Deno.test("discover() takes a name's prefix length from the first interface by name", () => {
  const view = host({ z: "10.0.0.1/16", a: "10.0.0.1/24" }, { name: "10.0.0.1" });
  assert.equal(pick(view), "10.0.0.1 10.0.0.1/24");
});

Deno.test("discover() never counts local addresses nor those of our devices, by text", () => {
  assert.equal(
    pick(host({
      eth0: "169.254.1.1/16 fe80::1/64 192.168.1.1/24 10.4.0.1/32",
      kilo0: "10.4.0.1/16 10.5.0.1/32",
      "kube-bridge": "10.42.0.1/24",
      tunl0: "10.43.0.1/32",
      eth1: "10.4.0.1/24 10.42.0.1/24",
    })),
    "10.4.0.1 10.4.0.1/24",
  );
  assert.equal(
    pick(host({ wg: "10.4.0.1/16", eth0: "192.168.1.1/24" }), { kiloInterface: "wg" }),
    "192.168.1.1 192.168.1.1/24",
  );
});

Deno.test("discover() takes only addresses inside --internal-cidr for internal", () => {
  const internalCidr = [parsePrefix("192.168.0.0/16")!, parsePrefix("203.0.113.0/24")!];
  assert.equal(
    pick(host({ a: "10.0.0.1/24", b: "192.168.1.1/24", c: "203.0.113.1/24" }), { internalCidr }),
    "203.0.113.1 192.168.1.1/24",
  );
  assert.equal(pick(host({ c: "203.0.113.1/24" }), { internalCidr }), "203.0.113.1 -");
});

Deno.test("discover() uses the internal address as endpoint where that is asked for", () => {
  const options = { prioritisePrivateAddresses: true };
  assert.equal(pick(host({ a: "10.0.0.1/24 203.0.113.1/24" }), options), "10.0.0.1 10.0.0.1/24");
  assert.equal(pick(host({ a: "203.0.113.1/24" }), options), "203.0.113.1 -");
});

Deno.test("discover() says why there is no address", () => {
  const message = (view: HostView, options: Partial<DiscoveryOptions> = {}) => {
    try {
      return `picked ${pick(view, options)}`;
    } catch (error) {
      assert.equal((error as DiscoveryError).name, "DiscoveryError");
      return (error as Error).message;
    }
  };
  assert.match(
    message(host({ lo: "127.0.0.1/8" })),
    /resolves to nothing, there is no default route/,
  );
  assert.match(
    message({ ...host({ lo: "127.0.0.1/8" }, { name: "127.0.0.1" }), defaultDevice: "multipath" }),
    /no usable address of this machine, the default route has several devices/,
  );
  const internalCidr = [parsePrefix("192.168.0.0/16")!];
  assert.match(message(host({ eth0: "10.0.0.1/24" }), { internalCidr }), /10\.0\.0\.1\/24/);
});

Deno.test("viewHost() puts links, addresses and the default route together", () => {
  const links = [
    { index: 1, name: "lo", kind: undefined, type: 772 },
    { index: 7, name: "eth0", kind: undefined, type: 1 },
  ];
  const addresses = [{ index: 7, prefix: parsePrefix("10.0.0.1/24")! }];
  const view = viewHost({ links, addresses, defaultRoutes: [{ oif: 7 }, { oif: 1 }] }, []);
  assert.deepEqual(view.interfaces.map(({ name, addresses }) => [name, addresses.length]), [
    ["lo", 0],
    ["eth0", 1],
  ]);
  const device = (defaultRoutes: { oif: number | undefined }[]) =>
    viewHost({ links, addresses, defaultRoutes }, []).defaultDevice;
  assert.deepEqual([view.defaultDevice, device([]), device([{ oif: undefined }])], [
    7,
    "missing",
    "multipath",
  ]);
});
