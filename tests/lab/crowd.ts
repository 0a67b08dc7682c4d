/**
 * A program that tests start on another machine: visitors who ask a server for as much as they can,
 * and are as slow as they can be. `crowd.ts HOST PORT COUNT`: so many of each kind, until it is killed.
 */

const [hostname, port, count] = [Deno.args[0]!, Number(Deno.args[1]), Number(Deno.args[2])];

const request = (target: string) => `GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`;

/** What each kind sends, and how often, in milliseconds, the next piece; none of them reads. */
const KINDS: readonly { readonly pieces: readonly string[]; readonly pause: number }[] = [
  { pieces: [], pause: 0 }, // silent
  { pieces: [...request("/health").repeat(20)], pause: 500 }, // a byte now and then
  { pieces: [`POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n`], pause: 0 },
  { pieces: ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"], pause: 0 },
  { pieces: Array(500).fill(request("/graph?format=dot").repeat(20)), pause: 10 },
  { pieces: Array(500).fill(request("/metrics").repeat(20)), pause: 10 },
  {
    pieces: [request("/graph"), request("/graph?layout=dot"), request("/graph?format=ps")],
    pause: 50,
  },
];

for (const kind of KINDS) {
  for (let each = 0; each < count; each++) visitAgainAndAgain(kind);
}

async function visitAgainAndAgain(kind: typeof KINDS[number]): Promise<void> {
  for (;;) {
    await visit(kind).catch(() => {});
    await pause(100);
  }
}

/** Until the server hangs up. */
async function visit({ pieces, pause: milliseconds }: typeof KINDS[number]): Promise<void> {
  using connection = await Deno.connect({ hostname, port });
  for (const piece of pieces) {
    const bytes = new TextEncoder().encode(piece);
    for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
    await pause(milliseconds);
  }
  // It is noticed by writing: who does not read hears of nothing.
  for (;;) {
    await pause(1000);
    await connection.write(new TextEncoder().encode("\r"));
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
