import { boolean } from "./flag.ts";
import { command } from "./command.ts";

export const VERSION = "0.1.0";

export const version = command({
  name: "version",
  summary: "Print the version.",
  flags: {
    "licenses": boolean(false, { help: "print the licences of all that this program file holds" }),
  },
  run: async ({ licenses }, { output }) => output.out(licenses ? await readLicenses() : VERSION),
});

/** The text that the build embeds beside the program's modules. */
async function readLicenses(): Promise<string> {
  if (!Deno.build.standalone) throw new Error("the licences are in the built program only");
  const packed = await Deno.readFile(new URL("./licenses.gz", import.meta.url));
  const text = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return (await new Response(text).text()).trimEnd();
}
