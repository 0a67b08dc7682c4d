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
  ): Promise<IssuedFiles> {
    const extensions = ["basicConstraints=CA:FALSE"];
    if (names.length > 0) extensions.push(`subjectAltName=${names.join(",")}`);
    await openssl(this.directory, [
      ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(" "),
      ...`-CA ca.crt -CAkey ca.key -keyout ${name}.key -out ${name}.crt`.split(" "),
      ...["-subj", subject],
      ...extensions.flatMap((extension) => ["-addext", extension]),
    ]);
    return this.#files(name);
  }

  /** As {@link issue}, for a client; it expires at this time, which may be past. */
  async issueUntil(
    name: string,
    { subject, end }: { subject: string; end: Date },
  ): Promise<IssuedFiles> {
    const { directory } = this;
    const request = `req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes`;
    const files = `-keyout ${name}.key -out ${name}.csr -config /dev/null`;
    await openssl(directory, [...`${request} ${files} -subj`.split(" "), subject]);
    const config = `[ca]\ndefault_ca = d\n[d]\ndatabase = index\nserial = serial\n` +
      `new_certs_dir = .\ndefault_md = sha256\npolicy = p\nx509_extensions = e\nunique_subject = no\n` +
      `[p]\ncommonName = supplied\norganizationName = optional\n[e]\nbasicConstraints = CA:FALSE\n`;
    await Deno.writeTextFile(`${directory}/ca.conf`, config);
    await Deno.writeTextFile(`${directory}/index`, "", { append: true });
    const dates = `-startdate 20200101000000Z -enddate ${asn1Time(end)}`;
    const args =
      `ca -config ca.conf -batch -notext -rand_serial ${dates} -cert ca.crt -keyfile ca.key`;
    await openssl(directory, `${args} -in ${name}.csr -out ${name}.crt`.split(" "));
    return this.#files(name);
  }

  #files(name: string): IssuedFiles {
    const path = `${this.directory}/${name}`;
    return { certificate: `${path}.crt`, key: `${path}.key` };
  }
}

/** Paths. */
export interface IssuedFiles {
  readonly certificate: string;
  readonly key: string;
}

/** YYYYMMDDHHMMSSZ. */
function asn1Time(time: Date): string {
  return time.toISOString().replace(/[-:T]|\.\d+/g, "");
}

async function openssl(directory: string, args: readonly string[]): Promise<void> {
  await run(["openssl", ...args], { cwd: directory });
}
