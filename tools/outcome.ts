/** What became of a run of tests, read from Deno's JUnit report. */

export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  /** Names of tests that were not run. */
  readonly skipped: readonly string[];
  /** All that was printed. */
  readonly output: string;
}

/**
 * Counts the report's test cases. What the report does not tell counts as a failure: a run that
 * crashed (no or half a report), a module that could not be loaded, a run without any test.
 */
export function readOutcome(
  report: string,
  { part, code, text }: { readonly part: string; readonly code: number; readonly text: string },
): Outcome {
  const cases = [...report.matchAll(/<testcase name="([^"]*)"[^>]*>([\s\S]*?)<\/testcase>/g)];
  const failed = cases.filter(([, , body]) => /<(failure|error)\b/.test(body!)).length;
  const skipped = cases.filter(([, , body]) => body!.includes("<skipped"))
    .map(([, name]) => `${part}: ${unescape(name!)}`);
  const passed = cases.length - failed - skipped.length;
  const whole = report.trimEnd().endsWith("</testsuites>") && cases.length > 0;
  if (whole && (code === 0 || failed > 0)) return { passed, failed, skipped, output: text };
  const why = cases.length === 0 ? "no test was run" : "the run did not come to its end";
  return { passed, failed: failed + 1, skipped, output: `${text}\n${part}: ${why}, code ${code}` };
}

function unescape(text: string): string {
  const entities: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(/&(lt|gt|quot|apos|amp);/g, (_, name) => entities[name]!);
}
