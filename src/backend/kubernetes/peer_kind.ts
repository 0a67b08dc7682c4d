/** Does the cluster know Peers at all? Their CustomResourceDefinition may be installed after us. */

import { Backoff } from "../../async/backoff.ts";
import { sleep } from "../../async/sleep.ts";
import type { Client } from "../../kubernetes/client.ts";
import { StatusError } from "../../kubernetes/error.ts";
import { requestedPause, RETRY_BACKOFF } from "../../kubernetes/retry_after.ts";
import { describeError } from "../../net/text.ts";
import type { Problem } from "../backend.ts";
import { warning } from "../../net/warning.ts";

const NAME = "peers.kilo.squat.ai";
const PATH = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${NAME}`;

/** Milliseconds between polls while there is none. */
const PERIOD = 5000;

/**
 * Asks until it is there, or Peers were listed anyway; `report` takes what stands in the way, at last
 * that nothing does.
 */
export async function waitForPeerKind(
  client: Client,
  { signal, isListed, report }: {
    readonly signal: AbortSignal;
    readonly isListed: () => boolean;
    readonly report: (problem: Problem | undefined) => void;
  },
): Promise<void> {
  const backoff = new Backoff(RETRY_BACKOFF);
  const start = performance.now();
  while (!signal.aborted) {
    try {
      await client.get(PATH, { accept: "metadata", signal });
      return report(undefined);
    } catch (error) {
      if (signal.aborted || isListed()) return;
      const isMissing = error instanceof StatusError && error.isNotFound;
      const text = isMissing
        ? missing(performance.now() - start)
        : `whether there can be Peers is not known yet: ${describeError(error)}`;
      report({ ...warning("backend", NAME, text), isOutage: true });
      const pause = isMissing ? PERIOD : backoff.next({ atLeast: requestedPause(error) });
      await sleep(pause, { signal });
    }
  }
}

/** Another text each minute, so that it is logged each minute. */
function missing(milliseconds: number): string {
  const minutes = Math.floor(milliseconds / 60_000);
  const since = minutes === 0 ? "" : `, for ${minutes} min by now`;
  return `the CustomResourceDefinition ${NAME} is not installed yet${since}`;
}
