/**
 * Words that once meant something only in this project, and the field's own word for each. They are
 * refused in names that the code declares, and in names of files.
 */

import ts from "typescript";
import type { Source } from "./house.ts";

/** Words and short sequences of them, in lower case, and what is said instead. */
export const RETIRED: Readonly<Record<string, string>> = {
  "wish, wishes, wished": "desired",
  "look, looks, looked": "poll, observe, read",
  "round, rounds": "reconcile pass",
  "mark, marks, marked, raise, raised": "enqueue, add, invalidate",
  "doubt, doubts, doubtful": "StateKind, stale",
  "stake, concern, concerns, concerned": "EventFilter, affects",
  "ground, prepare, prepared": "HostDevices, observe",
  "truce, war, contested, conflicts": "repair backoff",
  "young, youth, care, crowd": "handshake retry, attempt, MAX_CONCURRENT",
  "anew": "reset, again",
  "distrust, distrusted, suspect, suspected": "resetSessions, verify",
  "clear way": "removeRoutesTo",
  "is still, settled": "in sync",
  "roam, roams": "behindNAT",
  "relief, relieve": "memory trim",
  "tend": "reconcile",
  "tell, tells, told, amiss": "report, known issues",
  "unheard": "WatchLiveness",
  "followed": "informer",
  "pace, silence, patience": "batch interval, idle timeout, *_TIMEOUT",
  "turns": "Mutex",
  "front, backstage": "listener, upstream",
  "standing warnings": "warning log",
  "leisure, credit, owed": "TokenBucket",
  "members": "mesh membership",
  "circumstances": "context",
};

/** Type names that meant several things: each has a prefix now. */
const TOO_GENERAL = ["Change", "Subsystem", "ApplyOptions"];

/** Names in which a retired word is the field's own, and where; `path` matches from its beginning. */
const EXCEPTIONS: readonly {
  readonly name: RegExp;
  readonly path: string;
  readonly why: string;
}[] = [
  { name: /look_?up/i, path: "", why: "names and routes are looked up" },
  { name: /mark/i, path: "src/dataplane/firewall/", why: "the mark of a packet" },
  { name: /mark/i, path: "src/netlink/", why: "the mark of a packet" },
  { name: /firewallMark|fwmark|hasMark/i, path: "", why: "the mark of a packet" },
  { name: /raise/i, path: "src/os/", why: "a limit is raised (setrlimit)" },
  { name: /members/i, path: "src/mesh/", why: "the members of a location" },
  { name: /members/i, path: "src/dataplane/firewall/", why: "the members of a set" },
  { name: /members/i, path: "tests/unit/mesh/", why: "the members of a location" },
  { name: /members/i, path: "bench/", why: "the members of a location" },
  { name: /^mark$/i, path: "tests/lab/wg_dump.ts", why: "the mark of a packet" },
  { name: /crowd/i, path: "tests/lab/", why: "a crowd of visitors of the pages" },
];

/** Folders that still have retired words: one that is done leaves this list. */
const UNFINISHED = [
  ...["tests/faults/", "tests/k8s/", "tests/outages/", "tests/static/", "tests/unit/agent/"],
  ...["tests/unit/async/", "tests/unit/backend/", "tests/unit/http/", "tests/unit/kubernetes/"],
];

const WORDS = new Map(
  Object.entries(RETIRED).flatMap(([words, instead]) =>
    words.split(", ").map((word) => [word, instead] as const)
  ),
);

/** A sentence for each name that is refused. */
export function retiredWords(sources: readonly Source[]): string[] {
  const finished = sources.filter(({ path }) => !UNFINISHED.some((it) => path.startsWith(it)));
  return finished.flatMap(({ path, text }) => {
    const inPath = explain(path.split("/").at(-1)!.replace(/\.ts$/, ""), path);
    const file = ts.createSourceFile(path, text, ts.ScriptTarget.ESNext, true);
    return [
      ...inPath ? [`${path}: the file name ${inPath}`] : [],
      ...declaredNames(file).flatMap(({ name, at }) => {
        const why = explain(name, path);
        const line = file.getLineAndCharacterOfPosition(at).line + 1;
        return why ? [`${path}:${line}: ${name} ${why}`] : [];
      }),
    ];
  });
}

/** `holds the retired word "wish": say desired`; undefined for a good name. */
function explain(name: string, path: string): string | undefined {
  const isException = EXCEPTIONS.some((it) => it.name.test(name) && path.startsWith(it.path));
  if (isException) return undefined;
  if (TOO_GENERAL.includes(name)) return "is a name of several things: give it a prefix";
  const words = wordsOf(name);
  for (const [at, word] of words.entries()) {
    for (const candidate of [word, `${word} ${words[at + 1]}`]) {
      const instead = WORDS.get(candidate);
      if (instead) return `holds the retired word "${candidate}": say ${instead}`;
    }
  }
  return undefined;
}

/** `LONGEST_LookUpTime` → `longest`, `look`, `up`, `time`. */
export function wordsOf(name: string): string[] {
  return name.replaceAll(/([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])/g, "$1$3 $2")
    .toLowerCase().split(/[^a-z0-9]+/).filter((word) => word !== "");
}

interface DeclaredName {
  readonly name: string;
  readonly at: number;
}

/** Of variables, parameters, functions, types and their parts; names of libraries are not declared. */
function declaredNames(file: ts.SourceFile): DeclaredName[] {
  const found: DeclaredName[] = [];
  const visit = (node: ts.Node) => {
    const name = (node as Partial<ts.NamedDeclaration>).name;
    if (name && (ts.isIdentifier(name) || ts.isPrivateIdentifier(name)) && isDeclaration(node)) {
      found.push({ name: name.text, at: name.getStart() });
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

/** Not what accesses or imports a name that is declared elsewhere. */
function isDeclaration(node: ts.Node): boolean {
  return !ts.isPropertyAccessExpression(node) && !ts.isMetaProperty(node) &&
    !ts.isImportSpecifier(node) && !ts.isExportSpecifier(node);
}
