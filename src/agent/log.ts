/**
 * The agent's log: one JSON object a line on standard output, with `ts` (RFC 3339, nanoseconds,
 * UTC), `level`, `component`, `msg`, then the fields of the message, errors in words.
 */

import { configureSync, getLogger, type LogRecord, type Sink } from "@logtape/logtape";
import { describeError, withoutKeys } from "../net/text.ts";

export const LOG_LEVELS = ["all", "debug", "info", "warn", "error", "none"] as const;
export type LogLevel = typeof LOG_LEVELS[number];

/** What a message is about, by name; an `error` is written in words, with its causes. */
export type Fields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(msg: string, fields?: Fields): void;
  info(msg: string, fields?: Fields): void;
  warn(msg: string, fields?: Fields): void;
  error(msg: string, fields?: Fields): void;
}

const LOWEST = {
  all: "trace",
  debug: "debug",
  info: "info",
  warn: "warning",
  error: "error",
  none: null,
} as const;

/** Sets what is logged from here on, and where the lines go. */
export function configureLog(level: LogLevel, write: (line: string) => void = writeStdout): void {
  const sink: Sink = (record) => write(formatRecord(record));
  configureSync({
    reset: true,
    sinks: { lines: sink },
    loggers: [
      { category: "kg", sinks: ["lines"], lowestLevel: LOWEST[level] },
      { category: ["logtape", "meta"], lowestLevel: null },
    ],
  });
}

/** The log of one component (`kilo`, `k8s backend`, …). */
export function openLog(component: string): Log {
  const logger = getLogger(["kg", component]);
  return {
    debug: (msg, fields = {}) => logger.debug(msg, { ...fields }),
    info: (msg, fields = {}) => logger.info(msg, { ...fields }),
    warn: (msg, fields = {}) => logger.warn(msg, { ...fields }),
    error: (msg, fields = {}) => logger.error(msg, { ...fields }),
  };
}

/** A record as one line. The message is never taken for a template. */
export function formatRecord(record: LogRecord): string {
  const { error, ...fields } = record.properties;
  const line = JSON.stringify({
    ts: new Date(record.timestamp).toISOString().replace("Z", "000000Z"),
    level: record.level === "warning" ? "warn" : record.level,
    component: record.category[1] ?? "kilo",
    msg: String(record.rawMessage),
    ...fields,
    ...(error === undefined ? {} : { error: describeError(error) }),
  }, (_, value) => typeof value === "bigint" ? String(value) : value);
  return withoutKeys(line) + "\n";
}

/** Standard output may be gone (a closed pipe); the agent's work goes on without a log. */
function writeStdout(line: string): void {
  const bytes = new TextEncoder().encode(line);
  try {
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  } catch { /* nowhere to say so */ }
}
