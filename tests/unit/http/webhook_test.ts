import assert from "node:assert/strict";
import { equalJson } from "../../../src/http/equal_json.ts";
import { formatMetrics } from "../../../src/http/metrics/exposition.ts";
import { review, type Reviewed } from "../../../src/http/review.ts";
import { HttpError } from "../../../src/http/server/message.ts";
import { Webhook } from "../../../src/http/webhook.ts";
import { waitFor } from "../../lab/wait.ts";
import { PEER_CASES } from "../../k8s/peer_cases.ts";

const KEY = "jk1ph8d/WBhSbxgUvoIzUOqxOTXzHYRIRRfpJK73iuE=";
const SPEC = { allowedIPs: ["10.5.0.1/32"], publicKey: KEY };
const PEER = {
  apiVersion: "kilo.squat.ai/v1alpha1",
  kind: "Peer",
  metadata: { name: "laptop" },
  spec: SPEC,
};

/** The question whether this may be stored, as the API server puts it. */
function question(
  request: Readonly<Record<string, unknown>> = {},
  fields: Readonly<Record<string, unknown>> = {},
): string {
  return JSON.stringify({
    kind: "AdmissionReview",
    apiVersion: "admission.k8s.io/v1",
    request: {
      uid: "705ab4f5-6393-11e8-b7cc-42010a800002",
      operation: "CREATE",
      name: "laptop",
      object: PEER,
      oldObject: null,
      ...request,
    },
    ...fields,
  });
}

/** A webhook and what it tells of. */
class Seen {
  readonly reviewed: Reviewed[] = [];
  readonly failed: string[] = [];
  trimmed = 0;
  readonly webhook = new Webhook({
    trimMemory: () => void this.trimmed++,
    reviewed: (reviewed) => this.reviewed.push(reviewed),
    failed: (problem) => this.failed.push(problem),
  });

  async ask(
    body: string | HttpError,
    { type = "application/json", method = "POST", path = "/validate" } = {},
  ): Promise<{ status: number; text: string }> {
    const response = await this.webhook.answer({
      ...{ method, path, query: new URLSearchParams("timeout=5s") },
      header: (name) => name === "content-type" ? type : "",
      text: () => body instanceof Error ? Promise.reject(body) : Promise.resolve(body),
    });
    return { status: response.status, text: String(response.body) };
  }

  /** The samples of the metrics, but for those that are zero. */
  async counted(): Promise<string[]> {
    return (await formatMetrics(this.webhook.metrics)).split("\n")
      .filter((line) => line !== "" && !line.startsWith("#") && !line.endsWith(" 0"));
  }
}

Deno.test("answer() allows a valid Peer, in just these words", async () => {
  const seen = new Seen();
  assert.deepEqual(await seen.ask(question()), {
    status: 200,
    text: '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":' +
      '{"uid":"705ab4f5-6393-11e8-b7cc-42010a800002","allowed":true}}',
  });
  assert.deepEqual(await seen.counted(), [
    'admission_requests_total{operation="CREATE",response="allowed"} 1',
    'http_requests_total{handler="/validate",method="POST"} 1',
  ]);
  assert.deepEqual(seen.failed, []);
});

Deno.test("answer() denies an invalid Peer with the first thing that is wrong", async () => {
  const seen = new Seen();
  const object = { ...PEER, spec: { ...SPEC, allowedIPs: ["10.5.0.1"], publicKey: "x" } };
  assert.deepEqual(await seen.ask(question({ object, operation: "UPDATE" })), {
    status: 200,
    text: '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":' +
      '{"uid":"705ab4f5-6393-11e8-b7cc-42010a800002","allowed":false,"status":{"metadata":{},' +
      '"message":"spec.allowedIPs[0]: \\"10.5.0.1\\" is not an address with prefix length"}}}',
  });
  assert.deepEqual(await seen.counted(), [
    'admission_requests_total{operation="UPDATE",response="denied"} 1',
    'http_requests_total{handler="/validate",method="POST"} 1',
  ]);
  assert.equal(seen.reviewed[0]?.name, "laptop");
});

Deno.test("answer() allows to delete whatever it is", async () => {
  const seen = new Seen();
  const oldObject = { ...PEER, spec: {} };
  const { text } = await seen.ask(question({ operation: "DELETE", object: null, oldObject }));
  assert.equal(JSON.parse(text).response.allowed, true);
  assert.equal(
    (await seen.counted())[0],
    'admission_requests_total{operation="DELETE",response="allowed"} 1',
  );
});

