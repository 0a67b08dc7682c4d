import assert from "node:assert/strict";
import { KG_FLAGS, kgOptions } from "../../../src/cli/kg_flags.ts";
import { parseFlags, UsageError } from "../../../src/cli/flags.ts";
import { formatPrefix } from "../../../src/net/prefix.ts";

const MACHINE = { nodeName: undefined, hostname: "machine" };

function options(...args: string[]) {
  const { values, errors } = parseFlags(args, KG_FLAGS);
  for (const error of errors.values()) throw error;
  return kgOptions(values, MACHINE);
}

Deno.test("kgOptions() has the documented defaults", () => {
  const { subnet, ...rest } = options();
  assert.equal(formatPrefix(subnet), "10.4.0.0/16");
  assert.deepEqual(rest, {
    backend: { kind: "kubernetes", kubeconfig: undefined, master: undefined },
    cleanUp: true,
    cleanUpInterface: false,
    cni: true,
    cniPath: "/etc/cni/net.d/10-kilo.conflist",
    compatibility: undefined,
    createInterface: true,
    encapsulate: "always",
    firewall: "nftables",
    hostname: "machine",
    interface: "kilo0",
    internalCidr: [],
    iptablesForwardRules: false,
    listen: ":1107",
    local: true,
    logLevel: "info",
    meshGranularity: "location",
    mtu: "auto",
    port: 51820,
    prioritisePrivateAddresses: false,
    resyncPeriod: 30_000,
    serviceCidr: [],
    topologyLabel: "topology.kubernetes.io/region",
  });
});

Deno.test("kgOptions() takes the host name from the flag, NODE_NAME or the kernel", () => {
  const { values } = parseFlags([], KG_FLAGS);
  assert.equal(kgOptions(values, { nodeName: "node", hostname: "m" }).hostname, "node");
  assert.equal(kgOptions(values, { nodeName: "", hostname: "m" }).hostname, "m");
  const given = parseFlags(["--hostname=mine"], KG_FLAGS).values;
  assert.equal(kgOptions(given, { nodeName: "node", hostname: "m" }).hostname, "mine");
});

Deno.test("kgOptions() wants a path for the file backend, and only for it", () => {
  assert.deepEqual(options("--backend=file", "--backend-path=/d").backend, {
    kind: "file",
    path: "/d",
  });
  assert.throws(() => options("--backend=file"), UsageError);
  assert.throws(() => options("--backend-path=/d"), UsageError);
  assert.deepEqual(options("--kubeconfig=k", "--master=https://x").backend, {
    kind: "kubernetes",
    kubeconfig: "k",
    master: "https://x",
  });
});

Deno.test("KG_FLAGS accept what they should", () => {
  assert.equal(options("--compatibility=cilium").compatibility, "cilium");
  assert.equal(options("--compatibility=").compatibility, undefined);
  assert.equal(options("--mtu=1380").mtu, 1380);
  assert.equal(options("--mtu=auto").mtu, "auto");
  assert.equal(options("--port=0xca6c").port, 51820);
  assert.equal(formatPrefix(options("--subnet=10.5.6.7/16").subnet), "10.5.0.0/16");
  assert.equal(options("--listen=[::1]:80").listen, "[::1]:80");
  assert.equal(options("--topology-label=").topologyLabel, "");
});

Deno.test("kgOptions() refuses a firewall that nobody would make", () => {
  assert.throws(() => options("--firewall=iptables"), UsageError);
});

Deno.test("KG_FLAGS refuse bad values", () => {
  const bad = [
    "--backend=etcd",
    "--cni-path=",
    "--cni-path=/etc/cni/net.d/",
    "--compatibility=weave",
    "--encapsulate=sometimes",
    "--firewall=pf",
    "--interface=",
    "--interface=a-name-that-is-too-long",
    "--interface=a/b",
    "--internal-cidr=10.0.0.0",
    "--listen=",
    "--listen=1107",
    "--listen=:70000",
    "--log-level=loud",
    "--mesh-granularity=node",
    "--mtu=0x578",
    "--mtu=4294967296",
    "--mtu=-1",
    "--port=0",
    "--resync-period=30",
    "--service-cidr=10.0.0.0/8,",
    "--subnet=10.4.0.0/33",
    "--subnet=",
  ];
  for (const flag of bad) {
    assert.throws(() => options(flag), (error) => {
      assert(error instanceof UsageError);
      assert.match(error.message, /^invalid argument "[^"]*" for "--[a-z-]+" flag: \S/, flag);
      return true;
    });
  }
});
