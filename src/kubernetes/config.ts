/** How to reach an API server, and as whom. */

import { ConfigError } from "./error.ts";

/** Text that stands in the configuration, or in a file that is read anew for each connection. */
export type Material = { readonly text: string } | { readonly path: string };

export type Authorization =
  /** A file beats a text, as long as it can be read. */
  | { readonly token?: string; readonly tokenFile?: string }
  | { readonly username: string; readonly password: string };

export interface ClientConfig {
  /** Base URL; a path in it comes before all others. */
  readonly server: URL;
  /** Certificates of who may vouch for the server, in PEM, besides those the system trusts. */
  readonly ca?: Material;
  /** The certificate and key that prove who we are, in PEM. */
  readonly identity?: { readonly certificate: Material; readonly key: Material };
  readonly authorization?: Authorization;
  /** Goes before the proxies that the environment names. */
  readonly proxy?: string;
}

/** The text; throws {@link ConfigError} where a file cannot be read. */
export async function readMaterial(material: Material, what: string): Promise<string> {
  if ("text" in material) return material.text;
  try {
    return await Deno.readTextFile(material.path);
  } catch (cause) {
    throw new ConfigError(`${what} in ${material.path} cannot be read`, { cause });
  }
}

/** A server as people write it: `host`, `host:port`, or a URL; throws {@link ConfigError}. */
export function parseServer(text: string, what: string): URL {
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`);
  if (!url || !/^https?:$/.test(url.protocol) || url.hostname === "") {
    throw new ConfigError(`${what} ${JSON.stringify(text)} is not the URL of an API server`);
  }
  if (url.username !== "" || url.password !== "") {
    throw new ConfigError(`${what} has a password in it, which does not belong into a URL`);
  }
  url.pathname = url.pathname.replace(/\/*$/, "/");
  url.search = url.hash = "";
  return url;
}