Deno.test("review() lets an invalid Peer that is there already be changed elsewhere, and end", () => {
  const spec = { ...SPEC, allowedIPs: ["10.5.0.1"] };
  const reordered = { publicKey: KEY, allowedIPs: ["10.5.0.1"] };
  const otherwise = { ...spec, persistentKeepalive: 5 };
  const dying = { name: "laptop", deletionTimestamp: "2026-11-28T00:00:00Z" };
  const rows: readonly {
    readonly about: string;
    readonly allowed: boolean;
    readonly operation?: string;
    readonly object: unknown;
    readonly oldObject?: unknown;
  }[] = [
    { about: "the same spec", allowed: true, object: { ...PEER, spec: reordered } },
    { about: "another invalid spec", allowed: false, object: { ...PEER, spec: otherwise } },
    { about: "a valid spec", allowed: true, object: PEER },
    {
      about: "another invalid spec of one that is being deleted",
      allowed: true,
      object: { ...PEER, metadata: dying, spec: otherwise },
    },
    {
      about: "no time of deletion",
      allowed: false,
      object: { ...PEER, metadata: { deletionTimestamp: null }, spec: otherwise },
    },
    {
      about: "a spec that has no shape at all",
      allowed: true,
      object: { ...PEER, spec: { allowedIPs: 5 } },
      oldObject: { ...PEER, spec: { allowedIPs: 5 } },
    },
    { about: "no spec, before and after", allowed: true, object: {}, oldObject: {} },
    { about: "nothing before", allowed: false, object: { ...PEER, spec }, oldObject: null },
    { about: "a new one", allowed: false, operation: "CREATE", object: { ...PEER, spec } },
    {
      about: "a new one that says it is being deleted",
      allowed: false,
      operation: "CREATE",
      object: { ...PEER, metadata: dying, spec },
    },
  ];
  for (const { about, allowed, ...row } of rows) {
    const request = { operation: "UPDATE", oldObject: { ...PEER, spec }, ...row };
    assert.equal(review(question(request)).answer.response.allowed, allowed, about);
  }
});

Deno.test("review() compares specs however deep they are", () => {
  const nested = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
  const text = question({ operation: "UPDATE", object: { spec: "?" }, oldObject: { spec: "?" } });
  assert.ok(review(text.replaceAll('"?"', nested)).answer.response.allowed);
});

Deno.test("equalJson() compares values, not the order of their fields", () => {
  const same: [unknown, unknown][] = [
    [null, null],
    [{ a: [1, { b: "x" }], c: null }, { c: null, a: [1, { b: "x" }] }],
    [JSON.parse('{"__proto__":1}'), JSON.parse('{"__proto__":1}')],
  ];
  const different: [unknown, unknown][] = [
    [1, "1"],
    [null, {}],
    [[], {}],
    [[1, 2], [2, 1]],
    [{ a: 1 }, { a: 1, b: 1 }],
    [{ a: undefined }, { b: undefined }],
    [JSON.parse('{"__proto__":{}}'), { a: {} }],
    [{ toString: 1 }, {}],
  ];
  for (const [a, b] of same) assert.ok(equalJson(a, b), JSON.stringify([a, b]));
  for (const [a, b] of different) {
    assert.ok(!equalJson(a, b) && !equalJson(b, a), JSON.stringify([a, b]));
  }
});

Deno.test("answer() refuses no method, and counts each", async () => {
  const seen = new Seen();
  for (const method of ["PUT", "DELETE", "BREW"]) {
    assert.equal((await seen.ask(question(), { method })).status, 200);
  }
  assert.deepEqual(await seen.ask("", { method: "GET" }), {
    status: 400,
    text: "the body is not JSON\n",
  });
  assert.deepEqual(await seen.counted(), [
    'admission_requests_total{operation="CREATE",response="allowed"} 3',
    ...["PUT", "DELETE", "other", "GET"].map((method) =>
      `http_requests_total{handler="/validate",method="${method}"} 1`
    ),
    "errors_total 1",
  ]);
});

