import assert from "node:assert/strict";
import { readOutcome } from "../../../tools/outcome.ts";

const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="4" failures="1" errors="0" time="0.006">
    <testsuite name="./a_test.ts" tests="4" disabled="1" errors="0" failures="1">
        <testcase name="a" classname="./a_test.ts" time="0.000" line="1" col="6">
        </testcase>
        <testcase name="b" classname="./a_test.ts" time="0.001" line="2" col="6">
            <failure message="1 &lt;/testcase&gt;">1 test step failed.</failure>
        </testcase>
        <testcase name="c &gt; d" classname="./a_test.ts" time="0.000" line="3" col="6">
            <skipped/>
        </testcase>
        <testcase name="e" classname="./a_test.ts" time="0.000" line="2" col="43">
        </testcase>
    </testsuite>
</testsuites>
`;

Deno.test("readOutcome() counts what passed, failed and was skipped", () => {
  const { passed, failed, skipped } = readOutcome(REPORT, { part: "unit", code: 1, text: "" });
  assert.deepEqual({ passed, failed, skipped }, {
    passed: 2,
    failed: 1,
    skipped: ["unit: c > d"],
  });
});

Deno.test("readOutcome() counts a crash, an unloadable module and an empty run as failures", () => {
  const half = REPORT.slice(0, REPORT.indexOf("<failure"));
  const green = REPORT.replace(/<failure.*/, "");
  const count = (report: string, code: number) =>
    readOutcome(report, { part: "unit", code, text: "" }).failed;
  assert.equal(count("", 139), 1, "no report");
  assert.equal(count(half, 139), 1, "half a report");
  assert.equal(count(green, 0), 0, "nothing wrong");
  assert.equal(count(green, 1), 1, "something wrong outside of any test");
  assert.equal(count('<testsuites name="deno test">\n</testsuites>', 0), 1, "no test");
});
