import assert from "node:assert/strict";
import { keyFromBytes } from "../../../src/net/key.ts";
import { parsePrefix } from "../../../src/net/prefix.ts";
import type { DeviceChange } from "../../../src/wireguard/change.ts";
import { WireGuardError, type WireGuardErrorReason } from "../../../src/wireguard/client.ts";
import { userspaceClient } from "../../../src/wireguard/userspace.ts";

const key = (fill: number) => keyFromBytes(new Uint8Array(32).fill(fill));

/** Plays a device: what it does with each connection, and what it was asked there. */
async function withDevice(
  play: (connection: Deno.Conn) => Promise<void>,
  test: (client: ReturnType<typeof userspaceClient>) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  const listener = Deno.listen({ transport: "unix", path: `${directory}/wg0.sock` });
  const playing = (async () => {
    for await (const connection of listener) await play(connection);
  })();
  try {
    await test(userspaceClient("wg0", { directory, timeout: 100 }));
  } finally {
    listener.close();
    await playing;
    await Deno.remove(directory, { recursive: true });
  }
}

async function readRequest(connection: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(65536);
  let text = "";
  while (!text.endsWith("\n\n")) {
    const count = await connection.read(buffer);
    if (count === null) break;
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return text;
}

function answering(text: string, requests: string[] = []) {
  return async (connection: Deno.Conn) => {
    using it = connection;
    requests.push(await readRequest(it));
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += await it.write(bytes.subarray(at));
  };
}

function rejects(promise: Promise<unknown>, reason: WireGuardErrorReason, message: RegExp) {
  return assert.rejects(promise, (error) => {
    assert.ok(error instanceof WireGuardError);
    assert.equal(error.reason, reason);
    assert.match(error.message, message);
    return true;
  });
}

const CHANGE: DeviceChange = { privateKey: key(1), peers: [] };

Deno.test("read() puts an answer together that comes in pieces", async () => {
  const pieces = ["listen", "_port=7", "\npublic_key=" + "02".repeat(32) + "\n", "errno=0\n", "\n"];
  await withDevice(async (connection) => {
    using it = connection;
    assert.equal(await readRequest(it), "get=1\n\n");
    for (const piece of pieces) {
      await it.write(new TextEncoder().encode(piece));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }, async (client) => {
    const { listenPort, peers } = await client.read();
    assert.deepEqual([listenPort, peers.length], [7, 1]);
  });
});

Deno.test("read() takes answers of any length after each other", async () => {
  const longest = 64 * 1024 * 3;
  let length = 0;
  await withDevice(async (connection) => {
    await answering(`unknown=${"x".repeat(length)}\nlisten_port=7\nerrno=0\n\n`)(connection);
  }, async (client) => {
    for (length of [0, longest, 10, longest + 64 * 1024, longest * 2]) {
      assert.equal((await client.read()).listenPort, 7, `${length} characters`);
    }
  });
});

Deno.test("apply() sends the change, and nothing for one that is empty", async () => {
  const requests: string[] = [];
  await withDevice(answering("errno=0\n\n", requests), async (client) => {
    await client.apply({ peers: [] });
    assert.deepEqual(requests, []);
    await client.apply({ listenPort: 7, peers: [{ kind: "remove", publicKey: key(2) }] });
  });
  const text = `set=1\nlisten_port=7\npublic_key=${"02".repeat(32)}\nremove=true\n\n`;
  assert.deepEqual(requests, [text]);
});

Deno.test("apply() takes single allowed IPs away with a peer that nobody can be", async () => {
  const requests: string[] = [];
  const gone = parsePrefix("10.4.0.2/32")!;
  await withDevice(answering("errno=0\n\n", requests), async (client) => {
    const change = { kind: "update", publicKey: key(2), addAllowedIPs: [] } as const;
    for (let pass = 0; pass < 2; pass++) {
      await client.apply({ peers: [{ ...change, removeAllowedIPs: [gone] }] });
    }
  });
  const keys = requests.map((request) => {
    const lines =
      /^set=1\npublic_key=(\w{64})\nallowed_ip=10.4.0.2\/32\npublic_key=\1\nremove=true\n\n$/;
    return lines.exec(request)?.[1] ?? assert.fail(request);
  });
  assert.notEqual(keys[0], keys[1]);
});

/** What BoringTun 0.7 answers; it tells how long ago a handshake was. */
const BORINGTUN = [
  `own_public_key=${"09".repeat(32)}`,
  "listen_port=51820",
  `public_key=${"02".repeat(32)}`,
  "persistent_keepalive_interval=5",
  "endpoint=192.0.2.1:51820",
  "allowed_ip=10.4.0.2/32",
  "allowed_ip=10.42.2.0/24",
  "last_handshake_time_sec=61",
  "last_handshake_time_nsec=500000000",
  "rx_bytes=56",
  `public_key=${"03".repeat(32)}`,
  "allowed_ip=10.4.0.3/32",
  "errno=0\n\n",
].join("\n");

Deno.test("read() understands BoringTun: its key, and the time since a handshake", async () => {
  await withDevice(answering(BORINGTUN), async (client) => {
    const before = Date.now();
    const { privateKey, publicKey, peers: [first, second] } = await client.read();
    assert.deepEqual([privateKey, publicKey], [undefined, key(9)]);
    const ago = Date.now() - first!.lastHandshake;
    assert.ok(ago >= 61_500 && ago <= 61_500 + Date.now() - before, `${ago} ms`);
    assert.equal(second!.lastHandshake, 0);
  });
});

Deno.test("apply() removes and adds what changes on BoringTun, one peer a request", async () => {
  const requests: string[] = [];
  const update = { kind: "update", addAllowedIPs: [], removeAllowedIPs: [] } as const;
  await withDevice(answering(BORINGTUN, requests), async (client) => {
    await client.read();
    const reset = await client.apply({
      peers: [
        // Takes one that the other has, which so changes too.
        { ...update, publicKey: key(3), addAllowedIPs: [parsePrefix("10.42.2.0/24")!] },
        { ...update, kind: "add", publicKey: key(4), persistentKeepalive: 0 },
      ],
    });
    assert.deepEqual(reset, [key(2), key(3)]);
  });
  const hex = (fill: string) => `public_key=${fill.repeat(32)}`;
  assert.deepEqual(
    requests.filter((request) => request !== "get=1\n\n"),
    [
      [hex("02"), "remove=true"],
      [hex("03"), "remove=true"],
      [
        ...[hex("02"), "endpoint=192.0.2.1:51820", "persistent_keepalive_interval=5"],
        "allowed_ip=10.4.0.2/32",
      ],
      [
        ...[hex("03"), "persistent_keepalive_interval=0"],
        ...["allowed_ip=10.4.0.3/32", "allowed_ip=10.42.2.0/24"],
      ],
      [hex("04"), "persistent_keepalive_interval=0"],
    ].map((lines) => ["set=1", ...lines, "\n"].join("\n")),
  );
});

Deno.test("apply() finds out what a device without a key is, before it names a peer", async () => {
  const requests: string[] = [];
  let hasKey = false;
  await withDevice(async (connection) => {
    using it = connection;
    const request = await readRequest(it);
    requests.push(request);
    if (request.includes("private_key=")) hasKey = true;
    const answer = request !== "get=1\n\n" || !hasKey ? "errno=0\n\n" : BORINGTUN;
    await it.write(new TextEncoder().encode(answer));
  }, async (client) => {
    await client.read();
    const peer = { kind: "add", addAllowedIPs: [], removeAllowedIPs: [] } as const;
    const peers = [{ ...peer, publicKey: key(4) }, { ...peer, publicKey: key(5) }];
    await client.apply({ privateKey: key(1), peers });
  });
  assert.deepEqual(requests.map((request) => request.match(/public_key/g)?.length ?? 0), [
    ...[0, 0, 0, 0], // what is there, the key, what it is, what is there
    ...[1, 1],
  ]);
});

Deno.test("apply() removes and adds on any device that refuses updates", async () => {
  const requests: string[] = [];
  const shown = BORINGTUN.replace(/^own_public_key=/, "private_key=");
  await withDevice(async (connection) => {
    using it = connection;
    const request = await readRequest(it);
    requests.push(request);
    const errno = request.includes("update_only") ? 22 : 0;
    const answer = request === "get=1\n\n" ? shown : `errno=${errno}\n\n`;
    await it.write(new TextEncoder().encode(answer));
  }, async (client) => {
    const update = { kind: "update", publicKey: key(3), persistentKeepalive: 9 } as const;
    const change = { ...update, addAllowedIPs: [], removeAllowedIPs: [] };
    assert.deepEqual(await client.apply({ peers: [change] }), [key(3)]);
  });
  assert.match(requests.at(-1)!, /persistent_keepalive_interval=9\nallowed_ip=10.4.0.3\/32\n\n$/);
});

Deno.test("a device that says no gives its number, without the request in the text", async () => {
  await withDevice(answering("errno=-98\n\n"), async (client) => {
    await rejects(client.apply(CHANGE), "refused", /^cannot configure .* wg0 .*errno 98$/);
    const error = await client.apply(CHANGE).catch((error) => error);
    assert.equal(error.errno, 98);
    assert.doesNotMatch(Deno.inspect(error), /0101|AQEB/);
  });
});

Deno.test("a device that refuses in the middle of a large change is understood", async () => {
  await withDevice(async (connection) => {
    using it = connection;
    await it.read(new Uint8Array(10));
    await it.write(new TextEncoder().encode("errno=-22\n\n"));
  }, async (client) => {
    const addAllowedIPs = Array.from({ length: 100_000 }, () => parsePrefix("10.4.0.1/32")!);
    const peer = { kind: "add", publicKey: key(2), addAllowedIPs, removeAllowedIPs: [] } as const;
    await rejects(client.apply({ peers: [peer] }), "refused", /errno 22/);
  });
});

Deno.test("a device that hangs is given up", async () => {
  const held: Deno.Conn[] = [];
  await withDevice((connection) => Promise.resolve(void held.push(connection)), async (client) => {
    await rejects(client.read(), "timeout", /^cannot read .* no sign of life for 0.1 s$/);
    const addAllowedIPs = Array.from({ length: 100_000 }, () => parsePrefix("10.4.0.1/32")!);
    const peer = { kind: "add", publicKey: key(2), addAllowedIPs, removeAllowedIPs: [] } as const;
    await rejects(client.apply({ peers: [peer] }), "timeout", /^cannot configure/);
  });
  for (const connection of held) connection.close();
});

Deno.test("a device that is slow but alive is waited for", async () => {
  await withDevice(async (connection) => {
    using it = connection;
    await readRequest(it);
    for (const byte of "listen_port=7\nerrno=0\n\n") {
      await it.write(new TextEncoder().encode(byte));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }, async (client) => assert.equal((await client.read()).listenPort, 7));
});

Deno.test("a device that hangs up or talks nonsense is malformed", async () => {
  for (const answer of ["", "listen_port=7\n", "nonsense\n\n", "listen_port=x\nerrno=0\n\n"]) {
    await withDevice(answering(answer), (client) => rejects(client.read(), "malformed", /answer/));
  }
});

Deno.test("no socket, or one that outlived its process, is an absent device", async () => {
  const directory = await Deno.makeTempDir();
  const client = userspaceClient("wg0", { directory });
  await rejects(client.read(), "absent", /^cannot read WireGuard device wg0 at .*\/wg0.sock: /);
  Deno.listen({ transport: "unix", path: `${directory}/wg0.sock` }).close();
  await Deno.writeTextFile(`${directory}/wg0.sock`, "").catch(() => {});
  await rejects(client.read(), "absent", /wg0/);
  await Deno.remove(directory, { recursive: true });
});
