/** The mesh as people see it in a terminal. */

import { formatEndpoint } from "../src/net/endpoint.ts";
import { formatIP } from "../src/net/ip.ts";
import { formatPrefix } from "../src/net/prefix.ts";
import type { Segment, Topology } from "../src/mesh/topology.ts";
import { bold, cyan, dim, displayWidth, yellow } from "./terminal.ts";

interface Row {
  readonly cells: readonly string[];
  /** Does it hold a tunnel to each other such row? */
  readonly tunnels: boolean;
}

/**
 * A line for each node and Peer. Those at the rail have a WireGuard tunnel to each other one there;
 * the other nodes are reached through the leader (◆) of their location.
 */
export function drawMesh({ segments, peers }: Topology): string {
  const rows: Row[] = [
    ...segments.flatMap(segmentRows),
    ...peers.map(({ name, allowedIPs }) => ({
      cells: ["", `${yellow("◇")} ${bold(name)}`, allowedIPs.map(formatPrefix).join(" "), "", ""],
      tunnels: true,
    })),
  ];
  const head = ["location", "  node", "pods", "WireGuard", "endpoint"].map(dim);
  const widths = head.map((_, at) =>
    Math.max(...[head, ...rows.map(({ cells }) => cells)].map((cells) => displayWidth(cells[at]!)))
  );
  const line = (cells: readonly string[]) =>
    cells.map((cell, at) => cell + " ".repeat(widths[at]! - displayWidth(cell))).join("  ");
  const ends = rows.flatMap(({ tunnels }, at) => tunnels ? [at] : []);
  return [
    line(head),
    ...rows.map((row, at) => `${line(row.cells)} ${cyan(rail(at, row, ends))}`),
  ].map((text) => `  ${text}`.trimEnd()).join("\n");
}

function segmentRows({ location, nodes, leader, endpoint, wireGuardIP }: Segment): Row[] {
  const name = location.replace(/^[a-z]+:/, "");
  return nodes.toSorted((a, b) => Number(b === leader) - Number(a === leader)).map((node, at) => {
    const leads = node === leader;
    const nat = node.persistentKeepalive === 0 ? "" : dim(" (NAT)");
    return {
      cells: [
        at === 0 ? name : "",
        `${leads ? cyan("◆") : dim("○")} ${bold(node.name)}`,
        formatPrefix(node.subnet),
        leads ? formatIP(wireGuardIP) : "",
        leads ? formatEndpoint(endpoint) + nat : "",
      ],
      tunnels: leads,
    };
  });
}

/** The piece of the rail beside a row; `ends` are the rows that are tied to it. */
function rail(at: number, { tunnels }: Row, ends: readonly number[]): string {
  const [first, last] = [ends[0]!, ends.at(-1)!];
  if (first === last || at < first || at > last) return "";
  if (!tunnels) return "  ┃";
  return at === first ? "━━┓" : at === last ? "━━┛" : "━━┫";
}
