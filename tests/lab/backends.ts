/** One test, run on each backend there is. */

import { hasApiServerProgram } from "../k8s/program.ts";
import { Cluster } from "./cluster.ts";
import { FILES } from "./directory.ts";
import type { Backend } from "./objects.ts";

type Test<B extends Backend> = (context: Deno.TestContext, backend: B) => Promise<void>;

interface Options {
  readonly ignore?: boolean;
}

const hasApiServer = await hasApiServerProgram();
/** The one of this file of tests, if it needs one. */
let shared: Cluster | undefined;
let isExpected = false;

/**
 * The test with its objects in files, and with them on a real API server, one for all tests of a
 * file; that one is skipped where the program for it has not been built, which `./denow task test`
 * sees to where it can be done.
 */
export function onEachBackend(
  name: string,
  test: Test<Backend>,
  { ignore = false }: Options = {},
): void {
  if (!isExpected && hasApiServer) {
    isExpected = true;
    Deno.test.beforeAll(async () => {
      shared = await Cluster.start();
    });
    Deno.test.afterAll(() => shared?.[Symbol.asyncDispose]());
  }
  Deno.test({ name: `${name} (file)`, ignore, fn: (context) => test(context, FILES) });
  Deno.test({
    name: `${name} (kubernetes)`,
    ignore: ignore || !hasApiServer,
    fn: (context) => test(context, shared!),
  });
}

/** The test on an API server of its own, with which it may do what it likes; or skipped, as above. */
export function onOwnCluster(name: string, test: Test<Cluster>): void {
  Deno.test({
    name,
    ignore: !hasApiServer,
    fn: async (context) => {
      await using cluster = await Cluster.start();
      await test(context, cluster);
    },
  });
}
