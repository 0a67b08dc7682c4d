/**
 * Kubeconfig files (`kubectl config`, v1 Config): read, merged, and the cluster and user of a
 * context picked from them.
 */

import { load } from "js-yaml";
import { explainYAMLError, YAML_SCHEMA } from "../net/yaml.ts";
import type { Authorization, ClientConfig, Material } from "./config.ts";
import { parseServer } from "./config.ts";
import { ConfigError } from "./error.ts";
import { execOf } from "./exec.ts";
import { asFields, type Entry, fromDirectory, text } from "./kubeconfig_entry.ts";

const KINDS = ["cluster", "user", "context"] as const;
type Kind = typeof KINDS[number];

/** One file, or several merged. */
export interface Kubeconfig {
  readonly currentContext: string | undefined;
  readonly entries: Readonly<Record<Kind, ReadonlyMap<string, Entry>>>;
}

/** Reads the text of a file; throws {@link ConfigError}. */
export function parseKubeconfig(text: string, path: string): Kubeconfig {
  const root = asFields(parseYAML(text, path) ?? {}, path);
  const current = root["current-context"];
  const slash = path.lastIndexOf("/");
  const directory = slash < 0 ? "." : path.slice(0, slash) || "/";
  const read = (kind: Kind) => readEntries(root[`${kind}s`], { kind, path, directory });
  return {
    currentContext: typeof current === "string" && current !== "" ? current : undefined,
    entries: { cluster: read("cluster"), user: read("user"), context: read("context") },
  };
}

/** As kubectl reads YAML: of equal keys the last one counts. */
const YAML = { schema: YAML_SCHEMA, json: true };

function parseYAML(text: string, path: string): unknown {
  const document = firstDocument(text);
  try {
    return document.trim() === "" ? undefined : load(document, YAML);
  } catch (error) {
    const { reason, line } = explainYAMLError(error);
    const where = line === undefined ? "" : ` in line ${line}`;
    throw new ConfigError(`${path} is not YAML: ${reason}${where}`);
  }
}