Deno.test("answer() says 400 to what is no review of a Peer, why, and counts it", async () => {
  const only = "only API v1 is supported";
  const object = (object: unknown) => question({ object });
  const rows: readonly (readonly [body: string, message: string])[] = [
    ["", "the body is not JSON"],
    [`${question()}}`, "the body is not JSON"],
    ["kind: AdmissionReview", "the body is not JSON"],
    ["[]", "the body is not an object"],
    ["null", "the body is missing"],
    [question({}, { apiVersion: "admission.k8s.io/v1beta1" }), only],
    [question({}, { apiVersion: undefined }), only],
    [question({}, { kind: "Peer" }), only],
    [question({}, { request: undefined }), "request is missing"],
    [question({}, { request: null }), "request is missing"],
    [question({}, { request: [] }), "request is not an object"],
    [question({ uid: 5 }), "request.uid is not a string"],
    [question({ operation: {} }), "request.operation is not a string"],
    [object(undefined), "request.object is missing"],
    [object(null), "request.object is missing"],
    [object("Peer"), "request.object is not an object"],
    [object({ ...PEER, metadata: 1 }), "metadata is not an object"],
    [object({ metadata: { name: 5 } }), "metadata.name is not a string with text in it"],
    [object({ spec: "x" }), "spec is not an object"],
    [object({ spec: { ...SPEC, allowedIPs: "10.5.0.1/32" } }), "spec.allowedIPs is not a list"],
    [object({ spec: { ...SPEC, allowedIPs: [5] } }), "spec.allowedIPs[0] is not a string"],
    [object({ spec: { ...SPEC, publicKey: 5 } }), "spec.publicKey is not a string"],
    [
      object({ spec: { ...SPEC, endpoint: { port: "5" } } }),
      "spec.endpoint.port is not an integer",
    ],
  ];
  const seen = new Seen();
  for (const [body, message] of rows) {
    const { status, text } = await seen.ask(body);
    assert.equal(status, 400, body);
    assert.ok(text.endsWith(`${message}\n`), `${body}: ${text}`);
  }
  assert.equal(seen.failed.length, rows.length);
  assert.deepEqual(await seen.counted(), [
    `http_requests_total{handler="/validate",method="POST"} ${rows.length}`,
    `errors_total ${rows.length}`,
  ]);
});

Deno.test("answer() takes no other type of content", async () => {
  const seen = new Seen();
  for (const type of ["", "text/json", "application/json; charset=utf-8", "application/yaml"]) {
    const { status, text } = await seen.ask(question(), { type });
    assert.equal(status, 400);
    assert.match(text, /^Content-Type is ".*", not "application\/json"\n$/);
  }
  assert.deepEqual((await seen.counted()).at(-1), "errors_total 4");
});

Deno.test("answer() knows one path, and counts no other", async () => {
  const seen = new Seen();
  for (const path of ["/", "/validate/", "/metrics", "/health", "//validate"]) {
    assert.equal((await seen.ask(question(), { path })).status, 404, path);
  }
  assert.deepEqual(await seen.counted(), []);
});

Deno.test("answer() says what is wrong with a body, and counts it", async () => {
  const seen = new Seen();
  const answer = await seen.ask(new HttpError(413, "the body is too long"));
  assert.deepEqual(answer, { status: 413, text: "the body is too long\n" });
  assert.deepEqual((await seen.counted()).at(-1), "errors_total 1");
  assert.deepEqual(seen.failed, ["the body is too long"]);
});

Deno.test("answer() gives memory back after large bodies, and refuses what would take too much", async () => {
  const seen = new Seen();
  const large = question({ object: { ...PEER, status: "x".repeat(2 ** 21) } });
  const [a, b] = await Promise.all([seen.ask(large), seen.ask(large)]);
  assert.deepEqual([a.status, b.status], [200, 200]);
  await waitFor("the memory trim", () => seen.trimmed > 0);
  const values = `[${"[],".repeat(700_000)}[]]`;
  assert.deepEqual(await seen.ask(question({ object: { spec: "?" } }).replace('"?"', values)), {
    ...{ status: 400, text: "the body has more than 1000000 values\n" },
  });
});

Deno.test("answer() never shows a key", async () => {
  const seen = new Seen();
  const spec = { ...SPEC, presharedKey: `${KEY}!` };
  const { text } = await seen.ask(question({ object: { ...PEER, spec } }));
  assert.match(text, /spec.presharedKey is not base64 of 32 bytes/);
  assert.ok(!text.includes(KEY));
  const { text: broken } = await seen.ask(`${question()}${KEY}`);
  assert.ok(!broken.includes(KEY));
});

Deno.test("review() takes a question with as little in it as Go would", () => {
  const bare = { kind: "AdmissionReview", apiVersion: "admission.k8s.io/v1" };
  const { operation, answer } = review(JSON.stringify({ ...bare, request: { object: PEER } }));
  assert.equal(operation, "");
  assert.deepEqual(answer.response, { uid: "", allowed: true });
  const unnamed = { metadata: { generateName: "laptop-" }, spec: SPEC };
  assert.ok(review(question({ object: unnamed })).answer.response.allowed);
  assert.ok(review(question({ object: { spec: SPEC } })).answer.response.allowed);
});

Deno.test("review() finds valid what is, and names field and value of what is not", () => {
  for (const { name, spec, refusal, schema } of PEER_CASES) {
    if (schema) continue;
    const { allowed, status } = review(question({ object: { ...PEER, spec } })).answer.response;
    assert.equal(allowed, !refusal, name);
    if (!refusal) continue;
    assert.ok(status?.message.includes(refusal.field), `${name}: ${status?.message}`);
    const shown = JSON.stringify(refusal.value ?? "").slice(1, 61);
    assert.ok(status?.message.includes(shown.replace(/"$/, "")), `${name}: ${status?.message}`);
  }
});
