/** A certificate and its private key in files, which somebody renews now and then. */

import { describeError } from "../../net/text.ts";

/** Both in PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

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

/** What the files hold now. Rejects with a {@link CertificateError}. */
export async function readCertificate(files: CertificateFiles): Promise<Certificate> {
  try {
    let key = await Deno.readTextFile(files.keyFile);
    for (;;) {
      const cert = await Deno.readTextFile(files.certFile);
      const keyNow = await Deno.readTextFile(files.keyFile);
      if (keyNow === key) return { cert, key };
      key = keyNow; // both were replaced meanwhile, as a mounted Secret is
    }
  } catch (error) {
    throw new CertificateError(files, error);
  }
}
