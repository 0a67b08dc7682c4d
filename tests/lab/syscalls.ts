/** What `strace -f -yy -o FILE` wrote of a program's system calls. */

/** The complete calls so far, one a line: `name(arguments) = result`; halves of calls are joined. */
export async function systemCalls(file: string): Promise<string[]> {
  const text = await Deno.readTextFile(file);
  const begun = new Map<string, string>();
  const calls: string[] = [];
  for (const line of text.split("\n").slice(0, -1)) {
    const [, thread, rest] = /^(\d+) +(.*)$/.exec(line) as unknown as [string, string, string];
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    if (rest.endsWith("<unfinished ...>")) begun.set(thread, rest.slice(0, -16));
    else if (resumed) calls.push(`${begun.get(thread) ?? ""}${resumed[1]}`);
    else if (!/^(---|\+\+\+)/.test(rest)) calls.push(rest);
  }
  return calls;
}
