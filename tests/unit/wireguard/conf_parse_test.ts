import assert from "node:assert/strict";
import { formatConf } from "../../../src/net/conf.ts";
import { formatPrefix } from "../../../src/net/prefix.ts";
import { ConfError, parseConf } from "../../../src/wireguard/conf_parse.ts";

const PRIVATE = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
const [PUBLIC, OTHER] = [
  "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",
  "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=",
];

Deno.test("parseConf() reads everything wg(8) and wg-quick(8) know", () => {
  const { peers, ...device } = parseConf(`
# an outside peer
[Interface]
PrivateKey = ${PRIVATE}
ListenPort=51820
FwMark = 0xca6c
Address = 10.10.10.10/32
DNS = 10.43.0.10
PostUp = iptables -A FORWARD -i %i -j ACCEPT

[ peer ]
publickey = ${PUBLIC} # spaces and case do not matter
PresharedKey = ${OTHER}
Endpoint = Test.WireGuard.com:18981
AllowedIPs = 10.192.122.3/32, 10.192.124.1/24
AllowedIPs = fd00::1
PersistentKeepalive = 25\r
[Peer]
PersistentKeepalive = off
AllowedIPs =
PublicKey = ${OTHER}
`);
  assert.deepEqual(device, { privateKey: PRIVATE, listenPort: 51820 });
  const read = peers.map((peer) => ({ ...peer, allowedIPs: peer.allowedIPs.map(formatPrefix) }));
  assert.deepEqual(read, [
    {
      publicKey: PUBLIC,
      presharedKey: OTHER,
      endpoint: { dns: "test.wireguard.com", port: 18981 },
      allowedIPs: ["10.192.122.3/32", "10.192.124.1/24", "fd00::1/128"],
      persistentKeepalive: 25,
    },
    { publicKey: OTHER, allowedIPs: [], persistentKeepalive: 0 },
  ]);
});

Deno.test("parseConf() reads what formatConf() writes", () => {
  const text = `[Interface]
PrivateKey = ${PRIVATE}
ListenPort = 51820

[Peer]
AllowedIPs = 10.4.0.1/32, fd00::/64
Endpoint = [fd00::1]:51820
PersistentKeepalive = 10
PresharedKey = ${OTHER}
PublicKey = ${PUBLIC}
`;
  assert.equal(formatConf(parseConf(text)), text);
});

Deno.test("parseConf() of nothing is a device without anything", () => {
  assert.deepEqual(parseConf(""), { peers: [] });
});

Deno.test("parseConf() names line, setting and value", () => {
  const peer = `[Peer]\nPublicKey = ${PUBLIC}\n`;
  for (
    const [text, message] of [
      ["PrivateKey = x", 'line 1: "PrivateKey" stands outside of a section'],
      ["[Interfaces]", "line 1: neither a section nor Name = value"],
      ["[Interface]\nListenPort", "line 2: neither a section nor Name = value"],
      ["[Interface]\nListenPort = 65536", 'line 2: ListenPort: "65536" is not a port'],
      ["[Interface]\nAllowedIPs = ::/0", 'line 2: "AllowedIPs" is not known here'],
      [`${peer}Endpoint = 1.2.3.4`, 'line 3: Endpoint: "1.2.3.4" is not host:port'],
      [`${peer}AllowedIPs = ::/0,, 10.0.0.0/8`, 'line 3: AllowedIPs: "" is not a CIDR'],
      [`${peer}AllowedIPs = 10.0.0.0/33`, 'line 3: AllowedIPs: "10.0.0.0/33" is not a CIDR'],
      [
        `${peer}PersistentKeepalive = -1`,
        'line 3: PersistentKeepalive: "-1" is neither off nor seconds up to 65535',
      ],
      ["[Interface]\n\n[Peer]\nAllowedIPs = ::/0", "line 3: this peer has no PublicKey"],
    ]
  ) {
    assert.throws(() => parseConf(text!), (error) => {
      assert.ok(error instanceof ConfError);
      assert.equal(error.message, message);
      return true;
    });
  }
});

Deno.test("parseConf() shows no key, wherever it stands", () => {
  const cut = PRIVATE.slice(1);
  for (
    const text of [
      `[Interface]\nPrivateKey = ${cut}`,
      `[Interface]\nListenPort = ${PRIVATE}`,
      `[Interface]\n${PRIVATE}`,
      `[Interface]\n${"k".repeat(43)}=`,
      `[Peer]\nPresharedKey = ${cut}`,
      `[Peer]\nPublicKey = ${cut}`,
      `[Peer]\nEndpoint = ${PRIVATE}`,
      `[Peer]\nAllowedIPs = 10.0.0.0/8, ${PRIVATE}`,
    ]
  ) {
    assert.throws(() => parseConf(text), (error) => {
      assert.ok(error instanceof ConfError);
      assert.doesNotMatch(error.message, /[\w+/]{20}/);
      return true;
    });
  }
});
