/** What the tools print for people: colour only on a terminal that wants it, one look for all. */

const fancy = Deno.stdout.isTerminal() && !Deno.env.get("NO_COLOR") &&
  Deno.env.get("TERM") !== "dumb";

/** What to add to the environment of programs whose output is shown: colours as ours, no Rust stacks. */
export const CHILD_ENV: Readonly<Record<string, string>> = {
  RUST_BACKTRACE: "0",
  ...!fancy && { NO_COLOR: "1" },
};

function paint(code: number): (text: string) => string {
  return (text) => fancy ? `\x1b[${code}m${text}\x1b[0m` : text;
}

export const bold = paint(1);
export const dim = paint(2);
export const red = paint(31);
export const green = paint(32);
export const yellow = paint(33);
export const cyan = paint(36);

/** Milliseconds for people: `340 ms`, `12.3 s`. */
export function duration(milliseconds: number): string {
  return milliseconds < 1000
    ? `${Math.round(milliseconds)} ms`
    : `${(milliseconds / 1000).toFixed(1)} s`;
}

/** A notice on stderr about something done on the side (an installation, a download). */
export function say(text: string): void {
  console.error(dim(`· ${text}`));
}

/** A reason to stop that is told in one sentence, without a stack trace. */
export class Refusal extends Error {
  override readonly name = "Refusal";
}

/** Runs a tool's main function; a {@link Refusal} becomes its sentence and exit code 1. */
export async function main(run: () => Promise<number | void>): Promise<never> {
  try {
    Deno.exit(await run() ?? 0);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    console.error(red(error.message));
    Deno.exit(1);
  }
}

/**
 * One step of a longer work: its name while it runs, then a tick and the time it took. On
 * failure a cross, and the error goes on.
 */
export async function step<T>(name: string, work: () => Promise<T> | T): Promise<T> {
  const start = performance.now();
  if (fancy) write(`  ${dim("…")} ${name}`);
  const done = (sign: string) => {
    const time = dim(duration(performance.now() - start));
    write(`${fancy ? "\r\x1b[K" : ""}  ${sign} ${name}  ${time}\n`);
  };
  try {
    const result = await work();
    done(green("✓"));
    return result;
  } catch (error) {
    done(red("✗"));
    throw error;
  }
}

function write(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

/** Printed width of a text, colours not counted; every other character is one cell wide. */
export function displayWidth(text: string): number {
  // deno-lint-ignore no-control-regex -- that is what a colour is
  return [...text.replace(/\x1b\[\d+m/g, "")].length;
}

/** Rows as aligned columns, the first row being the head; numbers' columns are for the caller to pad. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, at) => widths[at] = Math.max(widths[at] ?? 0, displayWidth(cell)));
  }
  return rows.map((row, line) =>
    row.map((cell, at) => {
      const gap = " ".repeat((widths[at] ?? 0) - displayWidth(cell));
      return (line === 0 ? dim(cell) : cell) + gap;
    }).join("  ").trimEnd()
  ).join("\n");
}
