import assert from "node:assert/strict";
import { ConfigError } from "../../../src/kubernetes/error.ts";
import { checkCertificates, checkPrivateKey } from "../../../src/kubernetes/pem.ts";

/** A DER sequence of so many bytes that mean nothing. */
function der(length: number): Uint8Array {
  const header = length < 128 ? [0x30, length] : [0x30, 0x82, length >> 8, length & 0xff];
  return new Uint8Array([...header, ...new Uint8Array(length)]);
}

function pem(label: string, bytes: Uint8Array): string {
  const lines = bytes.toBase64().replace(/.{64}/g, "$&\n");
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}

Deno.test("checkCertificates() takes one or more certificates with other text around them", () => {
  checkCertificates(pem("CERTIFICATE", der(40)), "it");
  const two = `issuer: x\n${pem("CERTIFICATE", der(700))}\n${pem("CERTIFICATE", der(300))}`;
  checkCertificates(two.replaceAll("\n", "\r\n"), "it");
});

Deno.test("checkCertificates() names what is garbage, other, cut or damaged", () => {
  const whole = pem("CERTIFICATE", der(700));
  const broken = ["", "garbage", pem("PUBLIC KEY", der(40)), whole.slice(0, 200)];
  for (const text of broken) {
    assert.throws(
      () => checkCertificates(text, "the CA in /x"),
      /^ConfigError: the CA in \/x holds no/,
    );
  }
  const cut = pem("CERTIFICATE", der(700).subarray(0, 600));
  for (const text of [cut, whole.replace("AAA", "A*A"), `${whole}${cut}`]) {
    assert.throws(() => checkCertificates(text, "the CA in /x"), /^ConfigError: .* damaged/);
  }
});

Deno.test("checkPrivateKey() takes keys of all kinds but encrypted ones", () => {
  for (const kind of ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"]) {
    checkPrivateKey(pem(kind, der(300)), "it");
  }
  assert.throws(() => checkPrivateKey(pem("CERTIFICATE", der(40)), "it"), ConfigError);
  assert.throws(() => checkPrivateKey(pem("ENCRYPTED PRIVATE KEY", der(40)), "it"), /encrypted/);
  assert.throws(() => checkPrivateKey(pem("PRIVATE KEY", der(40).subarray(1)), "it"), /damaged/);
});
