import { execute } from "./cli/command.ts";
import { KG } from "./cli/commands.ts";

if (import.meta.main) Deno.exit(await execute(KG, Deno.args));
