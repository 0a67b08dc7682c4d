/**
 * Reads an argument list with a table of flags, in Go's spelling: `--flag v`, `--flag=v`, `-f v`,
 * `-fv`, `-f=v`, and the one dash of every long flag that Go's own library allows.
 */

import { type Flag, ValueError } from "./flag.ts";

/** A command's flags by name, in the order in which `--help` lists them. */
// deno-lint-ignore no-explicit-any -- a table mixes flags of all types; FlagValues keeps each one's
export type FlagTable = Readonly<Record<string, Flag<any>>>;

/** The values of a table by the flags' names in camel case: `resync-period` is `resyncPeriod`. */
export type FlagValues<T extends FlagTable> = {
  readonly [N in keyof T & string as Camel<N>]: T[N] extends Flag<infer V> ? V : never;
};

type Camel<N extends string> = N extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : N;

/** A command line that cannot be understood; the message is one line for the person who typed it. */
export class UsageError extends Error {
  override readonly name = "UsageError";

  constructor(message: string) {
    // deno-lint-ignore no-control-regex -- control characters must not reach the terminal
    super(message.replace(/[\x00-\x1f\x7f]/g, (c) => JSON.stringify(c).slice(1, -1)));
  }
}

/** One thing on a command line. */
export type Word =
  | { readonly kind: "flag"; readonly name: string; readonly text: string; readonly spelt: string }
  | { readonly kind: "help" }
  | { readonly kind: "argument"; readonly text: string; readonly at: number };

/**
 * The flags and arguments of a command line in order; values are not read yet. Throws a
 * {@link UsageError} for an unknown flag or one without its value.
 */
export function* words(args: readonly string[], flags: FlagTable): Generator<Word> {
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!;
    if (word === "--") {
      for (at++; at < args.length; at++) yield { kind: "argument", text: args[at]!, at };
    } else if (word === "-" || !word.startsWith("-")) {
      yield { kind: "argument", text: word, at };
    } else {
      for (const part of split(word, flags)) {
        if (part.kind === "help") yield part;
        else if (part.text !== undefined) yield { ...part, text: part.text };
        else if (++at < args.length) yield { ...part, text: args[at]! };
        else throw new UsageError(`flag needs an argument: ${part.spelt}`);
      }
    }
  }
}

type Part =
  | { kind: "flag"; name: string; spelt: string; text: string | undefined }
  | { kind: "help" };

/** What one dashed word says; a flag without `text` takes the next word as its value. */
function split(word: string, flags: FlagTable): Part[] {
  const match = /^(--?)([^-=][^=]*)(?:=(.*))?$/s.exec(word);
  if (!match) throw new UsageError(`bad flag syntax: ${word}`);
  const [, dashes, name, text] = match;
  if (name === "help") return [{ kind: "help" }];
  if (Object.hasOwn(flags, name!)) return [flagPart(name!, `${dashes}${name}`, { flags, text })];
  if (dashes === "--") throw new UsageError(`unknown flag: --${name}`);
  return splitLetters(word, flags);
}

function flagPart(
  name: string,
  spelt: string,
  { flags, text }: { flags: FlagTable; text: string | undefined },
): Part {
  const implied = isBoolean(flags[name]!) ? "true" : undefined;
  return { kind: "flag", name, spelt, text: text ?? implied };
}

/** Its value can only be attached: `--cni=false`. */
function isBoolean(flag: Flag<unknown>): boolean {
  return flag.placeholder === undefined;
}

/** `-v`, `-oyaml`, `-o=yaml`, and letters of booleans in a row. */
function splitLetters(word: string, flags: FlagTable): Part[] {
  const parts: Part[] = [];
  for (let at = 1; at < word.length; at++) {
    const letter = word[at]!;
    const rest = word.slice(at + 1);
    if (letter === "h") return [...parts, { kind: "help" }];
    const name = Object.keys(flags).find((name) => flags[name]!.letter === letter);
    if (name === undefined) {
      throw new UsageError(`unknown shorthand flag: '${letter}' in ${word}`);
    }
    const text = rest.startsWith("=")
      ? rest.slice(1)
      : rest === "" || isBoolean(flags[name]!)
      ? undefined
      : rest;
    parts.push(flagPart(name, `-${letter}`, { flags, text }));
    if (text !== undefined) break;
  }
  return parts;
}

/** A command line as understood. */
export interface Parsed<T extends FlagTable> {
  /** `--help` or `-h` was there: nothing else matters. */
  readonly help: boolean;
  readonly values: FlagValues<T>;
  readonly args: readonly string[];
  /** Values that could not be read, by flag name; the flag then has its initial value. */
  readonly errors: ReadonlyMap<string, UsageError>;
}

/** Reads a command line; throws a {@link UsageError} only for what {@link words} refuses. */
export function parseFlags<T extends FlagTable>(args: readonly string[], flags: T): Parsed<T> {
  const given = new Map<string, unknown>();
  const errors = new Map<string, UsageError>();
  const rest: string[] = [];
  let help = false;
  for (const word of words(args, flags)) {
    if (word.kind === "help") {
      help = true;
      break;
    }
    if (word.kind === "argument") {
      rest.push(word.text);
      continue;
    }
    const { name, text, spelt } = word;
    try {
      given.set(name, flags[name]!.read(text, given.get(name)));
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      const message = `invalid argument "${text}" for "${spelt}" flag: ${error.message}`;
      errors.set(name, new UsageError(message));
    }
  }
  const values = Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [
      camel(name),
      given.has(name) ? given.get(name) : flag.initial,
    ]),
  ) as FlagValues<T>;
  return { help, values, args: rest, errors };
}

function camel(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** The flags as `--help` lists them, one a line. */
export function describeFlags(flags: FlagTable): string {
  const rows = Object.entries(flags).map(([name, { letter, placeholder, shown, help }]) => {
    const head = `${letter ? `-${letter}, ` : "    "}--${name}`;
    const value = placeholder === undefined ? "" : ` ${placeholder}`;
    return [
      `  ${head}${value}`,
      shown === undefined ? help : `${help} (default ${shown})`,
    ] as const;
  });
  rows.push(["  -h, --help", "show this text"]);
  const column = Math.max(...rows.map(([head]) => head.length)) + 3;
  return rows.map(([head, help]) => `${head.padEnd(column)}${help}\n`).join("");
}
