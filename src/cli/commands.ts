/** Everything `kg` can do: a row a command. */

import { cleanUp } from "./clean_up.ts";
import type { Program } from "./command.ts";
import { run } from "./run.ts";
import { VERSION, version } from "./version.ts";

export const KG: Program = {
  root: run,
  version: VERSION,
  commands: [
    version,
    cleanUp,
  ],
};
