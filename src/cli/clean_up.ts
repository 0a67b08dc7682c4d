import { cleanUpNode } from "../agent/agent.ts";
import { command } from "./command.ts";
import { KG_FLAGS, kgOptions } from "./kg_flags.ts";

export const cleanUp = command({
  name: "clean-up",
  summary: "Undo everything kg did to this node, its interface and annotations included.",
  flags: KG_FLAGS,
  run: (values) => cleanUpNode(kgOptions(values)),
});
