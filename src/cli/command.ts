/** What a command is, and how a command line becomes one. A new command is a file and a row in commands.ts. */

import { catchStrays } from "../async/background.ts";
import { describeError, withoutKeys } from "../net/text.ts";
import {
  describeFlags,
  type FlagTable,
  type FlagValues,
  parseFlags,
  UsageError,
  words,
} from "./flags.ts";

export interface Command<T extends FlagTable = FlagTable> {
  /** The word that selects it. */
  readonly name: string;
  /** What it does, in one line. */
  readonly summary: string;
  readonly flags: T;
  /** The arguments it takes, as `--help` shows them; absent: none. */
  readonly operands?: string;
  /** What `run` throws is printed below the text of `--help`. */
  readonly usageOnError?: true;
  /** It may start other programs (credential plugins); absent: it must not be able to. */
  readonly startsPrograms?: true;
  /** Does it; what it throws is printed and ends in exit code 1. Absent: the text of `--help`. */
  run?(values: FlagValues<T>, context: Context): Promise<void> | void;
}

export interface Context {
  readonly args: readonly string[];
  readonly output: Output;
}

/** A command whose `run` knows the types of its flags. */
export function command<T extends FlagTable>(definition: Command<T>): Command<T> {
  return definition;
}

/** A program: what it does by itself, and its commands. */
export interface Program {
  /** The command without a command word; its name is the program's. */
  readonly root: Command;
  readonly version: string;
  readonly commands: readonly Command[];
  /** Called with the command before it runs. */
  selected?(command: Command): void;
}

/** Both write a line: the text and a newline. */
export interface Output {
  out(text: string): void;
  error(text: string): void;
}

/**
 * Runs a command line to its exit code. Until then no exception ends the program: what reaches nobody
 * is reported, and what was begun goes on.
 */
export async function execute(
  program: Program,
  args: readonly string[],
  output: Output = { out: console.log, error: console.error },
): Promise<number> {
  using _strays = catchStrays();
  try {
    await dispatch(program, args, output);
    return 0;
  } catch (error) {
    output.error(withoutKeys(`Error: ${describeError(error)}`));
    return 1;
  }
}

async function dispatch(
  program: Program,
  args: readonly string[],
  output: Output,
): Promise<void> {
  const { command, rest } = select(program, args);
  program.selected?.(command);
  const { help, values, args: operands, errors } = parseFlags(rest, command.flags);
  if (help) return output.out(usage(program, command));
  const badLevel = errors.get("log-level"); // comes before --version, the others after
  if (badLevel) throw badLevel;
  if ("version" in values && values.version) return output.out(program.version);
  for (const error of errors.values()) throw error;
  if (operands.length > 0 && command.operands === undefined) {
    throw new UsageError(`unknown command "${operands[0]}" for "${title(program, command)}"`);
  }
  if (!command.run) return output.out(usage(program, command));
  try {
    await command.run(values, { args: operands, output });
  } catch (error) {
    if (command.usageOnError) output.error(`${usage(program, command)}\n`);
    throw error;
  }
}

/** The first argument that is no flag may name a command; the root's flags may come before it. */
function select(
  program: Program,
  args: readonly string[],
): { command: Command; rest: readonly string[] } {
  const { root, commands } = program;
  for (const word of words(args, root.flags)) {
    if (word.kind === "help") break;
    if (word.kind !== "argument") continue;
    const rest = args.toSpliced(word.at, 1);
    if (word.text === "help") return select(program, [...rest, "--help"]);
    const command = commands.find(({ name }) => name === word.text);
    if (command) return { command, rest };
    break;
  }
  return { command: root, rest: args };
}

function title({ root }: Program, { name }: Command): string {
  return name === root.name ? name : `${root.name} ${name}`;
}

function usage(program: Program, command: Command): string {
  const operands = command.operands ? ` ${command.operands}` : "";
  const lines = [`${command.summary}`, "", `Usage: ${title(program, command)} [flags]${operands}`];
  if (command === program.root && program.commands.length > 0) {
    lines.push("", "Commands:");
    const column = Math.max(...program.commands.map(({ name }) => name.length)) + 3;
    for (const { name, summary } of program.commands) {
      lines.push(`  ${name.padEnd(column)}${summary}`);
    }
  }
  return `${lines.join("\n")}\n\nFlags:\n${describeFlags(command.flags).trimEnd()}`;
}
