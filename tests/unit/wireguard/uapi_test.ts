import assert from "node:assert/strict";
import { parseEndpoint } from "../../../src/net/endpoint.ts";
import { keyFromBytes, ZERO_KEY } from "../../../src/net/key.ts";
import { formatPrefix, parsePrefix } from "../../../src/net/prefix.ts";
import {
  decodeDevice,
  decodeErrno,
  DeviceDecoder,
  encodeSetRequests,
  isWholeAnswer,
  UapiSyntaxError,
} from "../../../src/wireguard/uapi.ts";

const key = (fill: number) => keyFromBytes(new Uint8Array(32).fill(fill));
const hex = (fill: number) => fill.toString(16).padStart(2, "0").repeat(32);
const prefix = (text: string) => parsePrefix(text)!;
const endpoint = (text: string) => {
  const { ip, port } = parseEndpoint(text)!;
  return { ip: ip!, port };
};

Deno.test("encodeSetRequests() writes every kind of change", () => {
  const [request, ...more] = encodeSetRequests({
    privateKey: key(1),
    listenPort: 51820,
    peers: [
      {
        kind: "add",
        publicKey: key(2),
        presharedKey: key(3),
        endpoint: endpoint("[fd00::1]:51820"),
        persistentKeepalive: 25,
        addAllowedIPs: [prefix("10.4.0.1/32"), prefix("fd00::/64")],
        removeAllowedIPs: [],
      },
      {
        kind: "update",
        publicKey: key(4),
        presharedKey: ZERO_KEY,
        persistentKeepalive: 0,
        addAllowedIPs: [],
        removeAllowedIPs: [],
      },
      { kind: "remove", publicKey: key(5) },
    ],
  });
  assert.deepEqual(more, []);
  assert.equal(
    request,
    `set=1
private_key=${hex(1)}
listen_port=51820
public_key=${hex(2)}
preshared_key=${hex(3)}
endpoint=[fd00::1]:51820
persistent_keepalive_interval=25
allowed_ip=10.4.0.1/32
allowed_ip=fd00::/64
public_key=${hex(4)}
update_only=true
preshared_key=${hex(0)}
persistent_keepalive_interval=0
public_key=${hex(5)}
remove=true

`,
  );
});

Deno.test("encodeSetRequests() splits between peers and says everything once", () => {
  const peers = Array.from({ length: 100 }, (_, index) => ({
    kind: "remove" as const,
    publicKey: key(index + 1),
  }));
  const requests = encodeSetRequests({ listenPort: 1, peers }, 500);
  assert.ok(requests.length > 10);
  for (const request of requests) {
    assert.match(request, /^set=1\n(listen_port=1\n)?(public_key=[0-9a-f]{64}\nremove=true\n)+\n$/);
    assert.ok(request.length < 700);
  }
  assert.equal(requests.join("").match(/listen_port/g)?.length, 1);
  assert.deepEqual(
    [...requests.join("").matchAll(/public_key=(..)/g)].map(([, byte]) => parseInt(byte!, 16)),
    peers.map((_, index) => index + 1),
  );
});

// wireguard-go 0.0.20220316 answered this to get=1, apart from the keys and the numbers.
const ANSWER = `private_key=${hex(0x40)}
listen_port=12345
fwmark=51820
public_key=${hex(2)}
preshared_key=${hex(3)}
protocol_version=1
endpoint=[fe80::1%eth0]:99
last_handshake_time_sec=1700000000
last_handshake_time_nsec=123456789
tx_bytes=11
rx_bytes=12
persistent_keepalive_interval=7
allowed_ip=10.0.0.9/32
allowed_ip=fd00::/64
public_key=${hex(4)}
preshared_key=${hex(0)}
protocol_version=1
last_handshake_time_sec=0
last_handshake_time_nsec=0
tx_bytes=0
rx_bytes=0
persistent_keepalive_interval=0
errno=0

`;

Deno.test("decodeDevice() reads what wireguard-go answers", () => {
  const { peers, ...device } = decodeDevice(ANSWER);
  assert.deepEqual(device, { privateKey: key(0x40), listenPort: 12345, firewallMark: 51820 });
  const [first, second] = peers.map((peer) => ({
    ...peer,
    allowedIPs: peer.allowedIPs.map(formatPrefix),
  }));
  assert.deepEqual(first, {
    publicKey: key(2),
    presharedKey: key(3),
    endpoint: endpoint("[fe80::1]:99"),
    lastHandshake: 1_700_000_000_123,
    receivedBytes: 12,
    sentBytes: 11,
    persistentKeepalive: 7,
    allowedIPs: ["10.0.0.9/32", "fd00::/64"],
  });
  assert.deepEqual(second, {
    publicKey: key(4),
    lastHandshake: 0,
    receivedBytes: 0,
    sentBytes: 0,
    persistentKeepalive: 0,
    allowedIPs: [],
  });
});

Deno.test("decodeDevice() reads a device that nobody has configured", () => {
  assert.deepEqual(decodeDevice("errno=0\n\n"), { listenPort: 0, firewallMark: 0, peers: [] });
  const zero = `private_key=${hex(0)}\nerrno=0\n\n`;
  assert.equal(decodeDevice(zero).privateKey, undefined);
});

