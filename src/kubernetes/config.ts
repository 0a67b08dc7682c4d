/** How to reach an API server, and as whom. */

import { ConfigError } from "./error.ts";
import type { ExecConfig } from "./exec.ts";
import { isLoopback } from "./proxy.ts";

/** Text that stands in the configuration, or in a file that is read again when it may have changed. */
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
  /** A program that prints a token, or a certificate and key, where these are not given. */
  readonly exec?: ExecConfig;
  /** Goes before the proxies that the environment names. */
  readonly proxy?: string;
}

/** What decides whether a server without a scheme is talked to in clear. */
export interface Protection {
  /** There is a certificate authority or a client certificate. */
  readonly hasCertificates: boolean;
  /** There is a token, a password or a plugin. */
  readonly hasCredentials: boolean;
}

const UNPROTECTED: Protection = { hasCertificates: false, hasCredentials: false };

/**
 * A server as people write it: a URL, `host` or `host:port`; throws {@link ConfigError}. Without a
 * scheme it is `https` where there are certificates, as in client-go, and also where credentials
 * would leave this machine.
 */
export function parseServer(
  text: string,
  what: string,
  { hasCertificates, hasCredentials }: Protection = UNPROTECTED,
): URL {
  const hasScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
  const url = URL.parse(hasScheme ? text : `http://${text}`);
  if (!url || !/^https?:$/.test(url.protocol) || url.hostname === "") {
    throw new ConfigError(`${what}${shown(text)} is not the URL of an API server`);
  }
  if (url.username !== "" || url.password !== "") {
    throw new ConfigError(`${what} has a password in it, which does not belong into a URL`);
  }
  if (!hasScheme && (hasCertificates || hasCredentials && !isLoopback(url.hostname))) {
    return parseServer(`https://${text}`, what);
  }
  url.pathname = url.pathname.replace(/\/*$/, "/");
  url.search = url.hash = "";
  return url;
}

/** For a message: nothing of a text that may hold a password. */
export function shown(text: string): string {
  return /[@?#]/.test(text) ? "" : ` ${JSON.stringify(text)}`;
}
