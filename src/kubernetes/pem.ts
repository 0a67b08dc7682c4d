/**
 * Is this text really PEM (RFC 7468) of certificates or a private key? Deno takes garbage for an
 * empty list of certificates, and would only say later that the server is not to be trusted.
 */

import { ConfigError } from "./error.ts";

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/g;

/** Throws {@link ConfigError} unless there are certificates and each can be one; `what` names them. */
export function checkCertificates(text: string, what: string): void {
  const blocks = blocksOf(text).filter(({ label }) => label === "CERTIFICATE");
  if (blocks.length === 0) throw new ConfigError(`${what} holds no PEM certificate`);
  if (!blocks.every(({ body }) => isSequence(body))) {
    throw new ConfigError(`${what} holds a damaged PEM certificate`);
  }
}

/** Throws {@link ConfigError} unless there is a private key that needs no password. */
export function checkPrivateKey(text: string, what: string): void {
  const keys = blocksOf(text).filter(({ label }) => /(^| )PRIVATE KEY$/.test(label));
  if (keys.length === 0) throw new ConfigError(`${what} holds no PEM private key`);
  if (keys.some(({ label }) => label.startsWith("ENCRYPTED")) || text.includes("Proc-Type:")) {
    throw new ConfigError(`${what} is an encrypted key, which cannot be used`);
  }
  if (!keys.every(({ body }) => isSequence(body))) {
    throw new ConfigError(`${what} holds a damaged PEM private key`);
  }
}

function blocksOf(text: string): { label: string; body: string }[] {
  return [...text.matchAll(BLOCK)].map(([, label, body]) => ({ label: label!, body: body! }));
}

/** Is it base64 of one DER sequence of exactly the length it says (X.690, 8.1.3)? */
function isSequence(base64: string): boolean {
  let der: Uint8Array;
  try {
    der = Uint8Array.fromBase64(base64);
  } catch {
    return false;
  }
  const [tag = 0, first = 0] = der;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  let length = lengthBytes === 0 ? first : 0;
  for (const byte of der.subarray(2, 2 + lengthBytes)) length = length * 256 + byte;
  return tag === 0x30 && der.length === 2 + lengthBytes + length;
}
