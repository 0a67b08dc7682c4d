/** A certificate and its private key in files, which somebody renews now and then. */

import { describeError } from "../../net/text.ts";
import { checkKeyPair, type KeyPair, readTogether } from "../../tls/key_pair.ts";

/** Both in PEM. */
export type Certificate = KeyPair;

export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** They cannot be read, or are no certificate with its key; the message names the files. */
export class CertificateError extends Error {
  override readonly name = "CertificateError";

  constructor({ certFile, keyFile }: CertificateFiles, cause: unknown) {
    const files = `the certificate ${certFile} with the key ${keyFile}`;
    super(`${files} cannot be used: ${describeError(cause)}`, { cause });
  }
}

/** What the files hold now; `last` if that is the same. Rejects with a {@link CertificateError}. */
export async function readCertificate(
  files: CertificateFiles,
  last?: Certificate,
): Promise<Certificate> {
  try {
    const pair = await readTogether({
      cert: () => Deno.readTextFile(files.certFile),
      key: () => Deno.readTextFile(files.keyFile),
    });
    if (last && pair.cert === last.cert && pair.key === last.key) return last;
    checkKeyPair(pair, { cert: "the certificate", key: "the key" });
    return pair;
  } catch (error) {
    throw new CertificateError(files, error);
  }
}
