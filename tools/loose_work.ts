/**
 * Finds work that nobody owns: promises that nobody waits for, timers and event handlers. What goes
 * wrong there would end the program. `src/async` is the owner of all of it.
 */

import ts from "typescript";
import type { Source } from "./house.ts";

/** Where such work is started for all others. */
const OWNER = "src/async/";

/** Functions that run what they are given some time later. */
const STARTERS = ["setTimeout", "setInterval", "queueMicrotask", "addEventListener"];

/** Files that start such work themselves, and why that cannot end the program. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  "src/http/draw_worker.ts": "a thread of its own; its owner hears of errors and of silence",
};

const OPTIONS: ts.CompilerOptions = {
  strict: true,
  noEmit: true,
  target: ts.ScriptTarget.ESNext,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  allowImportingTsExtensions: true,
  resolveJsonModule: true,
  lib: ["lib.esnext.d.ts"], // the rest is Deno's
  types: [],
  skipLibCheck: true,
};

/**
 * A sentence for each place in these files. Paths are relative to `root`; `types` is what
 * `deno types` prints. Values of packages that cannot be resolved count as no promises.
 */
export function looseWork(
  sources: readonly Source[],
  { root, types }: { readonly root: string; readonly types: string },
): string[] {
  const texts = new Map(sources.map(({ path, text }) => [root + path, text]));
  const library = `${root}deno.d.ts`;
  texts.set(library, types.replaceAll(/^\/\/\/ <reference no-default-lib.*$/gm, ""));
  const host = ts.createCompilerHost(OPTIONS);
  const { getSourceFile, readFile, fileExists } = host;
  host.getSourceFile = (name, version) => {
    const text = texts.get(name);
    return text === undefined
      ? getSourceFile.call(host, name, version)
      : ts.createSourceFile(name, text, version, true);
  };
  host.readFile = (name) => texts.get(name) ?? readFile.call(host, name);
  host.fileExists = (name) => texts.has(name) || fileExists.call(host, name);
  const program = ts.createProgram([...texts.keys()], OPTIONS, host);
  const checker = program.getTypeChecker();
  return sources.filter(({ path }) => !path.startsWith(OWNER) && !(path in EXCEPTIONS))
    .flatMap(({ path }) => looseIn(program.getSourceFile(root + path)!, { path, checker }));
}

function looseIn(
  file: ts.SourceFile,
  { path, checker }: { readonly path: string; readonly checker: ts.TypeChecker },
): string[] {
  const found: string[] = [];
  const report = (node: ts.Node, what: string) => {
    const line = file.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    found.push(`${path}:${line} ${what}: give it to inBackground() or startTimer() of src/async`);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isExpressionStatement(node) && isLoose(node.expression, checker)) {
      report(node, "nobody waits for this promise");
    } else if (ts.isVoidExpression(node) && isLoose(node.expression, checker)) {
      report(node, "nobody waits for this promise");
    }
    if (ts.isCallExpression(node)) {
      const name = nameOf(node.expression);
      if (name && STARTERS.includes(name)) report(node, `${name}() runs what nobody owns`);
      node.arguments.forEach((argument, at) => {
        if (isPromised(argument, { call: node, at, checker })) {
          report(argument, "nobody waits for what this function returns");
        }
      });
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

function nameOf(callee: ts.Expression): string | undefined {
  if (ts.isIdentifier(callee)) return callee.text;
  return ts.isPropertyAccessExpression(callee) ? callee.name.text : undefined;
}

/** A promise that is neither awaited nor has somebody for its failure. */
function isLoose(expression: ts.Expression, checker: ts.TypeChecker): boolean {
  if (ts.isParenthesizedExpression(expression)) return isLoose(expression.expression, checker);
  if (ts.isAwaitExpression(expression) || ts.isVoidExpression(expression)) return false;
  if (ts.isBinaryExpression(expression)) {
    const { kind } = expression.operatorToken;
    const isAssignment = kind >= ts.SyntaxKind.FirstAssignment &&
      kind <= ts.SyntaxKind.LastAssignment;
    return !isAssignment && isLoose(expression.right, checker);
  }
  if (ts.isConditionalExpression(expression)) {
    return isLoose(expression.whenTrue, checker) || isLoose(expression.whenFalse, checker);
  }
  return isPromise(checker.getTypeAtLocation(expression)) && !isCaught(expression);
}

/** Ends in `.catch(…)`, or in `.then(…, …)` with both. */
function isCaught(expression: ts.Expression): boolean {
  if (!ts.isCallExpression(expression)) return false;
  const name = nameOf(expression.expression);
  return name === "catch" || name === "then" && expression.arguments.length === 2;
}

/** Is this function, which returns a promise, given to somebody who does not look at what it returns? */
function isPromised(
  argument: ts.Expression,
  { call, at, checker }: {
    readonly call: ts.CallExpression;
    readonly at: number;
    readonly checker: ts.TypeChecker;
  },
): boolean {
  if (!ts.isArrowFunction(argument) && !ts.isFunctionExpression(argument)) return false;
  const given = checker.getTypeAtLocation(argument).getCallSignatures();
  if (!given.some((signature) => isPromise(signature.getReturnType()))) return false;
  const parameter = checker.getResolvedSignature(call)?.getParameters()[at];
  if (!parameter) return false;
  const wanted = checker.getTypeOfSymbolAtLocation(parameter, call).getCallSignatures();
  return wanted.length > 0 &&
    wanted.every((signature) => signature.getReturnType().flags & ts.TypeFlags.Void);
}

function isPromise(type: ts.Type): boolean {
  if (type.isUnion()) return type.types.some(isPromise);
  return ["Promise", "PromiseLike"].includes(type.getSymbol()?.name ?? "");
}
