/**
 * A small DNS server, for one test. In a namespace it is a program: `deno run dns_server.ts ADDRESS`
 * then knows 800 names and more: `pN.example` is 10.99.(N / 256).(N % 256) and fd99::N.
 */

import { createSocket } from "node:dgram";

const TYPES = { A: 1, CNAME: 5, AAAA: 28 } as const;

export interface DNSRecord {
  readonly name: string;
  readonly type: keyof typeof TYPES;
  /** The bytes of an address, or a name. */
  readonly data: readonly number[] | string;
}

export interface Reply {
  /** Default: NOERROR. 2: SERVFAIL, 3: NXDOMAIN, 5: REFUSED. */
  readonly rcode?: number;
  readonly records?: readonly DNSRecord[];
  /** Over UDP, the records do not fit. */
  readonly truncated?: boolean;
  /** Replaces what would be sent, such as by garbage. */
  readonly change?: (bytes: Uint8Array<ArrayBuffer>) => readonly Uint8Array<ArrayBuffer>[];
}

export type Zone = (name: string, type: string, over: "udp" | "tcp") => Reply | undefined;

export class DNSServer implements AsyncDisposable {
  readonly asked: string[] = [];
  readonly #closing: (() => void)[] = [];
  #serving: Promise<void> = Promise.resolve();

  private constructor(readonly port: number) {}

  /** Answers as the zone says, over UDP and TCP; to what it says nothing of, not at all. */
  static async open(zone: Zone, { address = "127.0.0.1", port = 0 } = {}): Promise<DNSServer> {
    const listener = Deno.listen({ hostname: address, port });
    const server = new DNSServer((listener.addr as Deno.NetAddr).port);
    server.#closing.push(() => listener.close());
    server.#serving = server.#serveTCP(listener, zone);
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    socket.on("message", (bytes, from) => {
      for (const reply of server.#reply(new Uint8Array(bytes), zone, "udp")) {
        socket.send(reply, from.port, from.address);
      }
    });
    await new Promise<void>((resolve) => socket.bind(server.port, address, resolve));
    server.#closing.push(() => socket.close());
    return server;
  }

  #reply(query: Uint8Array<ArrayBuffer>, zone: Zone, over: "udp" | "tcp") {
    const { name, type, end } = readQuestion(query);
    this.asked.push(`${name} ${type} ${over}`);
    const reply = zone(name, type, over);
    if (!reply) return [];
    const bytes = encodeReply(query.slice(0, end), reply, over);
    return reply.change?.(bytes) ?? [bytes];
  }

  async #serveTCP(listener: Deno.Listener, zone: Zone): Promise<void> {
    try {
      for await (const connection of listener) {
        using open = connection;
        const query = new Uint8Array(512);
        const length = await open.read(query) ?? 0;
        if (length < 3) continue;
        for (const reply of this.#reply(query.slice(2, length), zone, "tcp")) {
          await open.write(Uint8Array.of(reply.length >> 8, reply.length & 255, ...reply));
        }
      }
    } catch {
      // closed
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#closing) close();
    await this.#serving;
  }
}

function readQuestion(query: Uint8Array): { name: string; type: string; end: number } {
  const labels: string[] = [];
  let at = 12;
  while (query[at]! > 0) {
    labels.push(new TextDecoder().decode(query.subarray(at + 1, at + 1 + query[at]!)));
    at += 1 + query[at]!;
  }
  const number = query[at + 1]! << 8 | query[at + 2]!;
  const type = Object.entries(TYPES).find(([, value]) => value === number)?.[0] ?? `${number}`;
  return { name: labels.join("."), type, end: at + 5 };
}

function encodeName(name: string): number[] {
  return [
    ...name.split(".").flatMap((label) => [label.length, ...new TextEncoder().encode(label)]),
    0,
  ];
}

function encodeReply(
  question: Uint8Array,
  { rcode = 0, records = [], truncated = false }: Reply,
  over: "udp" | "tcp",
): Uint8Array<ArrayBuffer> {
  const isCut = truncated && over === "udp";
  const some = isCut ? [] : records;
  const bytes = [
    ...question,
    ...some.flatMap(({ name, type, data }) => {
      const value = typeof data === "string" ? encodeName(data) : [...data];
      return [
        ...encodeName(name),
        ...[0, TYPES[type], 0, 1, 0, 0, 0, 60, value.length >> 8, value.length & 255],
        ...value,
      ];
    }),
  ];
  bytes[2] = 0x81 | (isCut ? 2 : 0);
  bytes[3] = 0x80 | rcode;
  bytes[7] = some.length;
  return Uint8Array.from(bytes);
}

/** Records of `pN.example`, in both families. */
function numbered(name: string, type: string): Reply {
  const number = Number(/^p(\d+)\.example$/.exec(name)?.[1] ?? NaN);
  if (Number.isNaN(number)) return { rcode: 3 };
  const [high, low] = [number >> 8, number & 255];
  return type === "A"
    ? { records: [{ name, type, data: [10, 99, high, low] }] }
    : { records: [{ name, type: "AAAA", data: [0xfd, 0x99, ...Array(12).fill(0), high, low] }] };
}

if (import.meta.main) {
  const server = await DNSServer.open(numbered, { address: Deno.args[0] ?? "127.0.0.1", port: 53 });
  console.log("ready");
  setInterval(() => console.log(server.asked.splice(0).length), 1000);
}
