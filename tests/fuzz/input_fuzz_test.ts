/**
 * What people and other machines write, damaged at random, through everything that reads it: all
 * that may happen is one clear error. `INPUT_FUZZ_SEED` repeats a run.
 */

import { ok } from "node:assert/strict";
import { updateConflist } from "../../src/agent/cni.ts";
import { withoutKeys } from "../../src/net/text.ts";
import { assemble, NOTHING } from "../../src/backend/file/assemble.ts";
import { findJSONError } from "../../src/backend/file/json_error.ts";
import { ManifestError } from "../../src/backend/file/manifest.ts";
import { type FileContent, readContent } from "../../src/backend/file/objects.ts";
import { parseFlags, UsageError } from "../../src/cli/flags.ts";
import { KG_FLAGS, kgOptions } from "../../src/cli/kg_flags.ts";
import { parseHosts } from "../../src/dns/hosts.ts";
import { encodeQuestion } from "../../src/dns/message.ts";
import { parseResolvConf } from "../../src/dns/resolv_conf.ts";
import { candidates } from "../../src/dns/resolver.ts";
import { review, ReviewError } from "../../src/http/review.ts";
import { HttpError } from "../../src/http/server/message.ts";
import { parseRequestHead } from "../../src/http/server/request_head.ts";
import { ANNOTATIONS } from "../../src/mesh/object.ts";
import { NOTHING_PUBLISHED, parsePublished, publish } from "../../src/mesh/publish.ts";
import { parseNode } from "../../src/mesh/read_node.ts";
import { parseKey } from "../../src/net/key.ts";
import { parsePrefix } from "../../src/net/prefix.ts";

const KEY = "9GzWJHTLWNSIRIQ3BIEYCmMPBoJOBjDhr4GNMdGpYAE=";
const SEED = Number(Deno.env.get("INPUT_FUZZ_SEED") ?? Date.now()) >>> 0 || 1;

/** xorshift32: small, fast, repeatable. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const SCRAPS = [
  ..."\0\n\t \"'{}[]:,-=/|&*!#%@`~?<>\\^$+.0199",
  ...["null", "true", "1e999", "-1", "0x", "::", "1.2.3.4", "/33", "---\n", "- ", "\ud800", "é"],
  ...["__proto__", "constructor", "\u2028", "9".repeat(40), "a".repeat(300), "[".repeat(50)],
  ...["&a [*a]", "!!binary", "<<: ", "--", "-o", "--cni=", "kind: List\n", '"items":'],
];

/** The text with a few pieces taken out, doubled, moved or put in. */
function damage(text: string, below: (below: number) => number): string {
  for (let times = below(4) + 1; times > 0; times--) {
    const from = below(text.length + 1), to = Math.min(text.length, from + below(8));
    const piece = [text.slice(from, to).repeat(2), "", SCRAPS[below(SCRAPS.length)]!][below(3)]!;
    const end = below(6) === 0 ? from : to;
    text = text.slice(0, from) + piece + text.slice(end);
  }
  return text;
}

/** Runs `read` on damaged text; says how to repeat it when something else than an error comes out. */
function fuzz(
  name: string,
  { texts, cases, read }: {
    texts: readonly string[];
    cases: number;
    read: (text: string) => void;
  },
): void {
  Deno.test(name, () => {
    const below = random(SEED);
    for (let at = 0; at < cases; at++) {
      const text = damage(texts[at % texts.length]!, below);
      try {
        read(text);
      } catch (error) {
        const context = `case ${at} of INPUT_FUZZ_SEED=${SEED}: ${JSON.stringify(text)}`;
        throw new Error(context, { cause: error });
      }
    }
  });
}

/** It is one of these errors, with one line that says something, and no key once it is logged. */
function checkError(error: unknown, types: readonly (new (...args: never[]) => Error)[]): void {
  ok(types.some((type) => error instanceof type), `${error}`);
  checkMessage((error as Error).message);
}

function checkMessage(message: string): void {
  ok(message.length > 5 && message.length < 4000, message);
  ok(!message.includes("\n"), message);
  ok(!withoutKeys(message).includes(KEY), message);
}

