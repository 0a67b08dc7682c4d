import assert from "node:assert/strict";
import { isRoot } from "../../tools/provision.ts";
import { Namespace } from "../lab/namespace.ts";
import { ADMIN_TOKEN, ApiServer } from "./api_server.ts";
import { Gateway } from "./gateway.ts";

const ADDRESS = "192.0.2.1";

Deno.test({
  name: "openDoor() lets a network namespace reach the API server, while that runs",
  ignore: !isRoot(),
  fn: async () => {
    await using resources = new AsyncDisposableStack();
    const server = resources.use(await ApiServer.start({ addresses: [ADDRESS] }));
    const namespace = await Namespace.open("k8s", `ip address add ${ADDRESS} dev lo`);
    resources.defer(() => Namespace.end([namespace]));
    const door = resources.use(server.openDoor(namespace.pid, ADDRESS));
    const gateway = resources.use(
      await Gateway.open(server, { pid: namespace.pid, hostname: ADDRESS }),
    );

    /** Asked from inside, as the administrator. */
    const names = async (url: string) => {
      const kubeconfig = await server.writeKubeconfig("inside", { token: ADMIN_TOKEN }, {
        server: url,
      });
      return await namespace.exec([
        ...server.kubectlCommand(kubeconfig),
        "get",
        "namespaces",
        "-o",
        "name",
      ]);
    };
    assert.match(await names(door.url), /^namespace\/kube-system$/m);
    assert.match(await names(gateway.url), /^namespace\/kube-system$/m);
    assert.equal(gateway.count(/namespaces/), 1);
    await server.halt();
    await assert.rejects(names(door.url), /refused/);
    await server.resume();
    assert.match(await names(door.url), /^namespace\/kube-system$/m);
  },
});
