/**
 * Credential plugins (`exec` of a kubeconfig's user): the configuration, what the program is told
 * and what it prints. KEP-541; the Go types are in k8s.io/client-go/pkg/apis/clientauthentication.
 * Starting the program is left to a {@link ExecPlugin}: agents have none.
 */

import type { KeyPair } from "../tls/key_pair.ts";
import { ConfigError } from "./error.ts";
import {
  asFields,
  type Entry,
  type Fields,
  fromDirectory,
  items,
  text,
} from "./kubeconfig_entry.ts";

const GROUP = "client.authentication.k8s.io";
const VERSIONS = [`${GROUP}/v1`, `${GROUP}/v1beta1`];

const MODES = ["Never", "IfAvailable", "Always"] as const;
type InteractiveMode = typeof MODES[number];

export interface ExecConfig {
  /** `FILE: user "NAME"`, for messages. */
  readonly where: string;
  readonly apiVersion: string;
  /** A path, or a name that is looked for in `$PATH`. */
  readonly command: string;
  readonly args: readonly string[];
  /** In addition to our own environment. */
  readonly env: Readonly<Record<string, string>>;
  /** May, or must, the program ask a person at the terminal? */
  readonly interactiveMode: InteractiveMode;
  /** What to do where there is no such program. */
  readonly installHint: string | undefined;
  /** What the program is told of the cluster, if it wants to know. */
  readonly cluster: Fields | undefined;
}

/** What a plugin answered. */
export interface ExecCredentials {
  readonly token: string | undefined;
  /** In PEM, not checked. */
  readonly identity: KeyPair | undefined;
  /** Milliseconds since the epoch; undefined: as long as this process runs. */
  readonly expires: number | undefined;
}

/** Starts the program and reads its answer; rejects with a {@link ConfigError}. */
export type ExecPlugin = (config: ExecConfig) => Promise<ExecCredentials>;

/** The plugin of a user, if it has one. */
export function execOf(user: Entry, cluster: Entry | undefined): ExecConfig | undefined {
  if (!user.fields["exec"]) return undefined;
  const where = user.where;
  const exec: Entry = {
    fields: asFields(user.fields["exec"], `${where}: exec`),
    where: `${where}: exec`,
    directory: user.directory,
  };
  const apiVersion = text(exec, "apiVersion"), command = text(exec, "command");
  if (apiVersion === undefined || !VERSIONS.includes(apiVersion)) {
    throw new ConfigError(`${where}: exec has an apiVersion that is not ${VERSIONS.join(" or ")}`);
  }
  if (command === undefined) throw new ConfigError(`${where}: exec has no command`);
  const mode = text(exec, "interactiveMode") ?? (apiVersion === VERSIONS[0] ? "" : "IfAvailable");
  if (!MODES.includes(mode as InteractiveMode)) {
    throw new ConfigError(`${where}: exec has an interactiveMode that is not ${MODES.join(", ")}`);
  }
  return {
    where,
    apiVersion,
    command: command.includes("/") ? fromDirectory(exec, command) : command,
    args: items(exec, "args").map((arg) => asString(arg, `${where}: exec has an argument`)),
    env: Object.fromEntries(items(exec, "env").map((item) => variable(item, where))),
    interactiveMode: mode as InteractiveMode,
    installHint: text(exec, "installHint"),
    cluster: exec.fields["provideClusterInfo"] === true && cluster ? infoOf(cluster) : undefined,
  };
}

function variable(item: unknown, where: string): [string, string] {
  const { name, value } = asFields(item, `${where}: exec has an environment variable that`);
  const key = asString(name, `${where}: exec has the name of an environment variable`);
  if (key === "" || /[=\0]/.test(key)) {
    throw new ConfigError(`${where}: exec has an environment variable with an impossible name`);
  }
  return [key, asString(value ?? "", `${where}: exec has an environment variable`)];
}

function asString(value: unknown, what: string): string {
  if (typeof value === "string" && !value.includes("\0")) return value;
  throw new ConfigError(`${what} that is not a string`);
}

/** `Cluster` of an ExecCredential: what a kubeconfig says, and the extension meant for plugins. */
function infoOf(cluster: Entry): Fields {
  const names = ["server", "tls-server-name", "certificate-authority-data", "proxy-url"];
  const known = names.flatMap((name) => {
    const value = text(cluster, name);
    return value === undefined ? [] : [[name, value] as const];
  });
  const extension = items(cluster, "extensions")
    .map((item) => asFields(item, `${cluster.where}: an extension`))
    .find(({ name }) => name === `${GROUP}/exec`)?.extension;
  return { ...Object.fromEntries(known), ...extension !== undefined && { config: extension } };
}

/** The value of `KUBERNETES_EXEC_INFO`. */
export function execInfo(
  { apiVersion, cluster, where }: ExecConfig,
  { interactive }: { readonly interactive: boolean },
): string {
  try {
    const spec = { ...cluster && { cluster }, interactive };
    return JSON.stringify({ kind: "ExecCredential", apiVersion, spec });
  } catch {
    throw new ConfigError(`${where}: the cluster's extension for exec cannot be written as JSON`);
  }
}

/** Reads what the program printed; nothing of that is ever in the {@link ConfigError}. */
export function parseExecCredential(output: string, config: ExecConfig): ExecCredentials {
  const refuse = (what: string): never => {
    throw new ConfigError(`${config.where}: ${config.command} ${what}`);
  };
  let answer: Fields;
  try {
    answer = asFields(JSON.parse(output), "");
  } catch {
    return refuse("printed something that is no JSON object");
  }
  if (answer.kind !== "ExecCredential" || answer.apiVersion !== config.apiVersion) {
    return refuse(`did not print an ExecCredential of ${config.apiVersion}`);
  }
  const status = answer.status;
  if (typeof status !== "object" || status === null) return refuse("printed no status");
  const field = (name: string): string | undefined => {
    const value = (status as Fields)[name];
    if (value === undefined || value === null || value === "") return undefined;
    return typeof value === "string" ? value : refuse(`printed a ${name} that is not a string`);
  };
  const token = field("token");
  const cert = field("clientCertificateData"), key = field("clientKeyData");
  if (!cert !== !key) {
    return refuse("printed only one of clientCertificateData and clientKeyData");
  }
  if (token === undefined && cert === undefined) {
    return refuse("printed neither a token nor a certificate and key");
  }
  const expiration = field("expirationTimestamp");
  const expires = expiration === undefined ? undefined : Date.parse(expiration);
  if (Number.isNaN(expires)) return refuse("printed an expirationTimestamp that is no time");
  return { token, identity: cert && key ? { cert, key } : undefined, expires };
}
