/** Which of its addresses a node has chosen, and the text in which that is remembered over a restart. */

import { formatIP, type IP, parseIP } from "../net/ip.ts";

/** They stay as long as the host has them and there is nothing better. */
export interface Chosen {
  readonly endpointIP?: IP;
  readonly internalIP?: IP;
}

/** As JSON, for {@link parseChosen}. */
export function formatChosen({ endpointIP, internalIP }: Chosen): string {
  return JSON.stringify({
    ...endpointIP && { endpointIP: formatIP(endpointIP) },
    ...internalIP && { internalIP: formatIP(internalIP) },
  });
}

/** Undefined if the text is something else than {@link formatChosen} writes. */
export function parseChosen(text: string): Chosen | undefined {
  try {
    const { endpointIP, internalIP } = JSON.parse(text);
    return {
      ...endpointIP !== undefined && { endpointIP: readIP(endpointIP) },
      ...internalIP !== undefined && { internalIP: readIP(internalIP) },
    };
  } catch {
    return undefined;
  }
}

function readIP(text: unknown): IP {
  const ip = typeof text === "string" ? parseIP(text) : undefined;
  if (!ip) throw new TypeError(`${text} is no address`);
  return ip;
}
