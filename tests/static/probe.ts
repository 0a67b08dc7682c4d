/**
 * A program for the tests to compile: does what kg does with the system (a function of libc, one
 * of them on another thread, TCP, HTTP, a worker), and prints what it found as one JSON object.
 */

import { readFileSync } from "node:fs";
import process from "node:process";

/** What {@link probe} found. */
export interface Found {
  readonly args: readonly string[];
  /** Is libc's process id that of the runtime? */
  readonly libc: boolean;
  /** What a function of libc answered that ran on another thread. */
  readonly poll: number;
  /** What our own HTTP server answered. */
  readonly http: string;
  readonly worker: string;
  readonly preload: string | null;
  /** What a program that we started found in its environment. */
  readonly preloadOfChild: string | null;
  /** Processor time so far, loading included, in milliseconds. */
  readonly processor: number;
  /** Kilobytes. */
  readonly resident: number;
  readonly anonymous: number;
}

async function probe(args: readonly string[]): Promise<Found> {
  const libc = Deno.dlopen("libc.so.6", {
    getpid: { parameters: [], result: "i32" },
    poll: { parameters: ["buffer", "u64", "i32"], result: "i32", nonblocking: true },
  });
  const preload = Deno.env.get("LD_PRELOAD") ?? null;
  return {
    args,
    libc: libc.symbols.getpid() === Deno.pid,
    poll: await libc.symbols.poll(null, 0n, 1),
    http: await fetchFromOurselves(),
    worker: await askWorker(),
    preload,
    preloadOfChild: preload && await environmentOfChild(),
    processor: (({ user, system }) => (user + system) / 1000)(process.cpuUsage()),
    resident: status("VmRSS"),
    anonymous: status("RssAnon"),
  };
}

async function fetchFromOurselves(): Promise<string> {
  const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
  await using server = Deno.serve(options, () => new Response("pong"));
  return await (await fetch(`http://127.0.0.1:${server.addr.port}/`)).text();
}

async function askWorker(): Promise<string> {
  const worker = new Worker("data:text/javascript,postMessage('at work');close()", {
    type: "module",
  });
  return await new Promise((resolve) => worker.onmessage = ({ data }) => resolve(data));
}

async function environmentOfChild(): Promise<string> {
  const child = new Deno.Command("sh", { args: ["-c", "echo $LD_PRELOAD"], stderr: "null" });
  return new TextDecoder().decode((await child.output()).stdout).trim();
}

function status(field: string): number {
  const text = readFileSync("/proc/self/status", "utf8");
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)![1]);
}

if (import.meta.main) console.log(JSON.stringify(await probe(Deno.args)));
