/**
 * The minifier puts the value of a variable that is used once into the next statement, also when it
 * was declared with `using`: then nobody disposes of it. That is no error until descriptors run out.
 */

import ts from "typescript";

/** How many variables a script declares with `using` and `await using`. */
export function countUsing(script: string): number {
  const file = ts.createSourceFile("script.js", script, ts.ScriptTarget.ESNext);
  let count = 0;
  const visit = (node: ts.Node) => {
    if (ts.isVariableDeclarationList(node) && isUsing(node)) count += node.declarations.length;
    ts.forEachChild(node, visit);
  };
  visit(file);
  return count;
}

/** Of let, const, using and await using, which share some bits. */
function isUsing({ flags }: ts.VariableDeclarationList): boolean {
  const kind = flags & ts.NodeFlags.BlockScoped;
  return kind === ts.NodeFlags.Using || kind === ts.NodeFlags.AwaitUsing;
}
