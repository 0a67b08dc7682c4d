import assert from "node:assert/strict";
import { CertificateFault } from "../../../src/tls/error.ts";
import { certificatesIn, privateKeyIn } from "../../../src/tls/pem.ts";

/** A DER sequence of so many bytes that mean nothing. */
function der(length: number): Uint8Array {
  const header = length < 128 ? [0x30, length] : [0x30, 0x82, length >> 8, length & 0xff];
  return new Uint8Array([...header, ...new Uint8Array(length)]);
}

function pem(label: string, bytes: Uint8Array): string {
  const lines = bytes.toBase64().replace(/.{64}/g, "$&\n");
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}

Deno.test("certificatesIn() takes one or more certificates with other text around them", () => {
  certificatesIn(pem("CERTIFICATE", der(40)), "it");
  const noted = certificatesIn(`issuer: x\n${pem("CERTIFICATE", der(40))}`, "it");
  assert.deepEqual(noted, [pem("CERTIFICATE", der(40))]);
  const two = `issuer: x\n${pem("CERTIFICATE", der(700))}\n${pem("CERTIFICATE", der(300))}`;
  certificatesIn(two.replaceAll("\n", "\r\n"), "it");
});

Deno.test("certificatesIn() names what is garbage, other, cut or damaged", () => {
  const whole = pem("CERTIFICATE", der(700));
  assert.throws(() => certificatesIn(" \n", "the CA"), /^CertificateFault: the CA is empty$/);
  const binary = new TextDecoder().decode(der(700));
  assert.throws(() => certificatesIn(binary, "it"), /looks like DER.*`openssl x509 -inform der`/);
  const broken = ["garbage", pem("PUBLIC KEY", der(40)), whole.slice(0, 200)];
  for (const text of broken) {
    assert.throws(
      () => certificatesIn(text, "the CA in /x"),
      /^CertificateFault: the CA in \/x holds no/,
    );
  }
  const cut = pem("CERTIFICATE", der(700).subarray(0, 600));
  for (const text of [cut, whole.replace("AAA", "A*A"), `${whole}${cut}`]) {
    assert.throws(() => certificatesIn(text, "the CA in /x"), /^CertificateFault: .* damaged/);
  }
});

Deno.test("privateKeyIn() takes keys of all kinds but encrypted ones", () => {
  for (const kind of ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"]) {
    privateKeyIn(pem(kind, der(300)), "it");
  }
  const [first, second] = [pem("PRIVATE KEY", der(40)), pem("EC PRIVATE KEY", der(50))];
  assert.equal(privateKeyIn(`${first}${second}`, "it"), first, "of several the first counts");
  assert.throws(() => privateKeyIn(pem("CERTIFICATE", der(40)), "it"), CertificateFault);
  assert.throws(() => privateKeyIn(pem("ENCRYPTED PRIVATE KEY", der(40)), "it"), /encrypted/);
  assert.throws(() => privateKeyIn(pem("PRIVATE KEY", der(40).subarray(1)), "it"), /damaged/);
});
