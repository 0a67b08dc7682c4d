import assert from "node:assert/strict";
import { execute } from "../../../src/cli/command.ts";
import { KG } from "../../../src/cli/commands.ts";
import { configOf, parseKubeconfig } from "../../../src/kubernetes/kubeconfig.ts";

const KUBELET = `apiVersion: v1
kind: Config
clusters:
- name: local
  cluster:
    server: https://127.0.0.1:6443
    certificate-authority: /elsewhere
`;

async function kubeconfig(...args: string[]) {
  const seen = { out: "", error: "" };
  const code = await execute(KG, ["kubeconfig", ...args], {
    out: (text) => seen.out += `${text}\n`,
    error: (text) => seen.error += `${text}\n`,
  });
  return { code, ...seen };
}

Deno.test("kg kubeconfig takes the server of the kubelet's, and names CA and token as files", async () => {
  const path = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${path}/kubelet.kubeconfig`, KUBELET);
    const { code, out } = await kubeconfig(`--server-from=${path}/kubelet.kubeconfig`);
    assert.equal(code, 0);
    assert.match(out, /server: https:\/\/127\.0\.0\.1:6443\n/);
    assert.match(out, /certificate-authority: \/var\/lib\/rancher\/k3s\/agent\/server-ca\.crt\n/);
    assert.match(out, /tokenFile: \/var\/run\/secrets\/kubernetes\.io\/serviceaccount\/token\n/);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});

Deno.test("kg kubeconfig writes a file for its owner alone, which kg itself can read", async () => {
  const path = await Deno.makeTempDir();
  try {
    const output = `${path}/kubeconfig`;
    await Deno.writeTextFile(`${path}/token`, "t0ken");
    await Deno.writeTextFile(`${path}/ca.crt`, "a certificate");
    const { code, out } = await kubeconfig(
      `--certificate-authority=${path}/ca.crt`,
      ...["--server", "http://127.0.0.1:1", `--token-file=${path}/token`, `--output=${output}`],
    );
    assert.deepEqual([code, out], [0, ""]);
    assert.equal((await Deno.stat(output)).mode! & 0o777, 0o600);
    const text = await Deno.readTextFile(output);
    assert.ok(!text.includes("t0ken"));
    assert.equal(
      configOf(parseKubeconfig(text, output), undefined).server.href,
      "http://127.0.0.1:1/",
    );
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});

Deno.test("kg kubeconfig says which file names no server", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, "clusters: []");
    const { code, error } = await kubeconfig("--server-from", path);
    assert.deepEqual([code, error], [1, `Error: ${path} names no server\n`]);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("kg kubeconfig quotes nothing of a kubeconfig that is broken", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, `${KUBELET}users:\n- user:\n    token: s3cret\n   broken\n`);
    const { code, error } = await kubeconfig("--server-from", path);
    assert.match(error, new RegExp(`^Error: ${path} is not YAML: .* in line \\d+\n$`));
    assert.deepEqual([code, error.includes("s3cret")], [1, false]);
  } finally {
    await Deno.remove(path);
  }
});
