/** Which of the discovered endpoints are published where there are more than an annotation may hold. */

import { type Members, MOST_BYTES, mostUseful } from "../mesh/discover.ts";
import type { DiscoveredEndpoints } from "../mesh/node.ts";
import { ANNOTATIONS, type Strings } from "../mesh/object.ts";
import type { DeviceState } from "../net/device.ts";
import { type Warning, warning } from "../net/warning.ts";

/** Bytes of an entry, at most: a key, an IPv6 address, a port. */
const LONGEST_ENTRY = 120;

/** Bytes for what our other annotations may still become. */
const RESERVE = 4096;

/** Milliseconds for which a choice stands: with thousands of Peers somebody always shakes hands. */
const PERIOD = 30_000;

export class EndpointChoice {
  #keys: ReadonlySet<string> | undefined;
  #chosenAt = -Infinity;
  #omitted = 0;

  /**
   * As many as fit. `room`: bytes that our annotations may have in all; `now`: monotonic, in
   * milliseconds.
   */
  choose(
    endpoints: DiscoveredEndpoints,
    { mesh, device, own, room, now }: {
      readonly mesh: () => Members;
      readonly device: DeviceState | undefined;
      readonly own: Strings;
      readonly room: number;
      readonly now: number;
    },
  ): DiscoveredEndpoints {
    const bytes = Math.min(MOST_BYTES, room - bytesOf(own) - RESERVE);
    if (endpoints.size * LONGEST_ENTRY <= bytes || !device) {
      this.#omitted = 0;
      return endpoints;
    }
    if (!this.#keys || now - this.#chosenAt >= PERIOD) {
      this.#keys = mostUseful(endpoints, { mesh: mesh(), device, bytes });
      this.#chosenAt = now;
    }
    const keys = this.#keys;
    const chosen = new Map([...endpoints].filter(([key]) => keys.has(key)));
    const omitted = endpoints.size - chosen.size;
    // Each other number is another warning: this one changes with every Peer that comes and goes.
    if (Math.abs(omitted - this.#omitted) > this.#omitted / 20) this.#omitted = omitted;
    return chosen;
  }

  get warnings(): readonly Warning[] {
    if (this.#omitted === 0) return [];
    const text =
      `${this.#omitted} discovered endpoints are left out of the own Node's annotations, ` +
      "which cannot hold more: others know these Peers by their declared endpoints only";
    return [warning("node", "discovered endpoints", text)];
  }
}

/** Of all of them but that one. */
function bytesOf(annotations: Strings): number {
  let bytes = 0;
  for (const [name, text] of Object.entries(annotations)) {
    if (name !== ANNOTATIONS.discoveredEndpoints) bytes += name.length + text.length * 3;
  }
  return bytes;
}
