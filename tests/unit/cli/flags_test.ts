import assert from "node:assert/strict";
import { boolean, cidrs, duration, integer, parseDuration, text } from "../../../src/cli/flag.ts";
import { describeFlags, parseFlags, UsageError } from "../../../src/cli/flags.ts";
import { formatPrefix } from "../../../src/net/prefix.ts";

const FLAGS = {
  "cni": boolean(true, { help: "manage CNI" }),
  "version": boolean(false, { letter: "v", help: "print the version" }),
  "output": text("wireguard", { letter: "o", placeholder: "format", help: "how to print" }),
  "allowed-ips": cidrs({ help: "more to reach" }),
  "port": integer(51820, { min: 1, max: 65535, help: "UDP port" }),
  "resync-period": duration("30s", { help: "how often" }),
};

const read = (...args: string[]) => parseFlags(args, FLAGS);

Deno.test("parseFlags() takes the initial values when nothing is given", () => {
  const { values, args, help, errors } = read();
  assert.deepEqual(values, {
    cni: true,
    version: false,
    output: "wireguard",
    allowedIps: [],
    port: 51820,
    resyncPeriod: 30_000,
  });
  assert.deepEqual([args, help, errors.size], [[], false, 0]);
});

Deno.test("parseFlags() reads every spelling of a long flag", () => {
  for (const args of [["--port", "7"], ["--port=7"], ["-port", "7"], ["-port=7"]]) {
    assert.equal(read(...args).values.port, 7, args.join(" "));
  }
});

Deno.test("parseFlags() reads every spelling of a letter", () => {
  for (const args of [["-o", "yaml"], ["-oyaml"], ["-o=yaml"], ["-output", "yaml"]]) {
    assert.equal(read(...args).values.output, "yaml", args.join(" "));
  }
  assert.equal(read("-v").values.version, true);
  assert.equal(read("-v=false").values.version, false);
  const both = read("-voyaml").values;
  assert.deepEqual([both.version, both.output], [true, "yaml"]);
});

Deno.test("parseFlags() takes a boolean's value only when it is attached", () => {
  const { values, args } = read("--cni", "false");
  assert.deepEqual([values.cni, args], [true, ["false"]]);
  for (const word of ["0", "f", "F", "false", "FALSE", "False"]) {
    assert.equal(read(`--cni=${word}`).values.cni, false, word);
  }
  for (const word of ["1", "t", "T", "true", "TRUE", "True"]) {
    assert.equal(read(`--cni=${word}`).values.cni, true, word);
  }
  for (const word of ["yes", "tRUE", ""]) {
    assert.match(read(`--cni=${word}`).errors.get("cni")!.message, /invalid argument/);
  }
});

Deno.test("parseFlags() lets lists repeat and splits them on commas", () => {
  const { values } = read("--allowed-ips=10.0.0.7/8,fd00::/64", "--allowed-ips", "192.168.0.0/16");
  assert.deepEqual(values.allowedIps.map(formatPrefix), [
    "10.0.0.0/8",
    "fd00::/64",
    "192.168.0.0/16",
  ]);
  assert.deepEqual(read("--allowed-ips=").values.allowedIps, []);
});

Deno.test("parseFlags() keeps the last of a repeated flag and takes any text as a value", () => {
  assert.equal(read("--port=1", "--port=2").values.port, 2);
  assert.equal(read("--output", "--cni").values.output, "--cni");
  assert.equal(read("--output=a=b").values.output, "a=b");
});

Deno.test("parseFlags() stops reading flags at --", () => {
  const { values, args } = read("a", "--", "--cni=false", "-");
  assert.deepEqual([values.cni, args], [true, ["a", "--cni=false", "-"]]);
});

Deno.test("parseFlags() asks for nothing else once help is asked for", () => {
  for (const word of ["-h", "--help", "-help"]) {
    assert.equal(read("--port=x", word, "--nonsense").help, true, word);
  }
});

Deno.test("parseFlags() refuses what it does not know, naming it", () => {
  const refused: [string[], RegExp][] = [
    [["--nonsense"], /^unknown flag: --nonsense$/],
    [["--nonsense=1"], /^unknown flag: --nonsense$/],
    [["--por", "1"], /^unknown flag: --por$/],
    [["-x"], /^unknown shorthand flag: 'x' in -x$/],
    [["--port"], /^flag needs an argument: --port$/],
    [["-o"], /^flag needs an argument: -o$/],
    [["---port=1"], /^bad flag syntax: ---port=1$/],
    [["--a\nb"], /^unknown flag: --a\\nb$/],
    [["--=1"], /^bad flag syntax: --=1$/],
    [["--constructor"], /^unknown flag: --constructor$/],
  ];
  for (const [args, message] of refused) {
    assert.throws(() => read(...args), (error) => {
      assert(error instanceof UsageError);
      assert.match(error.message, message);
      return true;
    });
  }
});

Deno.test("parseFlags() names flag and value of what it cannot read, in one line", () => {
  const error = read("--port=70000").errors.get("port");
  assert.equal(
    error?.message,
    'invalid argument "70000" for "--port" flag: a number from 1 to 65535 is expected',
  );
  assert.match(
    read("--allowed-ips=10.0.0.0/8, ::/0").errors.get("allowed-ips")!.message,
    /" ::\/0"/,
  );
  assert(!read("--port=1\n2").errors.get("port")!.message.includes("\n"));
});

Deno.test("integer() reads Go's notations", () => {
  const good: Record<string, number> = {
    "51820": 51820,
    "0xCA6C": 51820,
    "+5": 5,
    "010": 8,
    "0o10": 8,
    "0b11": 3,
  };
  for (const [text, value] of Object.entries(good)) {
    assert.equal(read(`--port=${text}`).values.port, value, text);
  }
  for (const text of ["", "0", "-1", "1.5", " 5", "08", "0x", "65536", "1e3"]) {
    assert(read(`--port=${text}`).errors.has("port"), text);
  }
});

Deno.test("parseDuration() reads Go's durations", () => {
  const good: Record<string, number> = {
    "30s": 30_000,
    "1m30s": 90_000,
    "1.5h": 5_400_000,
    "500ms": 500,
    ".5s": 500,
    "1.s": 1000,
    "1h0m1s": 3_601_000,
    "2000us": 2,
    "2000µs": 2,
    "0": 0,
    "-1s": -1000,
  };
  for (const [text, value] of Object.entries(good)) assert.equal(parseDuration(text), value, text);
  for (const text of ["", "30", "s", "1 s", "1d", "1S", ".s", "1s ", "00"]) {
    assert.equal(parseDuration(text), undefined, text);
  }
});

Deno.test("duration() refuses no time and what is longer than a timer can wait ends there", () => {
  for (const text of ["0", "0s", "-1s", "1us", "30"]) {
    assert(read(`--resync-period=${text}`).errors.has("resync-period"), text);
  }
  assert.equal(read("--resync-period=10000h").values.resyncPeriod, 2 ** 31 - 1);
});

Deno.test("describeFlags() gives each flag a line with its letter, value and default", () => {
  const lines = describeFlags(FLAGS).split("\n");
  assert(
    lines.includes("      --port number              UDP port (default 51820)"),
    lines.join("\n"),
  );
  assert(lines.includes("  -v, --version                  print the version"));
  assert(lines.includes("  -h, --help                     show this text"));
});
