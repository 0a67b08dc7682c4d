/**
 * Peers, and whether they are valid (Kilo's own rules): one table for all who judge them, which are
 * the agent, the webhook and the ValidatingAdmissionPolicy.
 */

import { ZERO_KEY } from "../../src/net/key.ts";

export interface PeerCase {
  readonly name: string;
  readonly spec: Readonly<Record<string, unknown>>;
  /** What a refusal names, the value only if it is no key. Absent: the Peer is valid. */
  readonly refusal?: { readonly field: string; readonly value?: string };
  /** The schema of the CustomResourceDefinition refuses it before anybody else is asked. */
  readonly schema?: true;
}

export const KEY = "GY5aT1N9dTR/nJnT1N2f4ClZWVj0jOAld0r8ysWLyjg=";
const LONGEST_NAME = `${"abcdefghi.".repeat(25)}abc`; // 253 characters

/** A valid Peer with some fields otherwise. */
function spec(fields: Readonly<Record<string, unknown>> = {}): PeerCase["spec"] {
  return { allowedIPs: ["10.5.0.1/32"], publicKey: KEY, ...fields };
}

function endpoint(
  dnsOrIP: Readonly<Record<string, unknown>>,
  port: unknown = 51820,
): PeerCase["spec"] {
  return spec({ endpoint: { dnsOrIP, port } });
}

const CIDRS: readonly string[] = [
  ...["10.0.0.0/8", "10.0.0.7/24", "0.0.0.0/0", "255.255.255.255/32", "10.0.0.0/08"],
  ...["10.0.0.0/0000000000000000000024", "fd00::/8", "FD00::A/64", "::/0", "::1/128"],
  ...["fd00::/064", "fd00::/0128", "00fd:0::/16", "1:2:3:4:5:6:7:8/128", "1:2:3:4:5:6:7::/128"],
  ...["::2:3:4:5:6:7:8/128", "1::8/99", "::1.2.3.4/128", "64:ff9b::1.2.3.4/96"],
  ...["1:2:3:4:5:6:1.2.3.4/119", "::ffff:10.0.0.1/120", "::ffff:10.0.0.1/97", "::FFFF:0a00:1/128"],
  ...["0:0:0:0:0:ffff:10.0.0.1/0100", "::fFfF:10.0.0.1/099", "ffff::/16", "::ffff:0:0/97"],
  ...["::ffff:0:0:0/64", "::ffff:0:1.2.3.4/96", "::fffe:1.2.3.4/64", "1::ffff:1.2.3.4/64"],
  ...["::ffff/96", "::ffff:1/64", "::fff:10.0.0.1/64"],
];

