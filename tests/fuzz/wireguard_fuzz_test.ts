import assert from "node:assert/strict";
import fc from "fast-check";
import { keyFromBytes } from "../../src/net/key.ts";
import { readAttributes } from "../../src/netlink/attribute.ts";
import { MalformedError } from "../../src/netlink/error.ts";
import { ConfError, parseConf } from "../../src/wireguard/conf_parse.ts";
import { decodeDevice as decodeMessages, WGDEVICE } from "../../src/wireguard/kernel_codec.ts";
import { decodeDevice, decodeErrno, UapiSyntaxError } from "../../src/wireguard/uapi.ts";
import { PAYLOADS } from "../unit/wireguard/kernel_answer.ts";

const TRIALS = 40_000;

const KEYS = [1, 2, 3].map((fill) =>
  keyFromBytes(Uint8Array.from({ length: 32 }, (_, index) => (fill * 89 + index * 57) & 0xff))
);
const HEX = KEYS.map((key) => Uint8Array.fromBase64(key).toHex());

/** Runs of this many characters of any key, in both spellings: a leak. Fewer give nothing away. */
const RUN = 20;
const SECRETS = new Set(
  [...KEYS, ...HEX].flatMap((text) =>
    Array.from({ length: text.length - RUN + 1 }, (_, at) => text.slice(at, at + RUN))
  ),
);

/** Only these errors, and nothing of a key in them. */
function survives(run: () => unknown, ...kinds: readonly (new (...args: never[]) => Error)[]) {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof Error && kinds.some((kind) => error instanceof kind), String(error));
    for (let at = 0; at + RUN <= error.message.length; at++) {
      assert.ok(!SECRETS.has(error.message.slice(at, at + RUN)), error.message);
    }
  }
}

interface Edit {
  readonly at: number;
  readonly remove: number;
  readonly insert: string;
}

/** Text in which pieces are cut out, put in, or stand somewhere else as well. */
function mutated(text: string): fc.Arbitrary<string> {
  const piece = fc.tuple(fc.nat(text.length), fc.nat(70)).map(([at, size]) =>
    text.slice(at, at + size)
  );
  const insert = fc.oneof(piece, fc.string({ unit: "binary", maxLength: 5 }), fc.constant(""));
  const edit: fc.Arbitrary<Edit> = fc.record({
    at: fc.nat(text.length),
    remove: fc.nat(20),
    insert,
  });
  return fc.array(edit, { minLength: 1, maxLength: 6 }).map((edits) =>
    edits.reduce(
      (text, { at, remove, insert }) => text.slice(0, at) + insert + text.slice(at + remove),
      text,
    )
  );
}

const ANSWER = `private_key=${HEX[0]}
listen_port=12345
fwmark=51820
public_key=${HEX[1]}
preshared_key=${HEX[2]}
protocol_version=1
endpoint=[fe80::1%eth0]:99
last_handshake_time_sec=1700000000
last_handshake_time_nsec=123456789
tx_bytes=11
rx_bytes=12
persistent_keepalive_interval=7
allowed_ip=10.0.0.9/32
allowed_ip=fd00::/64
errno=0

`;

Deno.test("answers of userspace devices: typed errors only, without keys", () => {
  fc.assert(
    fc.property(mutated(ANSWER), (text) => {
      survives(() => decodeErrno(text), UapiSyntaxError);
      survives(() => decodeDevice(text), UapiSyntaxError);
    }),
    { numRuns: TRIALS },
  );
});

const CONF = `[Interface]
PrivateKey = ${KEYS[0]}
ListenPort = 51820
[Peer]
PublicKey = ${KEYS[1]}
PresharedKey = ${KEYS[2]} # and a comment
Endpoint = [fd00::1]:51820
AllowedIPs = 10.4.0.1/32, fd00::/64
PersistentKeepalive = 25
`;

Deno.test("configuration text: typed errors only, without keys", () => {
  fc.assert(
    fc.property(mutated(CONF), (text) => survives(() => parseConf(text), ConfError)),
    { numRuns: TRIALS },
  );
});

Deno.test("answers of kernel devices: typed errors only", () => {
  const change = fc.record({
    message: fc.nat(PAYLOADS.length - 1),
    at: fc.nat(600),
    value: fc.oneof(fc.constantFrom(0, 1, 4, 0x80, 0xff), fc.nat(255)),
  });
  const cut = fc.option(fc.nat(600), { nil: Infinity });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), cut, (changes, length) => {
      const payloads = PAYLOADS.map((payload) => payload.slice(0, length));
      for (const { message, at, value } of changes) {
        const payload = payloads[message]!;
        if (at < payload.length) payload[at] = value;
      }
      survives(() =>
        decodeMessages(payloads.map((payload) => {
          const range = { start: Math.min(4, payload.length), end: payload.length };
          return readAttributes(WGDEVICE, new DataView(payload.buffer), range);
        })), MalformedError);
    }),
    { numRuns: TRIALS },
  );
});
