/**
 * Starts credential plugins: the only place in this program that starts another one. Only commands
 * that people run may (`startsPrograms`); the agent has no permission to.
 */

import { startTimer } from "../async/background.ts";
import { ConfigError } from "../kubernetes/error.ts";
import {
  type ExecConfig,
  type ExecCredentials,
  execInfo,
  parseExecCredential,
} from "../kubernetes/exec.ts";
import { takeProxies } from "../kubernetes/proxy.ts";

/** Milliseconds: a person may have to log in with a browser. */
const TIMEOUT = 300_000;

/** Bytes that a plugin may print. */
const MOST = 1024 * 1024;

/** Its errors go to our stderr, as kubectl has it; what it prints is in no message. */
export async function execPlugin(config: ExecConfig): Promise<ExecCredentials> {
  const { where, command, args, interactiveMode } = config;
  const isTerminal = Deno.stdin.isTerminal();
  if (interactiveMode === "Always" && !isTerminal) {
    throw new ConfigError(
      `${where}: ${command} must be run at a terminal (interactiveMode Always)`,
    );
  }
  const interactive = interactiveMode !== "Never" && isTerminal;
  const env = {
    ...takeProxies().variables, // of which our own environment has none any more
    ...config.env,
    KUBERNETES_EXEC_INFO: execInfo(config, { interactive }),
  };
  const stdin = interactive ? "inherit" : "null";
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(command, {
      ...{ args: [...args], env, stdin, stdout: "piped", stderr: "inherit" },
    }).spawn();
  } catch (error) {
    throw notStarted(config, error);
  }
  let isLate = false;
  const timer = startTimer(TIMEOUT, "end a credential plugin", () => {
    isLate = true;
    child.kill("SIGKILL");
  });
  try {
    const output = await readOutput(child);
    if (isLate) throw new ConfigError(`${where}: ${command} took over ${TIMEOUT / 60_000} min`);
    if (output === undefined) throw new ConfigError(`${where}: ${command} printed too much`);
    const { code, signal } = await child.status;
    if (code !== 0) {
      const fate = signal === null ? `failed with exit code ${code}` : `was ended by ${signal}`;
      throw new ConfigError(`${where}: ${command} ${fate}`);
    }
    return parseExecCredential(output, config);
  } finally {
    clearTimeout(timer);
  }
}

/** Undefined: it was too much, and the program was ended. */
async function readOutput(child: Deno.ChildProcess): Promise<string | undefined> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const chunk of child.stdout) {
    length += chunk.length;
    if (length > MOST) {
      child.kill("SIGKILL");
      return undefined;
    }
    chunks.push(chunk);
  }
  return await new Blob(chunks).text();
}

function notStarted({ where, command, installHint }: ExecConfig, error: unknown): ConfigError {
  const reason = error instanceof Deno.errors.NotFound
    ? "there is no such program"
    : "it cannot be started";
  const hint = installHint === undefined ? "" : `\n${installHint.trim()}`;
  return new ConfigError(`${where}: the credential plugin ${command}: ${reason}${hint}`);
}
