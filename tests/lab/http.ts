/** What a kg answers over HTTP, asked inside its namespace. */

import type { Namespace } from "./namespace.ts";

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** GETs a path, by default on the loopback address; rejects if nobody answers. */
export async function ask(
  namespace: Namespace,
  path: string,
  { address = "127.0.0.1" } = {},
): Promise<Answer> {
  const command = ["curl", "-s", "-g", "-m", "15", "-w", "\n%{http_code}"];
  const text = await namespace.exec([...command, `http://${address}:1107${path}`]);
  const end = text.lastIndexOf("\n");
  return { status: Number(text.slice(end + 1)), body: text.slice(0, end) };
}

/** A scrape: the value of each series, by its name with labels. */
export async function scrape(namespace: Namespace): Promise<ReadonlyMap<string, number>> {
  const { body } = await ask(namespace, "/metrics");
  const samples = body.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(samples.map((line) => {
    const space = line.lastIndexOf(" ");
    return [line.slice(0, space), Number(line.slice(space + 1))];
  }));
}
