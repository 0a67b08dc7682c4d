/**
 * Certificates and private keys as PEM (RFC 7468). Deno takes garbage for an empty list of
 * certificates, and would only say later that the server is not to be trusted.
 */

import { CertificateFault } from "./error.ts";

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/g;

/** The certificates in a text, each as PEM; `what` names the text. Throws {@link CertificateFault}. */
export function certificatesIn(text: string, what: string): string[] {
  const blocks = blocksOf(text).filter(({ label }) => label === "CERTIFICATE");
  if (blocks.length === 0) throw nothingFound(text, { what, kind: "certificate" });
  if (!blocks.every(({ body }) => isSequence(body))) {
    throw new CertificateFault(`${what} holds a damaged PEM certificate`);
  }
  return blocks.map(({ pem }) => pem);
}

/**
 * The first private key in a text, as PEM: it is the one that counts, as in Go. Throws
 * {@link CertificateFault} unless there is one that needs no password.
 */
export function privateKeyIn(text: string, what: string): string {
  const [key] = blocksOf(text).filter(({ label }) => /(^| )PRIVATE KEY$/.test(label));
  if (key?.label.startsWith("ENCRYPTED") || text.includes("Proc-Type:")) {
    throw new CertificateFault(
      `${what} is an encrypted key, which cannot be used: decrypt it with \`openssl pkey\``,
    );
  }
  if (!key) throw nothingFound(text, { what, kind: "private key" });
  if (!isSequence(key.body)) throw new CertificateFault(`${what} holds a damaged PEM private key`);
  return key.pem;
}

function nothingFound(
  text: string,
  { what, kind }: { readonly what: string; readonly kind: "certificate" | "private key" },
): CertificateFault {
  if (text.trim() === "") return new CertificateFault(`${what} is empty`);
  // What is no UTF-8 was decoded to U+FFFD, and DER begins with the tag of a sequence.
  const command = kind === "certificate" ? "x509" : "pkey";
  const hint = text.startsWith("0") && text.includes("\ufffd")
    ? `: it looks like DER, convert it with \`openssl ${command} -inform der\``
    : "";
  return new CertificateFault(`${what} holds no PEM ${kind}${hint}`);
}

interface Block {
  readonly label: string;
  readonly body: string;
  readonly pem: string;
}

function blocksOf(text: string): Block[] {
  return [...text.matchAll(BLOCK)].map(([pem, label, body]) => ({
    label: label!,
    body: body!,
    pem: `${pem}\n`,
  }));
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
