/** The userspace client and wireguard-go, seen with the eyes of `wg show NAME dump`. Needs root. */

import assert from "node:assert/strict";
import fc from "fast-check";
import type { DeviceConfig, DeviceState, PeerConfig } from "../../src/net/device.ts";
import { keyFromBytes, ZERO_KEY } from "../../src/net/key.ts";
import { parsePrefix } from "../../src/net/prefix.ts";
import { Connection } from "../../src/netlink/connection.ts";
import { openLibraries } from "../../src/netlink/libmnl.ts";
import { NETLINK_GENERIC, Socket } from "../../src/netlink/socket.ts";
import { isEmptyChange } from "../../src/wireguard/change.ts";
import { type WireGuardClient, WireGuardError } from "../../src/wireguard/client.ts";
import { diffDevice } from "../../src/wireguard/diff.ts";
import { kernelClient } from "../../src/wireguard/kernel.ts";
import { generatePrivateKey, publicKeyOf } from "../../src/wireguard/key.ts";
import { encodeSetRequests } from "../../src/wireguard/uapi.ts";
import { userspaceClient } from "../../src/wireguard/userspace.ts";
import { Namespace } from "../lab/namespace.ts";
import { waitFor } from "../lab/wait.ts";
import { wgDump } from "../lab/wg_dump.ts";
import { canonical, SimulatedWireGuard } from "../property/simulated_wireguard.ts";
import { config } from "../property/wireguard_arbitraries.ts";

// Opened once for the process: no leak of the first test that needs them.
openLibraries();

const DEVICE = "kilo0";
const now = () => ({ now: Date.now() });

interface Machine extends AsyncDisposable {
  readonly namespace: Namespace;
  readonly client: WireGuardClient;
  /** What `wg` says, in an order of its own. */
  dump(): Promise<string[]>;
}

/** A machine with wireguard-go, even where the kernel has WireGuard itself. */
async function openMachine(name: string): Promise<Machine> {
  const namespace = await Namespace.open(name, "mount -t tmpfs none /run; mkdir /run/wireguard");
  const child = namespace.spawn(["wireguard-go", "-f", DEVICE], {
    env: { WG_PROCESS_FOREGROUND: "1", LOG_LEVEL: "silent" },
    stdout: "null",
    stderr: "null",
  });
  const client = userspaceClient(DEVICE, { directory: namespace.path("/run/wireguard") });
  await waitFor("wireguard-go answers", () => client.read(), { interval: 5 });
  return {
    namespace,
    client,
    dump: async () => sorted(await namespace.exec(["wg", "show", DEVICE, "dump"])),
    async [Symbol.asyncDispose]() {
      await Namespace.end([namespace]);
      await child.status;
    },
  };
}

function sorted(dump: string): string[] {
  return dump.trimEnd().split("\n").sort();
}

/** Makes the device as desired, and returns what it says then. */
async function configure({ client }: Machine, desired: DeviceConfig): Promise<DeviceState> {
  await client.apply(diffDevice(desired, await client.read(), now()));
  const state = await client.read();
  assert.ok(isEmptyChange(diffDevice(desired, state, now())));
  return state;
}

Deno.test("wireguard-go becomes what is desired, as wg sees it", async () => {
  await using machine = await openMachine("wg-golden");
  const privateKey = generatePrivateKey();
  const publicKey = await publicKeyOf(privateKey);
  const key = (fill: number) => keyFromBytes(new Uint8Array(32).fill(fill));
  const ips = (text: string) => text.split(" ").map((ip) => parsePrefix(ip)!);
  const endpoint = { ip: parsePrefix("203.0.113.1/32")!.ip, port: 51820 };
  const first = { publicKey: key(2), persistentKeepalive: 0, allowedIPs: ips("10.4.0.2/32") };
  const desired = {
    privateKey,
    listenPort: 51820,
    peers: [
      { ...first, presharedKey: key(3), endpoint, allowedIPs: ips("10.4.0.2/32 10.5.0.1/16") },
      { publicKey: key(4), persistentKeepalive: 10, allowedIPs: ips("fd00::1/128 10.4.0.4/32") },
    ],
  };
  const device = `${privateKey}\t${publicKey}\t51820\toff`;
  const state = await configure(machine, desired);
  assert.deepEqual(sorted(wgDump(state, publicKey)), await machine.dump());
  assert.deepEqual(
    await machine.dump(),
    [
      device,
      `${key(2)}\t${key(3)}\t203.0.113.1:51820\t10.4.0.2/32,10.5.0.0/16\t0\t0\t0\toff`,
      `${key(4)}\t(none)\t(none)\tfd00::1/128,10.4.0.4/32\t0\t0\t0\t10`,
    ].sort(),
  );

  await configure(machine, {
    privateKey,
    listenPort: 51821,
    peers: [{ ...first, presharedKey: ZERO_KEY, allowedIPs: ips("10.4.0.2/32 10.4.0.4/32") }],
  });
  assert.deepEqual(
    await machine.dump(),
    [
      device.replace("51820", "51821"),
      `${key(2)}\t(none)\t203.0.113.1:51820\t10.4.0.2/32,10.4.0.4/32\t0\t0\t0\toff`,
    ].sort(),
  );
});

