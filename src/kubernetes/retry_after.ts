/** How long a server wants to be left alone (RFC 9110, 10.2.3). */

/** Milliseconds: a server that asks for more is asked again after this. */
export const MAX_RETRY_AFTER = 30_000;

/** Milliseconds, at most {@link MAX_RETRY_AFTER}; of seconds or a date. `now`: since the epoch. */
export function parseRetryAfter(text: string | null, now: number): number | undefined {
  if (text === null) return undefined;
  const milliseconds = /^\s*\d+\s*$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return milliseconds > 0 ? Math.min(milliseconds, MAX_RETRY_AFTER) : undefined;
}
