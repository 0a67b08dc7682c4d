import assert from "node:assert/strict";
import type { ExecConfig } from "../../../src/kubernetes/exec.ts";
import { Transport } from "../../../src/kubernetes/transport.ts";
import { settle } from "../../fake_clock.ts";

Deno.test("Transport asks a plugin once again, however many requests the server refused", async () => {
  let calls = 0;
  const exec: ExecConfig = {
    ...{ where: "user", apiVersion: "client.authentication.k8s.io/v1", command: "plugin" },
    ...{
      args: [],
      env: {},
      interactiveMode: "Never" as const,
      installHint: undefined,
      cluster: undefined,
    },
  };
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const plugin = async () => {
    if (++calls > 1) await released;
    return { token: `token-${calls}`, identity: undefined, expires: undefined };
  };
  using transport = await Transport.open(
    { server: new URL("https://127.0.0.1:1"), exec },
    { plugin },
  );
  const refused = await transport.session();
  const first = transport.session({ refused });
  await settle();
  const second = transport.session({ refused }); // while the plugin is asked for the first
  await settle();
  release();
  const next = await Promise.all([first, second]);
  assert.equal(calls, 2);
  for (const { authorization } of next) assert.equal(authorization, "Bearer token-2");
});
