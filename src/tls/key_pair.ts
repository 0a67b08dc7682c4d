/** A certificate with its private key, checked before the runtime gets it. */

import { CertificateFault } from "./error.ts";
import { certificatesIn, privateKeyIn } from "./pem.ts";

/** Both in PEM: the certificate with those that lead to its authority, and one key. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** What to call the two in messages, such as `the client key in /pki/me.key`. */
export interface KeyPairNames {
  readonly cert: string;
  readonly key: string;
}

/** Times that a pair is read which is another one each time. */
const MOST_ATTEMPTS = 5;

/**
 * The pair as the runtime takes it. Throws a {@link CertificateFault} for what it does not take: a
 * client with such a pair is a panic of Deno, which ends the process.
 */
export function checkKeyPair({ cert, key }: KeyPair, names: KeyPairNames): KeyPair {
  const pair = {
    cert: certificatesIn(cert, names.cert).join(""),
    key: privateKeyIn(key, names.key),
  };
  try {
    // A server reads a pair with the code that a client has, and refuses it with an error.
    Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...pair }).close();
  } catch (error) {
    const fault = explain(error instanceof Error ? error.message : "", names);
    if (fault !== undefined) throw new CertificateFault(fault);
    // There is no loopback address or no descriptor left: nothing is known of the pair.
    throw new CertificateFault(`${names.cert} and ${names.key} cannot be checked now`);
  }
  return pair;
}

/** Reads both as they are at one time: they may be replaced one after the other. */
export async function readTogether(
  read: { readonly cert: () => Promise<string>; readonly key: () => Promise<string> },
): Promise<KeyPair> {
  let key = await read.key();
  for (let attempt = 1;; attempt++) {
    const cert = await read.cert();
    const keyNow = await read.key();
    if (keyNow === key || attempt === MOST_ATTEMPTS) return { cert, key: keyNow };
    key = keyNow;
  }
}

/** Of the runtime's words only those that are known are passed on: no one knows what else they hold. */
function explain(message: string, { cert, key }: KeyPairNames): string | undefined {
  if (/KeyMismatch|not be consistent/.test(message)) {
    return `${key} does not belong to ${cert}`;
  }
  if (message.includes("UnsupportedCertVersion")) {
    return `${cert} is an X.509 certificate of version 1, which cannot be used: make one of ` +
      "version 3 (with `openssl x509 -req`, give it extensions by -extfile)";
  }
  if (/parse private key|decode key|keys found/i.test(message)) {
    return `${key} is of a kind that cannot be used: take RSA from 2048 bits, ECDSA on P-256, ` +
      "P-384 or P-521, or Ed25519";
  }
  if (/peer certificate|decode certificate|certificates found/i.test(message)) {
    return `${cert} is damaged`;
  }
  return undefined;
}
