/** How long to wait before trying again, and how long a server wants to be left alone (RFC 9110, 10.2.3). */

import type { BackoffOptions } from "../async/backoff.ts";
import { StatusError } from "./error.ts";

/** Pauses of a client between tries; jitter keeps many clients apart. */
export const RETRY_BACKOFF: BackoffOptions = { first: 200, longest: 3000, jitter: 0.5 };

/** Milliseconds: a server that asks for more is asked again after this. */
export const MAX_RETRY_AFTER = 30_000;

/** Milliseconds, at most {@link MAX_RETRY_AFTER}; of seconds or a date. `now`: since the epoch. */
export function parseRetryAfter(text: string | null, now: number): number | undefined {
  if (text === null) return undefined;
  const milliseconds = /^\s*\d+\s*$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return milliseconds > 0 ? Math.min(milliseconds, MAX_RETRY_AFTER) : undefined;
}

/**
 * Milliseconds that the server asks for with this error, and up to a quarter more; 0 where it asks
 * for nothing. `random`: 0 to below 1.
 */
export function requestedPause(error: unknown, random: () => number = Math.random): number {
  const retryAfter = error instanceof StatusError ? error.retryAfter ?? 0 : 0;
  return Math.min(retryAfter * (1 + random() / 4), MAX_RETRY_AFTER);
}
