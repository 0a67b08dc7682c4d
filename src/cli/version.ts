import { command } from "./command.ts";

export const VERSION = "0.1.0";

export const version = command({
  name: "version",
  summary: "Print the version.",
  flags: {},
  run: () => console.log(VERSION),
});
