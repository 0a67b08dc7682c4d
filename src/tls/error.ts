/** A certificate or private key cannot be used. The message names it, and holds nothing of a key. */
export class CertificateFault extends Error {
  override readonly name = "CertificateFault";
}
