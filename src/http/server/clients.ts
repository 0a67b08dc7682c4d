/** Who is connected, and who has to leave when it gets crowded. */

export interface Client {
  /** Does it wait for us, and not we for it? */
  readonly isBusy: boolean;
  /** Has it had a response already? */
  readonly wasAnswered: boolean;
  /** Ends it when the response under way is sent. */
  stop(): void;
  /** Cuts it off. */
  close(): void;
}

export interface ClientLimits {
  /** Connections at a time. */
  readonly total: number;
  /** Of these, how many nobody from outside can take. */
  readonly reserved: number;
}

/** Connections that there can always be, however short descriptors are, and at most. */
const LEAST = 16;
const MOST = 256;

/** Of all connections, how many are reserved. */
const RESERVED = 1 / 8;

/** Half of a process's descriptors, of which a connection takes so many, are for its clients. */
export function limitsFor(
  descriptors: number,
  { each = 1 }: { readonly each?: number } = {},
): ClientLimits {
  const total = Math.max(LEAST, Math.min(MOST, Math.floor(descriptors / 2 / each)));
  return { total, reserved: Math.floor(total * RESERVED) };
}

export class Clients {
  readonly #most: number;
  #total: number;
  readonly #reserved: number;
  /** Each with the one first that was idle for longest. */
  readonly #own = new Set<Client>();
  readonly #outside = new Set<Client>();

  constructor({ total, reserved }: ClientLimits) {
    this.#most = total;
    this.#total = total;
    this.#reserved = reserved;
  }

  get size(): number {
    return this.#own.size + this.#outside.size;
  }

  /** One more, of this machine itself or not; closes others if there are too many now, and returns how many. */
  add(client: Client, { isOwn }: { readonly isOwn: boolean }): number {
    (isOwn ? this.#own : this.#outside).add(client);
    return this.#closeSurplus();
  }

  /** The process has no descriptors left: a quarter of ours is for others, until {@link restore}. */
  shrink(): void {
    this.#total = Math.max(LEAST, Math.min(this.#total, Math.floor(this.size * 3 / 4)));
    this.#closeSurplus();
  }

  /** The shortage is over: there may be as many as in the beginning. */
  restore(): void {
    this.#total = this.#most;
  }

  #closeSurplus(): number {
    const before = this.size;
    const outside = Math.max(this.#total - this.#reserved, Math.min(this.#total, LEAST) / 2);
    while (this.#outside.size > outside) closeOne(this.#outside);
    while (this.size > this.#total) closeOne(this.#own.size > 0 ? this.#own : this.#outside);
    return before - this.size;
  }

  /** Bytes came from it or went to it. */
  moved(client: Client): void {
    const clients = this.#own.has(client) ? this.#own : this.#outside;
    if (clients.delete(client)) clients.add(client);
  }

  delete(client: Client): void {
    this.#own.delete(client);
    this.#outside.delete(client);
  }

  *[Symbol.iterator](): Generator<Client> {
    yield* [...this.#own, ...this.#outside];
  }
}

/**
 * That was idle for longest. If all but the newcomer wait for us, one of those that had their turn
 * (else requests sent without end on as many connections as there may be keep everybody out), or the
 * newcomer: those who wait for their first answer are served in their order.
 */
function closeOne(clients: Set<Client>): void {
  let victim: Client | undefined, newcomer: Client | undefined;
  for (const client of clients) newcomer = client;
  for (const client of clients) {
    if (client === newcomer) break;
    if (client.isBusy && !client.wasAnswered) continue;
    victim ??= client;
    if (client.isBusy) continue;
    victim = client;
    break;
  }
  victim ??= newcomer;
  if (!victim) return;
  clients.delete(victim);
  victim.close();
}
