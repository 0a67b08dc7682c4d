import { runAgent } from "../agent/agent.ts";
import { command } from "./command.ts";
import { KG_FLAGS, kgOptions } from "./kg_flags.ts";

export const run = command({
  name: "kg",
  summary: "Kilo's node agent: builds this node's part of the WireGuard mesh and keeps it.",
  flags: KG_FLAGS,
  run: (values) => runAgent(kgOptions(values)),
});
