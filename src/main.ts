import process from "node:process";
import { execute } from "./cli/command.ts";
import { programCalled } from "./cli/commands.ts";
import { confined } from "./cli/confinement.ts";

if (import.meta.main) {
  // Deno's own execPath() is the file itself, where a link to it counts here.
  const program = confined(programCalled(process.argv0));
  Deno.exit(await execute(program, Deno.args));
}