Deno.test("wireguard-go does what the simulated device does", async () => {
  await using machine = await openMachine("wg-random");
  const simulated = new SimulatedWireGuard();
  for (const desired of fc.sample(config, 60)) {
    simulated.apply(diffDevice(desired, simulated.state(), now()));
    const state = await configure(machine, desired);
    assert.deepEqual(canonical(state), canonical(simulated.state()));
  }
});

Deno.test("a device of wireguard-go is none of the kernel's", async () => {
  await using machine = await openMachine("wg-absent");
  using connection = new Connection(Socket.open(NETLINK_GENERIC));
  await assert.rejects(kernelClient(DEVICE, connection).read(), (error) => {
    return error instanceof WireGuardError && error.reason === "absent";
  });
  assert.equal((await machine.client.read()).peers.length, 0);
});

/** Two machines on one wire, which reach each other as 10.4.0.1 and 10.4.0.2. */
async function connect(a: Machine, b: Machine): Promise<readonly [DeviceConfig, DeviceConfig]> {
  const link = `ip link add wire type veth peer name wire netns ${b.namespace.pid}`;
  await a.namespace.script(link);
  const keys = [generatePrivateKey(), generatePrivateKey()] as const;
  const desiredStates = await Promise.all([a, b].map(async ({ namespace }, index) => {
    const [own, other] = index === 0 ? [1, 2] : [2, 1];
    await namespace.script(`
      ip address add 192.0.2.${own}/24 dev wire; ip link set wire up
      ip address add 10.4.0.${own}/16 dev ${DEVICE}; ip link set ${DEVICE} up`);
    return {
      privateKey: keys[index]!,
      listenPort: 51820,
      peers: [{
        publicKey: await publicKeyOf(keys[1 - index]!),
        persistentKeepalive: 0,
        endpoint: { ip: parsePrefix(`192.0.2.${other}/24`)!.ip, port: 51820 },
        allowedIPs: [parsePrefix(`10.4.0.${other}/32`)!],
      }],
    };
  }));
  return [desiredStates[0]!, desiredStates[1]!];
}

Deno.test("changes lose no packet of the peers that stay", async () => {
  await using a = await openMachine("wg-a");
  await using b = await openMachine("wg-b");
  const [desiredA, desiredB] = await connect(a, b);
  await configure(a, desiredA);
  await configure(b, desiredB);
  await waitFor("a tunnel", () => a.namespace.exec(["ping", "-c1", "-W1", "10.4.0.2"]));
  const ping = a.namespace.spawn(["ping", "-i0.005", "-c300", "-W1", "10.4.0.2"], {
    stdout: "piped",
  });
  const [peer] = desiredA.peers;
  for (let pass = 0; pass < 20; pass++) {
    const more = [0, 1, 2].map((n) => parsePrefix(`10.${100 + pass + n}.0.0/16`)!);
    const allowedIPs = [...peer!.allowedIPs, ...more];
    const other = { ...peer!, publicKey: generatePrivateKey(), allowedIPs: [parsePrefix("::/0")!] };
    await configure(a, { ...desiredA, peers: [other, { ...peer!, allowedIPs }] });
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
  const output = new TextDecoder().decode((await ping.output()).stdout);
  assert.match(output, /300 packets transmitted, 300 received/);
  const { peers } = await a.client.read();
  const { receivedBytes, sentBytes } = peers.find(({ publicKey }) =>
    publicKey === peer!.publicKey
  )!;
  const least = 300 * 84; // an echo request in its IPv4 packet
  assert.ok(receivedBytes > least && sentBytes > least, `${receivedBytes}, ${sentBytes}`);
});

Deno.test("5,000 peers of three allowed IPs", async () => {
  await using machine = await openMachine("wg-large");
  const peers: PeerConfig[] = Array.from({ length: 5000 }, (_, index) => {
    const [high, low] = [index >> 8, index & 255];
    return {
      publicKey: generatePrivateKey(),
      persistentKeepalive: 0,
      endpoint: { ip: parsePrefix(`192.0.${high}.${low}/32`)!.ip, port: 51820 },
      allowedIPs: ["10.h.l.0/24", "10.200.h.l/32", "192.168.h.l/32"].map((text) =>
        parsePrefix(text.replace("h", `${high}`).replace("l", `${low}`))!
      ),
    };
  });
  const desired = { privateKey: generatePrivateKey(), listenPort: 51820, peers };
  const observed = await machine.client.read();

  const times: string[] = [];
  const timed = async <T>(what: string, step: () => T | Promise<T>): Promise<T> => {
    const start = performance.now();
    const result = await step();
    times.push(`${what} ${(performance.now() - start).toFixed(0)} ms`);
    return result;
  };
  const change = await timed("diff", () => diffDevice(desired, observed, now()));
  await timed("encode", () => encodeSetRequests(change));
  await timed("apply", () => machine.client.apply(change));
  const state = await timed("read", () => machine.client.read());
  const again = await timed("diff again", () => diffDevice(desired, state, now()));
  assert.ok(isEmptyChange(again));
  assert.deepEqual(
    sorted(wgDump(state, await publicKeyOf(desired.privateKey))),
    await machine.dump(),
  );
  console.log(times.join(", "));
});
