/** What the built agent does before it knows all it must know. */

import assert from "node:assert/strict";
import { build } from "../../tools/build.ts";
import { isRoot } from "../../tools/provision.ts";
import { Agent } from "../lab/agent.ts";
import { Namespace } from "../lab/namespace.ts";
import { waitFor } from "../lab/wait.ts";
import { ADMIN_TOKEN, ApiServer } from "./api_server.ts";
import { node } from "./objects.ts";

const ADDRESS = "192.0.2.1";

Deno.test({
  name: "the CNI configuration is written as soon as there is a pod CIDR, Peers or not",
  ignore: !isRoot(),
  fn: async () => {
    await using resources = new AsyncDisposableStack();
    const kg = await build();
    const server = resources.use(await ApiServer.start({ addresses: [ADDRESS] }));
    const setup = `ip address add ${ADDRESS} dev lo\nmount -t tmpfs tmpfs /var/lib`;
    const namespace = await Namespace.open("early", setup);
    resources.defer(() => Namespace.end([namespace]));
    const door = resources.use(server.openDoor(namespace.pid, ADDRESS));
    const user = { token: ADMIN_TOKEN };
    const kubeconfig = await server.writeKubeconfig("inside", user, { server: door.url });
    await server.kubectl(["apply", "-f", "-"], [node("a")]);

    const cniPath = `${server.directory}/cni/10-kilo.conflist`;
    const agent = Agent.start(namespace, [
      ...[kg, "--hostname=a", "--kubeconfig", kubeconfig, "--cni-path", cniPath],
      "--create-interface=false",
    ], { logFile: `${server.directory}/agent.log` });
    resources.defer(() => void agent.kill("SIGKILL"));
    const said = (text: string) => agent.log.some(({ msg }) => msg.includes(text));
    await waitFor("the warning", () => said("peers.kilo.squat.ai is not installed yet"));
    await server.kubectl(["patch", "node", "a", "-p", '{"spec":{"podCIDR":"10.42.7.0/24"}}']);
    const list = await waitFor("the CNI configuration", () => Deno.readTextFile(cniPath));
    assert.equal(JSON.parse(list).plugins[0].ipam.ranges[0][0].subnet, "10.42.7.0/24");
    assert.equal(await namespace.exec(["nft", "list", "tables"]), "", "nothing else is done");
    assert.equal((await agent.stop()).code, 0);
  },
});
