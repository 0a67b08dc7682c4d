import assert from "node:assert/strict";
import { parseFlags } from "../../../src/cli/flags.ts";
import { chooseKubeconfig } from "../../../src/cli/kubeconfig.ts";
import { MESH_FLAGS } from "../../../src/cli/mesh.ts";

/** What the arguments and the environment choose. */
function choose(args: readonly string[], environment: Readonly<Record<string, string>>) {
  const { values } = parseFlags(args, MESH_FLAGS);
  return chooseKubeconfig(values.kubeconfig, (name) => environment[name]);
}

Deno.test("chooseKubeconfig() takes the flag before everything else, an empty one for a pod's", () => {
  const environment = { KUBECONFIG: import.meta.filename!, HOME: "/home/me" };
  assert.equal(choose(["--kubeconfig=/etc/k"], environment), "/etc/k");
  assert.equal(choose(["-kubeconfig", "k"], environment), "k");
  assert.equal(choose(["--kubeconfig="], environment), undefined);
  assert.equal(choose(["--kubeconfig", ""], environment), undefined);
});

Deno.test("chooseKubeconfig() takes the list in $KUBECONFIG if anything of it is there", async () => {
  const there = await Deno.makeTempFile();
  try {
    const HOME = "/home/me";
    const choice = (KUBECONFIG: string) => choose([], { KUBECONFIG, HOME });
    assert.deepEqual(choice(there), [there]);
    assert.deepEqual(choice(`:/no/such:${there}:`), ["/no/such", there]);
    assert.deepEqual(choice(`${there}/file-is-no-directory`), [`${there}/file-is-no-directory`]);
    assert.deepEqual(choice("/no/such"), ["/no/such", "/home/me/.kube/config"]);
    assert.deepEqual(choice(""), ["/home/me/.kube/config"]);
  } finally {
    await Deno.remove(there);
  }
});

Deno.test("chooseKubeconfig() takes the home directory's without $KUBECONFIG", () => {
  assert.deepEqual(choose([], { HOME: "/home/me" }), ["/home/me/.kube/config"]);
  assert.deepEqual(choose([], {}), ["~/.kube/config"]);
});
