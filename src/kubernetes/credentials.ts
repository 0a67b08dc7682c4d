/** Who we are to an API server, and whom we trust to be it: what the files of a configuration hold now. */

import { CertificateFault } from "../tls/error.ts";
import { checkKeyPair, type KeyPair, readTogether } from "../tls/key_pair.ts";
import { certificatesIn } from "../tls/pem.ts";
import { describeError } from "../net/text.ts";
import { sleep } from "../async/sleep.ts";
import type { ClientConfig, Material } from "./config.ts";
import { ConfigError } from "./error.ts";
import type { ExecCredentials } from "./exec.ts";
import { readText } from "./read_text.ts";

export interface Credentials {
  /** Certificate authorities, in PEM. */
  readonly ca: string | undefined;
  readonly identity: KeyPair | undefined;
  /** The value of the header. */
  readonly authorization: string | undefined;
  /** What no message may hold. */
  readonly secrets: readonly string[];
}

export interface Reading {
  readonly credentials: Credentials;
  /** What could not be used, in whose place `last` stays in use. */
  readonly faults: readonly string[];
}

/** Times that a certificate and key are read anew where there is nothing else to use, and the pause. */
const ATTEMPTS = 5;
const PAUSE = 200;

/**
 * Reads everything. A part that cannot be used is taken from `last`; without one that is a
 * {@link ConfigError}. `plugin`: what the credential plugin answered.
 */
export async function readCredentials(
  config: ClientConfig,
  { last, plugin }: {
    readonly last?: Credentials | undefined;
    readonly plugin?: ExecCredentials | undefined;
  },
): Promise<Reading> {
  const faults: string[] = [];
  const part = async <T>(read: () => Promise<T>, before: T | undefined): Promise<T> => {
    try {
      return await read();
    } catch (error) {
      const fault = asConfigError(error);
      if (before === undefined) throw fault;
      faults.push(`${describeError(fault)}; what was read before stays in use`);
      return before;
    }
  };
  const ca = await part(() => readAuthority(config.ca), last?.ca);
  const identity = await part(
    () => readIdentity(config, { plugin, isFirst: last?.identity === undefined }),
    last?.identity,
  );
  const authorization = await part(() => authorize(config, plugin), last?.authorization);
  return {
    credentials: { ca, identity, authorization, secrets: secretsIn(config, authorization) },
    faults,
  };
}

/** Do both say the same? */
export function equalCredentials(a: Credentials, b: Credentials): boolean {
  return a.authorization === b.authorization && equalCertificates(a, b);
}

/** Can connections of the one serve the other? */
export function equalCertificates(a: Credentials, b: Credentials): boolean {
  return a.ca === b.ca && a.identity?.cert === b.identity?.cert &&
    a.identity?.key === b.identity?.key;
}

function asConfigError(error: unknown): ConfigError {
  if (error instanceof ConfigError) return error;
  if (error instanceof CertificateFault) return new ConfigError(error.message);
  throw error;
}

async function readAuthority(ca: Material | undefined): Promise<string | undefined> {
  if (!ca) return undefined;
  const what = nameOf("the certificate authority", ca);
  return certificatesIn(await readMaterial(ca, "the certificate authority"), what).join("");
}

async function readIdentity(
  { identity, exec }: ClientConfig,
  { plugin, isFirst }: { readonly plugin: ExecCredentials | undefined; readonly isFirst: boolean },
): Promise<KeyPair | undefined> {
  if (!identity) {
    if (!plugin?.identity) return undefined;
    const of = `of ${exec?.command ?? "the plugin"}`;
    return checkKeyPair(plugin.identity, { cert: `the certificate ${of}`, key: `the key ${of}` });
  }
  const { certificate, key } = identity;
  const names = {
    cert: nameOf("the client certificate", certificate),
    key: nameOf("the client key", key),
  };
  for (let attempt = 1;; attempt++) {
    try {
      const pair = await readTogether({
        cert: () => readMaterial(certificate, "the client certificate"),
        key: () => readMaterial(key, "the client key"),
      });
      return checkKeyPair(pair, names);
    } catch (error) {
      // They may be replaced right now, one after the other.
      const mayChange = isFirst && ("path" in certificate || "path" in key);
      if (!mayChange || attempt === ATTEMPTS || !(error instanceof CertificateFault)) throw error;
      await sleep(PAUSE);
    }
  }
}

/** The text; throws {@link ConfigError} where a file cannot be read. */
async function readMaterial(material: Material, what: string): Promise<string> {
  if ("text" in material) return material.text;
  try {
    return await readText(material.path);
  } catch (cause) {
    throw new ConfigError(`${what} in ${material.path} cannot be read`, { cause });
  }
}

function nameOf(what: string, material: Material): string {
  return "path" in material ? `${what} in ${material.path}` : `${what} of the kubeconfig`;
}

async function authorize(
  { authorization }: ClientConfig,
  plugin: ExecCredentials | undefined,
): Promise<string | undefined> {
  if (!authorization) {
    return plugin?.token === undefined
      ? undefined
      : bearer(plugin.token, "the token of the plugin");
  }
  if ("username" in authorization) {
    const { username, password } = authorization;
    return `Basic ${new TextEncoder().encode(`${username}:${password}`).toBase64()}`;
  }
  return await currentToken(authorization);
}

async function currentToken(
  { token, tokenFile }: { readonly token?: string; readonly tokenFile?: string },
): Promise<string | undefined> {
  const inline = token === undefined ? undefined : bearer(token, "the token of the kubeconfig");
  if (tokenFile === undefined) return inline;
  const what = `the token in ${tokenFile}`;
  try {
    const text = (await readText(tokenFile)).trim();
    if (text !== "") return bearer(text, what);
  } catch (cause) {
    if (inline !== undefined) return inline;
    if (cause instanceof ConfigError) throw cause;
    throw new ConfigError(`${what} cannot be read`, { cause });
  }
  if (inline === undefined) throw new ConfigError(`the token file ${tokenFile} is empty`);
  return inline;
}

/** RFC 6750 allows less; a header takes no more. */
function bearer(token: string, what: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return `Bearer ${token}`;
  throw new ConfigError(
    `${what} holds a space, a line break or another character that no token has`,
  );
}

function secretsIn(
  { authorization: given }: ClientConfig,
  authorization: string | undefined,
): string[] {
  const password = given && "password" in given ? [given.password] : [];
  const value = authorization?.slice(authorization.indexOf(" ") + 1);
  return [...password, ...value === undefined ? [] : [value]].filter(({ length }) => length > 3);
}