fuzz("parseFlags() survives damaged command lines", {
  cases: 40_000,
  texts: [
    "--backend=file|--backend-path|/d|-mtu|1420|--cni=false|--port=0xca6c",
    "-v|--resync-period=1m30s|--internal-cidr=10.0.0.0/8,fd00::/8|--subnet|10.4.0.0/16|--",
    "--interface=kilo0|--listen=[::1]:1107|--log-level|debug|--compatibility=flannel|x|-h",
  ],
  read(text) {
    try {
      const { values, errors } = parseFlags(text.split("|"), KG_FLAGS);
      for (const error of errors.values()) checkError(error, [UsageError]);
      kgOptions(values, { nodeName: undefined, hostname: "h" });
    } catch (error) {
      ok(error instanceof UsageError, `${error}`);
      ok(error.message !== "" && !error.message.includes("\n"), error.message);
    }
  },
});

const NODE = {
  apiVersion: "v1",
  kind: "Node",
  metadata: {
    name: "n",
    labels: { zone: "a" },
    annotations: {
      [ANNOTATIONS.endpoint]: "203.0.113.1:51820",
      [ANNOTATIONS.internalIP]: "10.0.0.1/24",
      [ANNOTATIONS.key]: KEY,
      [ANNOTATIONS.lastSeen]: "1700000000",
    },
  },
  spec: { podCIDR: "10.42.0.0/24" },
};
const PEER = {
  apiVersion: "kilo.squat.ai/v1alpha1",
  kind: "Peer",
  metadata: { name: "p" },
  spec: {
    allowedIPs: ["10.5.0.1/32", "fd00::1/128"],
    endpoint: { dnsOrIP: { dns: "vpn.example", ip: "203.0.113.2" }, port: 51820 },
    persistentKeepalive: 10,
    presharedKey: KEY,
    publicKey: KEY,
  },
};
const LIST = JSON.stringify({ kind: "List", items: [NODE, PEER] }, null, 1);
const YAML = `
apiVersion: v1
kind: Node
metadata:
  name: n
  annotations: { ${ANNOTATIONS.location}: "a", ${ANNOTATIONS.leader}: "" }
---
apiVersion: kilo.squat.ai/v1alpha1
kind: Peer
metadata: {name: p}
spec:
  allowedIPs:
  - 10.5.0.1/32
  publicKey: ${KEY}
`;

let last: FileContent | undefined;

/** Reads a file whose content was another before, and all that follows from it. */
function readManifest(path: string, text: string): void {
  try {
    last = readContent(text, { path, topologyLabel: "zone", last });
  } catch (error) {
    checkError(error, [ManifestError]);
    return;
  }
  for (const problem of last.problems) checkMessage(problem.text);
  const files = { manifests: [[path, last]] as const, statusOf: () => undefined, problems: [] };
  const cluster = assemble(files, { hostname: "n", topologyLabel: "zone", last: NOTHING });
  for (const problem of cluster.problems) checkMessage(problem.text);
}

fuzz("readContent() survives damaged YAML", {
  cases: 15_000,
  texts: [YAML],
  read: (text) => readManifest("/d/a.yaml", text),
});

fuzz("readContent() survives damaged JSON", {
  cases: 20_000,
  texts: [LIST, JSON.stringify(PEER), JSON.stringify(NODE)],
  read: (text) => readManifest("/d/a.json", text),
});

