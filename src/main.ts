import process from "node:process";
import { execute } from "./cli/command.ts";
import { programCalled } from "./cli/commands.ts";

// Deno's own execPath() is the file itself, where a link to it counts here.
if (import.meta.main) Deno.exit(await execute(programCalled(process.argv0), Deno.args));
