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
    for (let round = 0; round < 2; round++) {
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
