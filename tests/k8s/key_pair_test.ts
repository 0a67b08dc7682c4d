/** Certificates and keys of all kinds, as openssl makes them: taken, or refused before the runtime panics. */

import assert from "node:assert/strict";
import { CertificateFault } from "../../src/tls/error.ts";
import { checkKeyPair } from "../../src/tls/key_pair.ts";
import { run } from "../../tools/command.ts";

let directory: string;

Deno.test.beforeAll(async () => {
  directory = await Deno.makeTempDir({ prefix: "kg-pairs-" });
});

Deno.test.afterAll(() => Deno.remove(directory, { recursive: true }));

const openssl = (args: string) => run(["openssl", ...args.split(" ")], { cwd: directory });
const text = (name: string) => Deno.readTextFileSync(`${directory}/${name}`);
const NAMES = { cert: "the certificate", key: "the key" };

/** Makes `NAME.key` by this command, and `NAME.crt` for it, signed by itself. */
async function make(name: string, command: string): Promise<void> {
  await openssl(`${command} -out ${name}.key`);
  await openssl(`req -x509 -new -key ${name}.key -days 2 -subj /CN=${name} -out ${name}.crt`);
}

/** A pair that passes is also one that a client can be made with, which would panic otherwise. */
function takes(cert: string, key: string, what: string): void {
  const pair = checkKeyPair({ cert, key }, NAMES);
  Deno.createHttpClient({ ...pair }).close();
  assert.ok(pair.key.includes("PRIVATE KEY"), what);
}

function refuses(cert: string, key: string, expected: RegExp): void {
  assert.throws(() => checkKeyPair({ cert, key }, NAMES), (error) => {
    assert.ok(error instanceof CertificateFault);
    assert.match(error.message, expected);
    for (const line of key.split("\n")) {
      if (line.length > 40) assert.ok(!error.message.includes(line));
    }
    return true;
  });
}

Deno.test("checkKeyPair() takes what the runtime can use, and names what it would panic over", async () => {
  await make("rsa", "genpkey -algorithm rsa -pkeyopt rsa_keygen_bits:2048");
  await make("small", "genpkey -algorithm rsa -pkeyopt rsa_keygen_bits:1024");
  await make("pss", "genpkey -algorithm rsa-pss -pkeyopt rsa_keygen_bits:2048");
  await make("ed", "genpkey -algorithm ed25519");
  await make("ed448", "genpkey -algorithm ed448");
  for (const curve of ["prime256v1", "secp384r1", "secp521r1", "secp256k1"]) {
    await make(curve, `ecparam -name ${curve} -genkey`); // with its parameters before it
  }
  await openssl("rsa -traditional -in rsa.key -out rsa1.key");
  await openssl("pkcs8 -topk8 -nocrypt -in prime256v1.key -out ec8.key");
  for (const name of ["rsa", "ed", "prime256v1", "secp384r1", "secp521r1"]) {
    takes(text(`${name}.crt`), text(`${name}.key`), name);
  }
  takes(text("rsa.crt"), text("rsa1.key"), "PKCS#1");
  takes(text("prime256v1.crt"), text("ec8.key"), "an EC key as PKCS#8");
  takes(text("prime256v1.crt"), text("ec8.key") + text("rsa1.key"), "the first of two keys");
  takes(text("rsa.crt") + text("ed.crt"), text("rsa.key"), "a chain");

  const ours = text("rsa.crt");
  refuses(ours, text("ed.key"), /^the key does not belong to the certificate$/);
  refuses(ours, text("ec8.key") + text("rsa1.key"), /does not belong/);
  refuses(text("ed.crt") + ours, text("rsa.key"), /does not belong/);
  for (const name of ["small", "pss", "ed448", "secp256k1"]) {
    refuses(text(`${name}.crt`), text(`${name}.key`), /the key is of a kind that cannot be used/);
  }
  await openssl("req -new -key rsa.key -subj /CN=v1 -out v1.csr -config /dev/null");
  await openssl("x509 -req -in v1.csr -signkey rsa.key -days 2 -out v1.crt");
  refuses(text("v1.crt"), text("rsa.key"), /the certificate is an X.509 certificate of version 1/);
  await openssl("pkey -in rsa.key -aes128 -passout pass:x -out locked8.key");
  await openssl("rsa -traditional -in rsa.key -aes128 -passout pass:x -out locked1.key");
  refuses(ours, text("locked8.key"), /encrypted key.*`openssl pkey`/);
  refuses(ours, text("locked1.key"), /encrypted key/);
  await openssl("x509 -in rsa.crt -outform der -out rsa.der");
  await openssl("pkey -in rsa.key -outform der -out rsakey.der");
  refuses(text("rsa.der"), text("rsa.key"), /looks like DER.*openssl x509 -inform der/);
  refuses(ours, text("rsakey.der"), /looks like DER.*openssl pkey -inform der/);
  refuses("", text("rsa.key"), /the certificate is empty/);
  refuses(ours, " \n", /the key is empty/);
  refuses(text("rsa.key"), ours, /the certificate holds no PEM certificate/);
  const nonsense = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
  refuses(nonsense, text("rsa.key"), /the certificate is damaged/);
  const noKey = "-----BEGIN PRIVATE KEY-----\nMAMCAQE=\n-----END PRIVATE KEY-----\n";
  refuses(ours, noKey, /the key is of a kind that cannot be used/);
});
