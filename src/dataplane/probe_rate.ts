/**
 * How fast first packets are sent to new peers. Who sends them and who waits for the answers both
 * take it from here, because a packet that is still queued cannot have been answered.
 */

/** 50 packets a second, which both ends of many new sessions bear: `count` at once each `interval` ms. */
export const PROBE_BATCH = { count: 10, interval: 200 } as const;

/** Milliseconds that a packet takes up in the queue. */
export const PROBE_INTERVAL = PROBE_BATCH.interval / PROBE_BATCH.count;
