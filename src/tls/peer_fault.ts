/** What the runtime (rustls) says of a server's certificate, in words that help. */

/** What is known of whom we trust. */
export interface Trust {
  /** `https://10.0.0.1:6443`. */
  readonly server: string;
  /** Was a certificate authority given? */
  readonly hasAuthority: boolean;
}

/** How to make one that works; certificates of servers need the names or addresses in their URLs. */
const RECIPE = "make one with `openssl req -x509 -newkey rsa:2048 -nodes -keyout server.key " +
  "-out server.crt -subj /CN=kubernetes -addext basicConstraints=critical,CA:FALSE " +
  '-addext "subjectAltName=IP:ADDRESS,DNS:NAME"`, which may also be the certificate-authority';

/** One sentence on what is wrong with the certificate and what to do; undefined: it is not that. */
export function explainPeerFault(
  message: string,
  { server, hasAuthority }: Trust,
): string | undefined {
  const [, reason] = /invalid peer certificate: (.*)/.exec(message) ?? [];
  if (reason === undefined) return undefined;
  const certificate = `the certificate of ${server}`;
  if (reason.includes("CaUsedAsEndEntity")) {
    return `${certificate} is that of a certificate authority (basicConstraints CA:TRUE, as ` +
      `\`openssl req -x509\` makes them), and no server may use one: ${RECIPE}`;
  }
  if (reason.includes("UnknownIssuer")) {
    return hasAuthority
      ? `${certificate} is signed by none of those in certificate-authority: give the certificate ` +
        "of the CA that signed it, not the server's own"
      : `${certificate} is signed by nobody whom this system trusts: give certificate-authority ` +
        "in the kubeconfig";
  }
  if (reason.includes("UnsupportedCertVersion")) {
    return `${certificate} is an X.509 certificate of version 1, which cannot be verified: ${RECIPE}`;
  }
  if (/not valid for (any )?name|NotValidForName/.test(reason)) {
    return `${certificate} is not made for that name or address: one of its subjectAltName must ` +
      "be what stands in the URL";
  }
  return `${certificate} is not valid: ${reason}`;
}
