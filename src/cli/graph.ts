import { graph as drawing } from "../mesh/graph.ts";
import { command } from "./command.ts";
import { MESH_FLAGS, readMesh } from "./mesh.ts";

export const graph = command({
  name: "graph",
  summary: "Print the mesh as a graph in Graphviz' DOT language.",
  flags: MESH_FLAGS,
  usageOnError: true,
  startsPrograms: true,
  run: async (values, { output }) => {
    const { topology } = await readMesh(values, { output });
    output.out(drawing(topology));
  },
});
