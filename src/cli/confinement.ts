/** What a command may do is less than what the program may. */

import type { Program } from "./command.ts";

/**
 * The program whose commands give up starting other programs before they do anything, unless
 * they say that they need it (`startsPrograms`).
 */
export function confined(program: Program): Program {
  return {
    ...program,
    selected: ({ startsPrograms }) => {
      if (!startsPrograms) Deno.permissions.revokeSync({ name: "run" });
    },
  };
}