fuzz("findJSONError() finds an error exactly where JSON.parse() does", {
  cases: 20_000,
  texts: [LIST, '[1, -2.5e3, {"a": null}]', '"\\u00e9"'],
  read(text) {
    try {
      JSON.parse(text);
    } catch (error) {
      const { line } = findJSONError(text);
      const said = /\(line (\d+) column/.exec((error as Error).message)?.[1];
      ok(said === undefined || Number(said) === line, `line ${line}: ${error}`);
      const lines = text.split("\n").length;
      ok(line >= 1 && line <= lines, `${line} of ${lines}`);
    }
  },
});

const subnet = parsePrefix("10.42.1.0/24")!;
const CONFLIST = updateConflist(undefined, { subnet, mtu: 1420 });

fuzz("updateConflist() survives damaged lists, and its answer is one it is content with", {
  cases: 20_000,
  texts: CONFLIST.kind === "write"
    ? [CONFLIST.text, CONFLIST.text.replaceAll(".1.0/", ".2.0/")]
    : [],
  read(text) {
    const update = updateConflist(text, { subnet, mtu: 1420 });
    if (update.kind === "not understood") checkMessage(update.reason);
    if (update.kind !== "write") return;
    const again = updateConflist(update.text, { subnet, mtu: 1420 });
    ok(again.kind === "unchanged", again.kind);
  },
});

const VALUES = [
  "203.0.113.1:51820",
  "[fd00::1]:1",
  "vpn.example:5",
  "10.0.0.1/24",
  "fd00::/64",
  KEY,
  "1700000000",
  "location",
  `{"${KEY}":{"IP":"203.0.113.9","Port":51820,"Zone":""}}`,
  "10.0.0.0/8,192.168.0.0/16",
];

fuzz("parseNode() and publish() survive damaged annotations", {
  cases: 20_000,
  texts: VALUES,
  read(text) {
    const names = Object.values(ANNOTATIONS);
    const annotations = Object.fromEntries(names.map((name) => [name, text]));
    const { warnings } = parseNode({ metadata: { name: "n", annotations } }, {
      topologyLabel: "z",
    });
    for (const warning of warnings) ok(!warning.includes("\n"), warning);
    const own = {
      key: parseKey(KEY)!,
      granularity: "location",
      port: 51820,
      endpointIP: subnet.ip,
      now: 1_700_000_000,
    } as const;
    const options = { published: NOTHING_PUBLISHED, checkIn: false };
    const once = publish(annotations, own, options);
    const twice = publish(once.annotations, own, { ...options, published: once.published });
    ok(Object.keys(twice.patch).length === 0, JSON.stringify(twice.patch));
  },
});

const RESOLV_CONF = "nameserver fe80::1%eth0\nsearch a.b c\noptions ndots:2 timeout:3 rotate\n";

fuzz("parsePublished(), parseHosts() and parseResolvConf() survive damaged files", {
  cases: 20_000,
  texts: [
    '{"endpoint":["1.2.3.4:5"],"internalIP":[""]}',
    "10.0.0.1 a b # c\nfd00::1 a\n",
    RESOLV_CONF,
  ],
  read(text) {
    parsePublished(text);
    parseHosts(text);
    const conf = parseResolvConf(text);
    ok(conf.servers.length > 0 && conf.servers.length <= 3 && conf.timeout >= 1000);
    candidates("a.example", conf).forEach((name) => encodeQuestion({ id: 1, name, type: "A" }));
  },
});

fuzz("review() survives damaged questions", {
  cases: 20_000,
  texts: [JSON.stringify({
    kind: "AdmissionReview",
    apiVersion: "admission.k8s.io/v1",
    request: {
      uid: "705ab4f5-6393-11e8-b7cc-42010a800002",
      operation: "CREATE",
      object: {
        metadata: { name: "p" },
        spec: {
          allowedIPs: ["10.5.0.1/32", "::ffff:10.0.0.1/120"],
          endpoint: { dnsOrIP: { dns: "vpn.example", ip: "fd00::1" }, port: 51820 },
          persistentKeepalive: 25,
          presharedKey: KEY,
          publicKey: KEY,
        },
      },
    },
  })],
  read(text) {
    try {
      const { allowed, status } = review(text).answer.response;
      ok(allowed === (status === undefined));
      if (status) checkMessage(status.message);
    } catch (error) {
      checkError(error, [ReviewError]);
    }
  },
});

fuzz("parseRequestHead() survives damaged heads", {
  cases: 20_000,
  texts: [
    "GET /graph?format=svg&layout=%E0%A4%A HTTP/1.1\r\nHost: node:1107\r\nAccept: */*",
    "POST http://node/validate HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 7",
    "OPTIONS * HTTP/1.0\r\nConnection: close, x\r\nTransfer-Encoding: chunked",
  ],
  read(text) {
    try {
      const { path, body } = parseRequestHead(text);
      ok(path.startsWith("/") || path === "*");
      ok(body === "chunked" || Number.isSafeInteger(body.length) && body.length >= 0);
    } catch (error) {
      checkError(error, [HttpError]);
    }
  },
});
