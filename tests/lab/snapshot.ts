/** Everything a namespace's kernel holds, as text: two of them are the same or differ line by line. */

import type { Namespace } from "./namespace.ts";

// Without what changes by itself: counters (-s), neighbours, the operational state (it follows the
// flags, late).
const SCRIPT = `
echo '# links';        ip -o link show | sed 's/ state [A-Z]*//'
echo '# addresses';    ip -o addr show
echo '# routes';       ip -4 route show table all
echo '# routes, IPv6'; ip -6 route show table all
echo '# rules';        ip -4 rule show
echo '# rules, IPv6';  ip -6 rule show
echo '# firewall';     nft -s list ruleset
for socket in /run/wireguard/*.sock; do
  [ -e "$socket" ] || continue
  name=$(basename "$socket" .sock)
  echo "# $name"
  echo "port $(wg show "$name" listen-port)"
  wg show "$name" allowed-ips
  wg show "$name" persistent-keepalive
done
`;

/** Links, addresses, routes, rules, firewall and userspace WireGuard devices; no keys but public ones. */
export async function snapshot(namespace: Pick<Namespace, "script">): Promise<string> {
  return canonical(await namespace.script(SCRIPT));
}

/** The same state is the same text: sections sorted, except the firewall, whose order matters. */
function canonical(text: string): string {
  return text.split(/^(?=# )/m).map((section) => {
    const [title = "", ...lines] = section.trimEnd().split("\n");
    const ordered = title === "# firewall" ? lines : lines.map((line) => line.trimEnd()).sort();
    return [title, ...ordered].join("\n");
  }).join("\n");
}

/** The lines that only one of two snapshots has, `-` before and `+` after; empty: they are the same. */
export function changes(before: string, after: string): string {
  const was = new Set(before.split("\n"));
  const is = new Set(after.split("\n"));
  return [
    ...[...was].filter((line) => !is.has(line)).map((line) => `- ${line}`),
    ...[...is].filter((line) => !was.has(line)).map((line) => `+ ${line}`),
  ].join("\n");
}