/** The rest of the file is not read, as by kubectl. The number of lines before it stays. */
function firstDocument(text: string): string {
  const start = /^\uFEFF?(?:[ \t]*(?:#.*)?\r?\n|%.*\n)*(?:---(?=\s|$))?/.exec(text)?.[0].length ??
    0;
  const end = text.slice(start).search(/^(?:---|\.\.\.)(?:\s|$)/m);
  return end < 0 ? text : text.slice(0, start + end);
}

function readEntries(
  value: unknown,
  { kind, path, directory }: { kind: Kind; path: string; directory: string },
): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  if (value === undefined || value === null) return entries;
  if (!Array.isArray(value)) throw new ConfigError(`${path}: ${kind}s is not a list`);
  for (const [at, item] of value.entries()) {
    const named = asFields(item, `${path}: ${kind}s[${at}]`);
    if (typeof named.name !== "string") {
      throw new ConfigError(`${path}: ${kind}s[${at}] has no name`);
    }
    const where = `${path}: ${kind} ${JSON.stringify(named.name)}`;
    entries.set(named.name, { fields: asFields(named[kind] ?? {}, where), where, directory });
  }
  return entries;
}

/** As kubectl does it: of entries with one name, and of current contexts, the first file's counts. */
export function mergeKubeconfigs(files: readonly Kubeconfig[]): Kubeconfig {
  const merge = (kind: Kind) =>
    new Map(files.toReversed().flatMap(({ entries }) => [...entries[kind]]));
  return {
    currentContext: files.find(({ currentContext }) => currentContext)?.currentContext,
    entries: { cluster: merge("cluster"), user: merge("user"), context: merge("context") },
  };
}

/**
 * What the current context says; `master` takes the place of the cluster's URL, and needs no
 * context. Throws {@link ConfigError}, also for what cannot be done here.
 */
export function configOf(kubeconfig: Kubeconfig, master: string | undefined): ClientConfig {
  const { currentContext, entries } = kubeconfig;
  if (currentContext === undefined && master === undefined) {
    throw new ConfigError("the kubeconfig has no current-context");
  }
  const context = currentContext === undefined
    ? undefined
    : find(entries.context, currentContext, "current-context");
  const named = (kind: "cluster" | "user") => {
    const name = context && text(context, kind);
    return name === undefined ? undefined : find(entries[kind], name, `${context!.where}: ${kind}`);
  };
  const cluster = named("cluster"), user = named("user");
  const server = master ?? (cluster && text(cluster, "server"));
  if (server === undefined) throw new ConfigError(`${(cluster ?? context)!.where} has no server`);
  const trust = cluster ? trustOf(cluster) : {};
  const identity = user ? identityOf(user, cluster) : {};
  const what = master === undefined ? `${cluster!.where}: server` : "--master";
  const protection = {
    hasCertificates: trust.ca !== undefined || identity.identity !== undefined,
    hasCredentials: identity.authorization !== undefined || identity.exec !== undefined,
  };
  return { server: parseServer(server, what, protection), ...trust, ...identity };
}

function find(entries: ReadonlyMap<string, Entry>, name: string, what: string): Entry {
  const entry = entries.get(name);
  if (entry) return entry;
  throw new ConfigError(`${what} ${JSON.stringify(name)} is not in the kubeconfig`);
}

function trustOf(cluster: Entry): Partial<ClientConfig> {
  refuse(cluster, {
    "insecure-skip-tls-verify": "certificates are always verified here: give certificate-authority",
    "tls-server-name": "the server's certificate must be for the name in its URL",
  });
  const ca = material(cluster, "certificate-authority"), proxy = text(cluster, "proxy-url");
  return { ...ca && { ca }, ...proxy !== undefined && { proxy } };
}

function identityOf(user: Entry, cluster: Entry | undefined): Partial<ClientConfig> {
  refuse(user, {
    "auth-provider": "plugins cannot be used: use a token, a token file or a certificate",
    "as": "nobody can be impersonated",
    "as-uid": "nobody can be impersonated",
    "as-groups": "nobody can be impersonated",
    "as-user-extra": "nobody can be impersonated",
  });
  const certificate = material(user, "client-certificate"), key = material(user, "client-key");
  if (!certificate !== !key) {
    throw new ConfigError(`${user.where} has only one of client-certificate and client-key`);
  }
  const authorization = authorizationOf(user), exec = execOf(user, cluster);
  return {
    ...certificate && key && { identity: { certificate, key } },
    ...authorization && { authorization },
    ...exec && { exec },
  };
}

function authorizationOf(user: Entry): Authorization | undefined {
  const token = text(user, "token"), file = text(user, "tokenFile");
  const username = text(user, "username"), password = text(user, "password") ?? "";
  const hasToken = token !== undefined || file !== undefined;
  if (username !== undefined) {
    if (hasToken) throw new ConfigError(`${user.where} has both a token and a username`);
    return { username, password };
  }
  return hasToken
    ? {
      ...token !== undefined && { token },
      ...file !== undefined && { tokenFile: fromDirectory(user, file) },
    }
    : undefined;
}

/** Inline data goes before a file, as for kubectl. */
function material(entry: Entry, name: string): Material | undefined {
  const data = text(entry, `${name}-data`), path = text(entry, name);
  if (data === undefined) return path === undefined ? path : { path: fromDirectory(entry, path) };
  try {
    return { text: new TextDecoder().decode(Uint8Array.fromBase64(data)) };
  } catch {
    throw new ConfigError(`${entry.where}: ${name}-data is not base64`);
  }
}

function refuse(entry: Entry, reasons: Readonly<Record<string, string>>): void {
  for (const [name, reason] of Object.entries(reasons)) {
    const value = entry.fields[name];
    if (!value || Array.isArray(value) && value.length === 0) continue;
    throw new ConfigError(`${entry.where} has ${name}, which is not supported: ${reason}`);
  }
}
