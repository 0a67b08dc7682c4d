/** Keys and certificates for a test's API server and those who talk to it. */

import { run } from "../../tools/command.ts";

/** One authority, in a directory of its own. */
export class Authority {
  private constructor(readonly directory: string) {}

  /** Makes `ca.crt` and `ca.key`. */
  static async create(directory: string): Promise<Authority> {
    await openssl(directory, [
      ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(" "),
      ..."-keyout ca.key -out ca.crt -subj /CN=kg-test -addext".split(" "),
      "keyUsage=critical,keyCertSign",
    ]);
    return new Authority(directory);
  }

  get certificate(): string {
    return `${this.directory}/ca.crt`;
  }

  /** Makes `NAME.crt` and `NAME.key`; `names` (`DNS:localhost`, `IP:::1`) are for a server. */
  async issue(
    name: string,
    { subject, names = [] }: { readonly subject: string; readonly names?: readonly string[] },
  ): Promise<{ certificate: string; key: string }> {
    const extensions = ["basicConstraints=CA:FALSE"];
    if (names.length > 0) extensions.push(`subjectAltName=${names.join(",")}`);
    await openssl(this.directory, [
      ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(" "),
      ...`-CA ca.crt -CAkey ca.key -keyout ${name}.key -out ${name}.crt`.split(" "),
      ...["-subj", subject],
      ...extensions.flatMap((extension) => ["-addext", extension]),
    ]);
    const path = `${this.directory}/${name}`;
    return { certificate: `${path}.crt`, key: `${path}.key` };
  }
}

async function openssl(directory: string, args: readonly string[]): Promise<void> {
  await run(["openssl", ...args], { cwd: directory });
}
