import assert from "node:assert/strict";
import { formatConf } from "../../../src/net/conf.ts";
import { parseEndpoint } from "../../../src/net/endpoint.ts";
import { keyFromBytes, ZERO_KEY } from "../../../src/net/key.ts";
import { parsePrefix } from "../../../src/net/prefix.ts";

const KEY = keyFromBytes(new Uint8Array(32).fill(7));

Deno.test("formatConf() writes blocks apart and each line only if there is a value", () => {
  const text = formatConf({
    privateKey: KEY,
    listenPort: 51820,
    peers: [
      { publicKey: KEY, persistentKeepalive: 0, allowedIPs: [] },
      {
        publicKey: KEY,
        presharedKey: KEY,
        endpoint: parseEndpoint("[2001:db8::1]:51820")!,
        persistentKeepalive: 25,
        allowedIPs: [parsePrefix("10.5.0.7/24")!, parsePrefix("fd55::1/128")!],
      },
    ],
  });
  assert.equal(
    text,
    `[Interface]
PrivateKey = ${KEY}
ListenPort = 51820

[Peer]
PersistentKeepalive = 0
PublicKey = ${KEY}

[Peer]
AllowedIPs = 10.5.0.7/24, fd55::1/128
Endpoint = [2001:db8::1]:51820
PersistentKeepalive = 25
PresharedKey = ${KEY}
PublicKey = ${KEY}
`,
  );
});

Deno.test("formatConf() has no [Interface] without key and port, and never shows the zero key", () => {
  assert.equal(formatConf({ peers: [] }), "");
  const zero = { privateKey: ZERO_KEY, listenPort: 1, peers: [] };
  assert.equal(formatConf(zero), "[Interface]\nListenPort = 1\n");
});
