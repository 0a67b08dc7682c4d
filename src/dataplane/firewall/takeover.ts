/**
 * What the original agent leaves behind, as iptables-nft wrote it: rules whose comment begins with
 * `Kilo: ` in chains of others, and two chains of its own.
 */

import type { Family } from "../../net/ip.ts";
import type { Connection } from "../../netlink/connection.ts";
import { NetlinkError } from "../../netlink/error.ts";
import { listChains, readChain } from "../../netlink/nftables/chain.ts";
import type { FirewallChange } from "../../netlink/nftables/change.ts";
import {
  type ChainName,
  listRules,
  type ObservedRule,
  readRule,
} from "../../netlink/nftables/rule.ts";
import { transact } from "../../netlink/nftables/transaction.ts";
import { isHostRule } from "./host_rules.ts";
import { DIALECTS } from "./rendering.ts";

const FAMILIES = [4, 6] as const;

/** Where the original puts rules, and the chains that it makes. */
const PLACES = [
  { table: "filter", shared: ["INPUT", "FORWARD"], own: "KILO-IPIP" },
  { table: "nat", shared: ["POSTROUTING"], own: "KILO-NAT" },
] as const;

/**
 * Removes it in one transaction and returns what was there. For when our own firewall is in force,
 * so that at no moment there is none. A NetlinkError if the kernel refuses.
 */
export function takeOver(connection: Connection): readonly FirewallChange[] {
  const plan = () => FAMILIES.flatMap((family) => leftovers(connection, family));
  try {
    return transact(connection, plan);
  } catch (error) {
    if (!(error instanceof NetlinkError && error.isBusy())) throw error;
    // Somebody else's rule jumps to one of the chains. An empty one does nothing.
    return transact(connection, () => plan().filter(({ kind }) => kind !== "chain"));
  }
}

function leftovers(connection: Connection, family: Family): FirewallChange[] {
  const chains = connection.dump(listChains(DIALECTS[family].table)).map(readChain);
  const exists = ({ table, chain }: ChainName) =>
    chains.some((each) => each.table === table && each.name === chain);
  return PLACES.flatMap(({ table, shared, own }) => {
    const place = { family: DIALECTS[family].table, table };
    const chain = { ...place, chain: own };
    return [
      ...shared.map((name) => ({ ...place, chain: name })).filter(exists)
        .flatMap((chain) => leftRules(chain, connection.dump(listRules(chain)).map(readRule))),
      ...exists(chain) ? removeChain(chain) : [],
    ];
  });
}

/** Those of our own renderings in a chain of the host are not left over. */
function leftRules(chain: ChainName, rules: readonly ObservedRule[]): FirewallChange[] {
  return rules
    .filter(({ comment }) => comment?.startsWith("Kilo: ") && !isHostRule(comment))
    .map(({ handle }) => ({ kind: "rule", verb: "delete", chain, handle }));
}

function removeChain(chain: ChainName): FirewallChange[] {
  const { family, table, chain: name } = chain;
  return [
    { kind: "rule", verb: "delete", chain },
    { kind: "chain", verb: "delete", chain: { family, table, name } },
  ];
}