Deno.test("decodeDevice() reads IPv4 endpoints in IPv6 form as IPv4, and port 0 as none", () => {
  const read = (text: string) =>
    decodeDevice(`public_key=${hex(2)}\nendpoint=${text}\nerrno=0\n\n`).peers[0]!.endpoint;
  assert.deepEqual(read("[::ffff:192.0.2.1]:5"), endpoint("192.0.2.1:5"));
  assert.equal(read("192.0.2.1:0"), undefined);
  assert.equal(read("[::1]:0"), undefined);
});

Deno.test("decodeDevice() keeps a network wider than that of IPv4 in IPv6 form apart from IPv4", () => {
  const read = (text: string) =>
    decodeDevice(`public_key=${hex(2)}\nallowed_ip=${text}\nerrno=0\n\n`).peers[0]!.allowedIPs;
  assert.deepEqual(read("::ffff:0:0/96").map(formatPrefix), ["::ffff:0:0/96"]);
  assert.deepEqual(read("::ffff:10.0.0.0/104").map(formatPrefix), ["10.0.0.0/8"]);
});

Deno.test("decodeDevice() reads peers also where nothing is said of the device", () => {
  const peers = [2, 3].map((n) => `public_key=${`0${n}`.repeat(32)}\ntx_bytes=1\n`).join("");
  for (const device of ["", "listen_port=0\n"]) {
    assert.equal(decodeDevice(`${device}${peers}errno=0\n\n`).peers.length, 2);
  }
});

Deno.test("decodeDevice() skips names it does not know", () => {
  assert.equal(decodeDevice(`jc=7\nnonsense\n${ANSWER}`).listenPort, 12345);
});

Deno.test("decodeDevice() says whose value is wrong, never the value", () => {
  for (
    const [line, where] of [
      [`private_key=${hex(7)}77`, "private_key of the device"],
      [`private_key=${"g".repeat(64)}`, "private_key of the device"],
      ["listen_port=65536", "listen_port of the device"],
      ["listen_port=", "listen_port of the device"],
      ["fwmark=-1", "fwmark of the device"],
      [`public_key=`, "public_key of peer 1"],
      [`public_key=${hex(2)}\nallowed_ip=10.0.0.1`, "allowed_ip of peer 1"],
      [`public_key=${hex(2)}\npublic_key=${hex(3)}\nendpoint=a.example:5`, "endpoint of peer 2"],
      [`public_key=${hex(2)}\nrx_bytes=1e9`, "rx_bytes of peer 1"],
      [`public_key=${hex(2)}\ntx_bytes=1e9`, "tx_bytes of peer 1"],
    ]
  ) {
    assert.throws(() => decodeDevice(`${line}\nerrno=0\n\n`), (error) => {
      assert.ok(error instanceof UapiSyntaxError);
      assert.ok(error.message.startsWith(where!), error.message);
      assert.doesNotMatch(error.message, /[0-9a-f]{8}|65536|example/);
      return true;
    });
  }
});

Deno.test("DeviceDecoder gives what did not change as the same value", () => {
  const decoder = new DeviceDecoder();
  const peer = (fill: number, values = "tx_bytes=1\nrx_bytes=0") =>
    `public_key=${hex(fill)}\n${values}\nallowed_ip=10.0.0.${fill}/32\n`;
  const decode = (...texts: string[]) => decoder.decode(`fwmark=7\n${texts.join("")}errno=0\n\n`);
  const first = decode(peer(2), peer(3));
  assert.equal(decode(peer(2), peer(3)), first);
  const sent = decode(peer(3), peer(2, "tx_bytes=20\nrx_bytes=0"));
  assert.equal(sent.peers[0], first.peers[1]);
  assert.deepEqual(sent.peers[1], { ...first.peers[0]!, sentBytes: 20 });
  assert.equal(sent.peers[1]!.allowedIPs, first.peers[0]!.allowedIPs, "only the counter is read");
  assert.equal(decode(peer(2, "tx_bytes=20\nrx_bytes=0"), peer(3)), sent);

  const heard = decode(peer(3), peer(2, "tx_bytes=20\nrx_bytes=9"));
  assert.equal(heard.peers[0], first.peers[1]);
  assert.deepEqual(heard.peers[1], { ...first.peers[0]!, receivedBytes: 9, sentBytes: 20 });
  assert.equal(decode(peer(2, "tx_bytes=20\nrx_bytes=9"), peer(3)), heard);

  assert.deepEqual(decode(peer(3)).peers, [first.peers[1]]);
  const text = `fwmark=8\n${peer(3)}errno=0\n\n`;
  assert.equal(decoder.decode(text).firewallMark, 8);
  assert.throws(() => decode(peer(2, "endpoint=x")), UapiSyntaxError);
  assert.equal(decoder.decode(text).firewallMark, 8);
});

Deno.test("decodeErrno() reads the end of an answer", () => {
  assert.equal(decodeErrno(ANSWER), 0);
  assert.equal(decodeErrno("errno=-22\n\n"), 22);
  assert.equal(decodeErrno("errno=98\n\n"), 98);
  for (const answer of ["", "\n\n", "errno=0\n", "errno=\n\n", "xerrno=0\n\n", ANSWER + "x"]) {
    assert.throws(() => decodeErrno(answer), UapiSyntaxError);
  }
});

Deno.test("isWholeAnswer() is true after an empty line", () => {
  const whole = (text: string) => isWholeAnswer(new TextEncoder().encode(text));
  assert.deepEqual(["", "\n", "a\n", "\n\n", "errno=0\n\n"].map(whole), [
    false,
    false,
    false,
    true,
    true,
  ]);
});
