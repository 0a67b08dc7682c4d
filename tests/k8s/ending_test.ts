/**
 * SIGTERM ends the agent within ten seconds, whatever the API server does just then, and whether its
 * annotations can be taken away or not.
 */

import assert from "node:assert/strict";
import { build } from "../../tools/build.ts";
import { isRoot } from "../../tools/provision.ts";
import { Agent } from "../lab/agent.ts";
import { Namespace } from "../lab/namespace.ts";
import { waitFor } from "../lab/wait.ts";
import { ADMIN_TOKEN, ApiServer } from "./api_server.ts";
import { Gateway } from "./gateway.ts";
import { node } from "./objects.ts";

const ADDRESS = "192.0.2.1";
const MANIFESTS = new URL("../../manifests", import.meta.url).pathname;

/** Milliseconds. */
const ENDS_WITHIN = 10_000;

/** A body that brings so many bytes each so often, for ever. */
function endless({ bytes, interval }: { bytes: number; interval: number }): ReadableStream {
  let timer: number | undefined;
  return new ReadableStream({
    pull(controller) {
      return new Promise((resolve) => {
        timer = setTimeout(() => {
          controller.enqueue(new Uint8Array(bytes).fill(0x20));
          resolve();
        }, interval);
      });
    },
    cancel: () => clearTimeout(timer),
  });
}

interface Fault {
  readonly name: string;
  /** What is answered, after a time; `ended`: the agent has. */
  readonly answer?: (ended: Promise<void>) => Response | Promise<Response>;
  /** What is answered comes but once; then all is well, and the annotations can be taken away. */
  readonly isOnce?: true;
  /** Or what happens to packets and processes, until the agent has ended. */
  readonly happen?: (places: { server: ApiServer; namespace: Namespace }) => Promise<void> | void;
}

const answered = () => Promise.resolve(new Response());
const refusal = (status: number) => () =>
  new Response(null, { status, headers: { "retry-after": "3600" } });

const FAULTS: readonly Fault[] = [
  { name: "no headers come", answer: (ended) => ended.then(answered) },
  {
    name: "a body comes byte by byte",
    answer: () => new Response(endless({ bytes: 1, interval: 300 })),
  },
  {
    name: "a body never ends",
    answer: () => new Response(endless({ bytes: 65_536, interval: 1 })),
  },
  {
    name: "a refusal never ends",
    answer: () => new Response(endless({ bytes: 65_536, interval: 1 }), { status: 500 }),
  },
  { name: "it is told to come back in an hour (503)", answer: refusal(503) },
  { name: "it is told to come back in an hour (429)", answer: refusal(429) },
  { name: "it was told so once, and all is well", answer: refusal(503), isOnce: true },
  {
    name: "it is sent elsewhere again and again",
    answer: () => new Response(null, { status: 307, headers: { location: "/" } }),
  },
  { name: "the server is there and does nothing", happen: ({ server }) => server.freeze() },
  {
    name: "packets vanish",
    happen: async ({ namespace }) => {
      await namespace.exec(["nft", "add table inet hole"]);
      await namespace.exec([
        "nft",
        "add chain inet hole in { type filter hook input priority 0; }",
      ]);
      await namespace.exec(["nft", "add rule inet hole in tcp dport 6000-7999 drop"]);
    },
  },
];

/** Has the agent annotate its Node, which is refused, for the last time. */
async function refuseOnce(gateway: Gateway, server: ApiServer): Promise<void> {
  const before = gateway.count(/^PATCH/);
  await server.kubectl(["annotate", "node", "a", "kilo.squat.ai/key-"]);
  await waitFor("the refusal", () => gateway.count(/^PATCH/) > before);
  gateway.spoil = undefined;
}

Deno.test({
  name: "SIGTERM ends the agent within 10 s",
  ignore: !isRoot(),
  fn: async (t) => {
    await using resources = new AsyncDisposableStack();
    const kg = await build();
    const server = resources.use(await ApiServer.start({ addresses: [ADDRESS] }));
    await server.kubectl(["apply", "-f", `${MANIFESTS}/crds.yaml`]);
    await server.kubectl(["wait", "--for=condition=Established", "crd/peers.kilo.squat.ai"]);
    await server.kubectl(["apply", "-f", "-"], [node("a", { podCIDR: "10.42.7.0/24" })]);
    const setup = `ip address add ${ADDRESS} dev lo\nmount -t tmpfs tmpfs /var/lib`;
    for (const [number, { name, answer, isOnce, happen }] of FAULTS.entries()) {
      await t.step(name, async () => {
        const namespace = await Namespace.open(`end${number}`, setup);
        const port = 6443;
        const gateway = await Gateway.open(server, { pid: namespace.pid, hostname: ADDRESS, port });
        const ended = Promise.withResolvers<void>();
        try {
          const user = { token: ADMIN_TOKEN };
          const options = { server: gateway.url };
          const kubeconfig = await server.writeKubeconfig(`end${number}`, user, options);
          const agent = Agent.start(namespace, [
            ...[kg, "--hostname=a", "--kubeconfig", kubeconfig, "--create-interface=false"],
            "--cni=false",
          ], { logFile: `${server.directory}/agent.log` });
          await waitFor("both lists", () => gateway.count(/^GET \/api(s\/kilo.*)?\/.*watch/) >= 2);
          await waitFor("the check-in", () => gateway.count(/^PATCH/) > 0);
          if (answer) gateway.spoil = () => answer(ended.promise);
          if (isOnce) await refuseOnce(gateway, server);
          else gateway.cut();
          await happen?.({ server, namespace });
          const before = performance.now();
          const { code } = await agent.stop();
          const milliseconds = performance.now() - before;
          console.log(`measured: ${name}: ended after ${Math.round(milliseconds)} ms`);
          assert.ok(milliseconds < ENDS_WITHIN, `${milliseconds} ms`);
          assert.equal(code, 0, agent.output);
          if (!isOnce) return;
          const left = await server.kubectl(["get", "node", "a", "-o", "yaml"]);
          assert.doesNotMatch(left, /kilo.squat.ai\/key/);
          assert.doesNotMatch(agent.output, /clean-up: /);
        } finally {
          ended.resolve();
          server.thaw();
          gateway.spoil = undefined;
          await Namespace.end([namespace]);
          await gateway[Symbol.asyncDispose]();
        }
      });
    }
  },
});
