import assert from "node:assert/strict";
import { explainPeerFault } from "../../../src/tls/peer_fault.ts";

const SERVER = "https://10.0.0.1:6443";

function explained(reason: string, { hasAuthority = true } = {}): string | undefined {
  const message = `client error (Connect): invalid peer certificate: ${reason}`;
  return explainPeerFault(message, { server: SERVER, hasAuthority });
}

Deno.test("explainPeerFault() says what is wrong with a server's certificate and what helps", () => {
  const cases: readonly (readonly [string | undefined, RegExp])[] = [
    [explained("Other(OtherError(CaUsedAsEndEntity))"), /CA:TRUE.*`openssl req -x509 .*CA:FALSE/],
    [explained("UnknownIssuer"), /give the certificate of the CA that signed it, not the server's/],
    [explained("UnknownIssuer", { hasAuthority: false }), /give certificate-authority in/],
    [explained("Other(OtherError(UnsupportedCertVersion))"), /version 1.*`openssl req -x509/],
    [explained('certificate not valid for name "x"'), /subjectAltName must be what stands in/],
    [explained("Expired"), /is not valid: Expired$/],
  ];
  for (const [text, expected] of cases) {
    assert.match(text ?? "", expected);
    assert.match(text ?? "", /^the certificate of https:\/\/10\.0\.0\.1:6443 /);
    assert.doesNotMatch(text ?? "", /\n/);
  }
  const refused = "client error (Connect): tcp connect error: Connection refused";
  assert.equal(explainPeerFault(refused, { server: SERVER, hasAuthority: true }), undefined);
});
