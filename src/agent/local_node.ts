/** The node this agent stands for, as the mesh shall see it. */

import type { DiscoveredEndpoints, Node } from "../mesh/node.ts";
import type { Strings } from "../mesh/object.ts";
import { parseNode } from "../mesh/read_node.ts";

/**
 * The Node as its object says, but with the annotations it shall have: whether they have reached
 * the object yet makes no difference here. What it discovered counts before it is published.
 */
export function localNode(
  node: Node,
  shall: { readonly annotations: Strings; readonly discoveredEndpoints: DiscoveredEndpoints },
): Node {
  const { annotations, discoveredEndpoints } = shall;
  const { node: published } = parseNode(
    { metadata: { name: node.name, annotations } },
    { topologyLabel: "" },
  );
  return {
    ...published,
    location: node.location,
    ...node.subnet && { subnet: node.subnet },
    discoveredEndpoints,
  };
}
