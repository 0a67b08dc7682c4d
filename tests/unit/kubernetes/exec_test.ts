import assert from "node:assert/strict";
import { ConfigError } from "../../../src/kubernetes/error.ts";
import { type ExecConfig, execInfo, parseExecCredential } from "../../../src/kubernetes/exec.ts";

const CONFIG: ExecConfig = {
  where: 'config: user "me"',
  apiVersion: "client.authentication.k8s.io/v1",
  command: "plugin",
  args: [],
  env: {},
  interactiveMode: "Never",
  installHint: undefined,
  cluster: undefined,
};

function printed(status: unknown, more: Readonly<Record<string, unknown>> = {}): string {
  const { apiVersion } = CONFIG;
  return JSON.stringify({ kind: "ExecCredential", apiVersion, status, ...more });
}

Deno.test("execInfo() tells a plugin its version, the cluster and whether it may ask", () => {
  assert.deepEqual(JSON.parse(execInfo(CONFIG, { interactive: false })), {
    kind: "ExecCredential",
    apiVersion: "client.authentication.k8s.io/v1",
    spec: { interactive: false },
  });
  const cluster = { server: "https://h" };
  const info = JSON.parse(execInfo({ ...CONFIG, cluster }, { interactive: true }));
  assert.deepEqual(info.spec, { interactive: true, cluster });
});

Deno.test("parseExecCredential() takes a token, a certificate with its key, and until when", () => {
  const token = printed({ token: "t", expirationTimestamp: "2026-01-01T00:00:00Z" });
  assert.deepEqual(parseExecCredential(token, CONFIG), {
    token: "t",
    identity: undefined,
    expires: Date.UTC(2026, 0, 1),
  });
  const pair = printed({ clientCertificateData: "C", clientKeyData: "K" });
  assert.deepEqual(parseExecCredential(pair, CONFIG), {
    token: undefined,
    identity: { cert: "C", key: "K" },
    expires: undefined,
  });
});

Deno.test("parseExecCredential() says what is wrong, and nothing of what was printed", () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["s3cret", /no JSON object/],
    ['{"token": "s3cret"', /no JSON object/],
    ['["s3cret"]', /no JSON object/],
    [printed({ token: "s3cret" }, { kind: "s3cret" }), /did not print an ExecCredential/],
    [printed({ token: "s3cret" }, { apiVersion: "s3cret" }), /did not print an ExecCredential/],
    [printed("s3cret"), /no status/],
    [printed({ token: ["s3cret"] }), /a token that is not a string/],
    [printed({ clientKeyData: "s3cret" }), /only one of/],
    [printed({ other: "s3cret" }), /neither a token nor/],
    [printed({ token: "t", expirationTimestamp: "s3cret" }), /no time/],
  ];
  for (const [output, message] of cases) {
    assert.throws(() => parseExecCredential(output, CONFIG), (error) => {
      assert.ok(error instanceof ConfigError, output);
      assert.match(error.message, message);
      assert.match(error.message, /^config: user "me": plugin /);
      assert.doesNotMatch(error.message, /s3cret/);
      return true;
    });
  }
});
