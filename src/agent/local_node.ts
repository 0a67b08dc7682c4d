/** The node this agent stands for, as the mesh shall see it. */

import type { Node } from "../mesh/node.ts";
import type { Strings } from "../mesh/object.ts";
import { parseNode } from "../mesh/read_node.ts";

/**
 * The Node as its object says, but with the annotations it shall have: whether they have reached
 * the object yet makes no difference here.
 */
export function localNode(node: Node, annotations: Strings): Node {
  const object = { metadata: { name: node.name, annotations } };
  const { node: published } = parseNode(object, { topologyLabel: "" });
  return { ...published, location: node.location, ...node.subnet && { subnet: node.subnet } };
}
