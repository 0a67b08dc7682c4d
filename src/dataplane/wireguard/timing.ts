/**
 * All times of the WireGuard device's upkeep, in milliseconds. What the protocol itself fixes stands
 * beside the value that follows from it.
 */

/**
 * When a peer that has not answered is reset, after it was added. Soon at first, because most nodes
 * hear of a new one within 100 ms; then ever later, because an answer from far away takes its time.
 */
export type RetrySchedule = readonly number[];

/** Of the side that goes first, and of the other one: they must not reset each other's attempt. */
export const FIRST_SIDE: RetrySchedule = [50, 100, 200, 450, 1000, 2200];
export const SECOND_SIDE: RetrySchedule = [140, 320, 700, 1500, 3000];

/** For the answer to a first packet, after a handshake that took no time. */
export const ANSWER_TIMEOUT = 120;

/** Between the removal of a peer and its addition: a handshake under way comes to its end. */
export const RESET_PAUSE = 5;

/** How many peers are reset at once: a handshake costs both sides a few milliseconds. */
export const MAX_CONCURRENT = 50;

/**
 * First packets: 50 a second, which both ends of many new sessions bear; `count` at once each
 * `interval`. The sender and whoever waits for answers share it: a queued packet has no answer yet.
 */
export const PACKET_BATCH = { count: 10, interval: 200 } as const;

/** How long a packet takes up the queue. */
export const PACKET_INTERVAL = PACKET_BATCH.interval / PACKET_BATCH.count;

/** How long a peer that does not answer is tried at one address: two attempts (REKEY_TIMEOUT 5 s). */
export const FAMILY_TIMEOUT = 11_000;

/** Between polls of a device of up to {@link PEERS_PER_POLL} peers; longer with more. */
export const POLL_INTERVAL = 5000;
export const PEERS_PER_POLL = 500;

/** From an addition to the first poll; longer with more peers, up to the second. */
export const FIRST_POLL = 250;
export const MAX_FIRST_POLL = 1000;
