/**
 * What a kernel with WireGuard answers to `WG_CMD_GET_DEVICE`: laid out by hand after
 * include/uapi/linux/wireguard.h, in two messages, the second of which continues the first one's
 * last peer. From the same bytes, `wg show wg0 dump` (wireguard-tools 1.0.20210914) prints
 * {@link WG_SHOW_DUMP}.
 */

/** `0a0b…` of an attribute; its type may carry `8` for NLA_F_NESTED. */
function attribute(type: string, payload: string): string {
  const padding = "00".repeat(-payload.length / 2 & 3);
  return u16(4 + payload.length / 2) + u16(parseInt(type, 16)) + payload + padding;
}

function u16(value: number): string {
  return (value & 0xff).toString(16).padStart(2, "0") + (value >> 8).toString(16).padStart(2, "0");
}

function nest(type: string, ...attributes: string[]): string {
  return attribute(type, attributes.join(""));
}

const key = (fill: number) => fill.toString(16).padStart(2, "0").repeat(32);

function allowedIP(family: string, mask: string, address: string): string {
  return nest("8000", attribute("3", mask), attribute("1", family), attribute("2", address));
}

const FIRST = [
  attribute("6", "6cca"), // WGDEVICE_A_LISTEN_PORT
  attribute("7", "07000000"), // WGDEVICE_A_FWMARK
  attribute("1", "05000000"), // WGDEVICE_A_IFINDEX
  attribute("2", "77673000"), // WGDEVICE_A_IFNAME
  attribute("3", key(0x40)), // WGDEVICE_A_PRIVATE_KEY
  attribute("4", key(0x41)), // WGDEVICE_A_PUBLIC_KEY
  nest(
    "8008", // WGDEVICE_A_PEERS
    nest(
      "8000",
      attribute("1", key(2)), // WGPEER_A_PUBLIC_KEY
      attribute("2", key(3)), // WGPEER_A_PRESHARED_KEY
      attribute("6", "00f1536500000000" + "15cd5b0700000000"), // WGPEER_A_LAST_HANDSHAKE_TIME
      attribute("5", "1900"), // WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL
      attribute("8", "0b00000000000000"), // WGPEER_A_TX_BYTES
      attribute("7", "0c00000000010000"), // WGPEER_A_RX_BYTES
      attribute("a", "01000000"), // WGPEER_A_PROTOCOL_VERSION
      attribute("4", "0200ca6ccb0071010000000000000000"), // WGPEER_A_ENDPOINT
      nest("8009", allowedIP("0200", "20", "0a040001")), // WGPEER_A_ALLOWEDIPS
    ),
    nest(
      "8000",
      attribute("1", key(4)),
      attribute("2", key(0)),
      attribute("4", "0a00ca6c00000000fd000000000000000000000000000001" + "00000000"),
      attribute("5", "0000"),
      attribute("8", "0000000000000000"),
      attribute("7", "0000000000000000"),
      attribute("6", "00".repeat(16)),
      attribute("a", "01000000"),
      nest("8009", allowedIP("0200", "10", "0a050000")),
    ),
  ),
];

const SECOND = [
  attribute("2", "77673000"),
  nest(
    "8008",
    nest(
      "8000",
      attribute("1", key(4)),
      nest("8009", allowedIP("0a00", "40", "fd000000000000000000000000000000")),
    ),
    nest(
      "8000",
      attribute("1", key(5)),
      attribute("2", key(0)),
      attribute("5", "0000"),
      attribute("8", "0000000000000000"),
      attribute("7", "0000000000000000"),
      attribute("6", "00".repeat(16)),
      attribute("a", "01000000"),
    ),
  ),
];

const GENLMSGHDR = "00010000"; // WG_CMD_GET_DEVICE, version 1

/** What follows the `struct nlmsghdr` of each message. */
export const PAYLOADS = [FIRST, SECOND].map((attributes) =>
  Uint8Array.fromHex(GENLMSGHDR + attributes.join(""))
);

export const WG_SHOW_DUMP = `\
QEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEA=	QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=	51820	0x7
AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=	AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=	203.0.113.1:51820	10.4.0.1/32	1700000000	1099511627788	11	25
BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ=	(none)	[fd00::1]:51820	10.5.0.0/16,fd00::/64	0	0	0	off
BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU=	(none)	(none)	(none)	0	0	0	off
`;
