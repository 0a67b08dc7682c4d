/** The kinds of flags there are, each with a reader of its text. Meanings and words are Go's. */

import { parseListenAddress } from "../http/server/listen.ts";
import { formatPrefix, network, parsePrefix, type Prefix } from "../net/prefix.ts";

/** One flag of a command. A table of them, by name, is all the parser knows. */
export interface Flag<T> {
  /** One line for `--help`. */
  readonly help: string;
  /** The value when the flag is not given. */
  readonly initial: T;
  /** What stands for the value in `--help`; absent: a boolean, whose value can only be attached. */
  readonly placeholder?: string;
  /** One letter that may be used instead of the name. */
  readonly letter?: string;
  /** How the initial value is shown in `--help`; absent: not at all. */
  readonly shown?: string;
  /** Reads one value; `previous` is set when the flag was given before. Throws a {@link ValueError}. */
  read(text: string, previous: T | undefined): T;
}

/** A flag's value that cannot be used; the message says why, without the flag and the value. */
export class ValueError extends Error {
  override readonly name = "ValueError";
}

type Common = { readonly help: string; readonly letter?: string };

/** `--flag` or `--flag=VALUE`, VALUE one of the words of Go's `strconv.ParseBool`. */
export function boolean(initial: boolean, common: Common): Flag<boolean> {
  return {
    ...common,
    initial,
    ...(initial ? { shown: "true" } : {}),
    read(text) {
      if (["1", "t", "T", "true", "TRUE", "True"].includes(text)) return true;
      if (["0", "f", "F", "false", "FALSE", "False"].includes(text)) return false;
      throw new ValueError("true or false is expected");
    },
  };
}

/** Any text; an empty one counts as not given when the initial value is undefined. */
export function text<T extends string | undefined>(
  initial: T,
  common: Common & { readonly placeholder: string; readonly check?: (text: string) => void },
): Flag<string | T> {
  const { check, ...rest } = common;
  return {
    ...rest,
    initial,
    ...(initial === undefined ? {} : { shown: initial }),
    read(text) {
      if (text === "" && initial === undefined) return initial;
      check?.(text);
      return text;
    },
  };
}

/** Where a server listens: `host:port` or `:port`. */
export function listenAddress(initial: string, common: Common): Flag<string> {
  return text(initial, {
    ...common,
    placeholder: "address",
    check(text) {
      if (!parseListenAddress(text)) throw new ValueError("host:port or :port is expected");
    },
  });
}

/** One of some words; the empty word counts as not given. */
export function choice<W extends string, T extends W | undefined>(
  initial: T,
  common: Common & { readonly words: readonly W[] },
): Flag<W | T> {
  const { words, ...rest } = common;
  return {
    ...rest,
    initial,
    placeholder: words.join("|"),
    ...(initial === undefined ? {} : { shown: initial }),
    read(text) {
      if (text === "" && initial === undefined) return initial;
      const word = words.find((word) => word === text);
      if (word === undefined) throw new ValueError(`possible values are ${words.join(", ")}`);
      return word;
    },
  };
}

/** A whole number in any of Go's notations: 51820, 0xca6c, 0o145154, 0b101. */
export function integer(
  initial: number,
  common: Common & { readonly min: number; readonly max: number },
): Flag<number> {
  const { min, max, ...rest } = common;
  return {
    ...rest,
    initial,
    placeholder: "number",
    shown: String(initial),
    read: (text) => inRange(parseInteger(text), { min, max }),
  };
}

/** A decimal number of 32 bits, or a word that stands for one found out later. */
export function decimalOr<W extends string>(
  word: W,
  common: Common & { readonly min: number },
): Flag<number | W> {
  const { min, ...rest } = common;
  return {
    ...rest,
    initial: word,
    placeholder: `number|${word}`,
    shown: word,
    read(text) {
      if (text === word) return word;
      return inRange(/^\d+$/.test(text) ? Number(text) : NaN, { min, max: 2 ** 32 - 1 });
    },
  };
}

/** A length of time as Go writes it (`30s`, `1m30s`, `1.5h`), more than none; in milliseconds. */
export function duration(initial: string, common: Common): Flag<number> {
  const read = (text: string): number => {
    const milliseconds = parseDuration(text);
    if (milliseconds === undefined) {
      throw new ValueError("a duration like 30s or 1m30s is expected");
    }
    if (milliseconds < 1) throw new ValueError("at least 1ms is expected");
    return Math.min(milliseconds, LONGEST_TIMER);
  };
  return { ...common, initial: read(initial), placeholder: "duration", shown: initial, read };
}

/** What a JavaScript timer can wait, about 25 days; longer ones would fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** A CIDR, of which the network counts. */
export function cidr(initial: string, common: Common): Flag<Prefix> {
  return {
    ...common,
    initial: readCIDR(initial),
    placeholder: "CIDR",
    shown: initial,
    read: readCIDR,
  };
}

/** CIDRs, of which the networks count: the flag may be repeated, and its value split by commas. */
export function cidrs(common: Common): Flag<readonly Prefix[]> {
  return {
    ...common,
    initial: [],
    placeholder: "CIDR,…",
    read: (text, previous = []) => [
      ...previous,
      ...(text === "" ? [] : text.split(",").map(readCIDR)),
    ],
  };
}

function readCIDR(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (!prefix) throw new ValueError(`"${text}" is not a CIDR like ${formatPrefix(EXAMPLE)}`);
  return network(prefix);
}

const EXAMPLE: Prefix = { ip: { family: 4, value: 0x0a04_0000n }, bits: 16 };

/** Go's `strconv.ParseInt(text, 0, …)` without underscores; NaN if it is not a number. */
function parseInteger(text: string): number {
  const match = /^([+-]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9]\d*)$/.exec(text);
  if (!match) return NaN;
  const digits = match[2]!.replace(/^0(?=[0-7])/, "0o");
  return match[1] === "-" ? -Number(digits) : Number(digits);
}

function inRange(value: number, { min, max }: { min: number; max: number }): number {
  if (!(value >= min && value <= max)) {
    throw new ValueError(`a number from ${min} to ${max} is expected`);
  }
  return value;
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  "µs": 1e-3,
  "μs": 1e-3,
  ms: 1,
  s: 1e3,
  m: 60e3,
  h: 3600e3,
};

/** Reads Go's duration syntax; milliseconds, or undefined. */
export function parseDuration(text: string): number | undefined {
  const match = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+|0)$/.exec(text);
  if (!match) return undefined;
  let sum = 0;
  for (const [, number, unit] of match[2]!.matchAll(/([\d.]+)(\D+)/g)) {
    sum += Number(number) * UNITS[unit!]!;
  }
  return match[1] === "-" ? -sum : sum;
}