const NO_CIDRS: readonly string[] = [
  ...["", "/", "/8", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8"],
  ...["10.0.0.0/8 ", " 10.0.0.0/8", "10.0.0.0 /8", "10.0.0.0/ 8", "10.0.0.0/8\n", "\n10.0.0.0/8"],
  ...["10.0.0/8", "10/8", "10.0.0.0.0/8", "10..0.0/8", ".10.0.0.0/8", "10.0.0.0./8"],
  ...["256.0.0.1/8", "10.0.0.01/8", "010.0.0.0/8", "00.0.0.0/8", "0x0a.0.0.0/8", "1e1.0.0.0/8"],
  ...["10.0.0.0/8/8", "10.0.0.0/255.0.0.0", "10.0.0.0/0x8", "10.0.0.0/8a", "10.0.0.0/1e1"],
  ...["10.0.0.0/99999999999999999999", "10.0.0.0/\u0668", "1\u0660.0.0.0/8", "10.0.0.0\\8"],
  ...["fd00::", "fd00::/129", "fd00::/1000", "fd00::/-1", "fd00::1::/64", "12345::/16", "g::/16"],
  ...[":::/16", ":1::/16", "1::2:/16", ":/16", "1:2:3:4:5:6:7:8::/64", "::1:2:3:4:5:6:7:8/64"],
  ...["1:2:3:4:5:6:7/64", "1:2:3:4:5:6:7:8:9/64", "[fd00::]/8", "fe80::1%eth0/64", "fe80::1%/64"],
  ...["::ffff:10.0.0.01/120", "::ffff:256.0.0.1/120", "::ffff:10.0.0/120", "::ffff:10.0.0.1/129"],
  ...["::ffff:10.0.0.1%f/120", "::ffff:10.0.0.1.2/120", "::10.0.0.1:1/64", "1.2.3.4::/8"],
  // IPv4 in IPv6 form: as Go reads them they would be all of IPv4.
  ...["::ffff:10.0.0.1/64", "::ffff:10.0.0.1/96", "::ffff:10.0.0.1/0", "::ffff:10.0.0.1/096"],
  ...["::FFFF:0a00:1/95", "0:0:0:0:0:ffff:10.0.0.1/96", "::fFfF:10.0.0.1/9", "::ffff:0:0/96"],
  ...["0:0:0:0:0:ffff::/96", "0::ffff:a00:1/64", "0:0:0:0:0:ffff:a00::/64"],
  ...["1:2:3:4:5:6:7:1.2.3.4/64", "10.0.0.0:/8", "a.b/8", "localhost/8", "10.0.0.0/8, fd00::/8"],
];

const IPS: readonly string[] = [
  ...["203.0.113.9", "0.0.0.0", "2001:db8::9", "::", "::FFFF:203.0.113.9", "::ffff:cb00:7109"],
];

const NO_IPS: readonly string[] = [
  ...[
    "203.0.113",
    "203.0.113.09",
    "203.0.113.256",
    "203.0.113.9 ",
    "203.0.113.9/32",
    "vpn.example",
  ],
  ...["[2001:db8::9]", "2001:db8::9%eth0", "2001:db8:::9", "203.0.113.9:51820", "::ffff:1.2.3.04"],
];

const NAMES: readonly string[] = [
  ...["vpn.example.com", "a", "0", "12345", "10.0.0.2", "10.0.0.01", "a--b.c-d", LONGEST_NAME],
  "a".repeat(64) + ".example", // labels have no limit here
];

const NO_NAMES: readonly string[] = [
  ...["VPN.example.com", "vpn.example.com.", ".example", "a..b", "-a.example", "a-.example"],
  ...["a_b.example", "a b", " a", "a\n", "a:1", "b\u00fccher.example", "*.example", "fd00::1"],
  `${LONGEST_NAME}d`,
];

const KEYS: readonly (readonly [name: string, key: string])[] = [
  ["of zeros", ZERO_KEY],
  ["with bits to spare", KEY.replace("g=", "h=")],
  ["with line breaks", `\r\n${KEY.slice(0, 20)}\n\n${KEY.slice(20, 43)}\r=\n`],
];

const NO_KEYS: readonly (readonly [name: string, key: string])[] = [
  ["without padding", KEY.slice(0, -1)],
  ["of 31 bytes", `${KEY.slice(0, 42)}==`],
  ["of 33 bytes", `${KEY.slice(0, 43)}A`],
  ["of 35 bytes", `${KEY.slice(0, 40)}AAAAAAA=`],
  ["with more after it", `${KEY}AAAA`],
  ["in the alphabet for URLs", KEY.replace("/", "_")],
  ["with a space", `${KEY.slice(0, 20)} ${KEY.slice(20)}`],
  ["with padding inside", `${KEY.slice(0, 20)}=${KEY.slice(21)}`],
  ["in hexadecimal", "19".repeat(32)],
];

const DNS = "spec.endpoint.dnsOrIP.dns", IP = "spec.endpoint.dnsOrIP.ip";
const SCHEMA = { schema: true, refusal: { field: "spec" } } as const;

export const PEER_CASES: readonly PeerCase[] = [
  { name: "nothing but what is needed", spec: spec() },
  { name: "no allowed IPs", spec: spec({ allowedIPs: [] }) },
  ...CIDRS.map((cidr) => ({ name: `CIDR ${show(cidr)}`, spec: spec({ allowedIPs: [cidr] }) })),
  ...NO_CIDRS.map((cidr) => ({
    name: `CIDR ${show(cidr)}`,
    spec: spec({ allowedIPs: ["10.5.0.1/32", cidr] }),
    refusal: { field: "spec.allowedIPs", value: cidr },
  })),
  ...IPS.map((ip) => ({ name: `IP ${show(ip)}`, spec: endpoint({ ip }) })),
  ...NO_IPS.map((ip) => ({
    name: `IP ${show(ip)}`,
    spec: endpoint({ ip }),
    refusal: { field: IP, value: ip },
  })),
  ...NAMES.map((dns) => ({ name: `DNS name ${show(dns)}`, spec: endpoint({ dns }) })),
  ...NO_NAMES.map((dns) => ({
    name: `DNS name ${show(dns)}`,
    spec: endpoint({ dns }),
    refusal: { field: DNS, value: dns },
  })),
  { name: "both name and address", spec: endpoint({ dns: "vpn.example", ip: "::1" }) },
  { name: "no name but an address", spec: endpoint({ dns: "", ip: "::1" }) },
  { name: "no address but a name", spec: endpoint({ dns: "vpn.example", ip: "" }) },
  {
    name: "a name and what is no address",
    spec: endpoint({ dns: "vpn.example", ip: "x" }),
    refusal: { field: IP, value: "x" },
  },
  {
    name: "neither name nor address",
    spec: endpoint({}),
    refusal: { field: "spec.endpoint.dnsOrIP" },
  },
  {
    name: "empty name and address",
    spec: endpoint({ dns: "", ip: "" }),
    refusal: { field: "spec.endpoint.dnsOrIP" },
  },
  ...[1, 65535].map((port) => ({ name: `port ${port}`, spec: endpoint({ ip: "::1" }, port) })),
  ...[0, -1, 65536, 2 ** 31 - 1].map((port) => ({
    name: `port ${port}`,
    spec: endpoint({ ip: "::1" }, port),
    refusal: { field: "spec.endpoint.port", value: String(port) },
  })),
  ...[0, 25, 65535, 65536, 2 ** 31, 2 ** 53].map((persistentKeepalive) => ({
    name: `keepalive ${persistentKeepalive}`,
    spec: spec({ persistentKeepalive }),
  })),
  ...[-1, -(2 ** 31)].map((persistentKeepalive) => ({
    name: `keepalive ${persistentKeepalive}`,
    spec: spec({ persistentKeepalive }),
    refusal: { field: "spec.persistentKeepalive", value: String(persistentKeepalive) },
  })),
  ...(["publicKey", "presharedKey"] as const).flatMap((field) => [
    ...KEYS.map(([name, key]) => ({ name: `${field} ${name}`, spec: spec({ [field]: key }) })),
    ...NO_KEYS.map(([name, key]) => ({
      name: `${field} ${name}`,
      spec: spec({ [field]: key }),
      refusal: { field: `spec.${field}` },
    })),
  ]),
  { name: "empty presharedKey", spec: spec({ presharedKey: "" }) },
  {
    name: "empty publicKey",
    spec: spec({ publicKey: "" }),
    refusal: { field: "spec.publicKey" },
  },
  { name: "very many allowed IPs", spec: spec({ allowedIPs: manyCIDRs(5000) }) },

  // The schema knows these.
  ...[
    { name: "no allowedIPs", spec: { publicKey: KEY } },
    { name: "allowedIPs that are no list", spec: spec({ allowedIPs: "10.5.0.1/32" }) },
    { name: "null as allowed IP", spec: spec({ allowedIPs: [null] }) },
    { name: "a number as allowed IP", spec: spec({ allowedIPs: [10] }) },
    { name: "no publicKey", spec: { allowedIPs: [] } },
    { name: "null as publicKey", spec: spec({ publicKey: null }) },
    { name: "no port", spec: spec({ endpoint: { dnsOrIP: { ip: "::1" } } }) },
    { name: "text as port", spec: endpoint({ ip: "::1" }, "51820") },
    { name: "a port past 32 bits", spec: endpoint({ ip: "::1" }, 2 ** 40) },
    { name: "no host", spec: spec({ endpoint: { port: 51820 } }) },
    { name: "half a second of keepalive", spec: spec({ persistentKeepalive: 0.5 }) },
  ].map((row) => ({ ...row, ...SCHEMA })),
];

function show(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

/** As long as they get. */
function manyCIDRs(count: number): string[] {
  return Array.from({ length: count }, (_, at) => {
    return `2001:0db8:aaaa:bbbb:cccc:dddd:eeee:${at.toString(16).padStart(4, "0")}/128`;
  });
}
