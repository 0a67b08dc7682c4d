/** Which events of nf_tables mean that the firewall must be observed again. */

import { table } from "../../netlink/attribute.ts";
import { string } from "../../netlink/codec.ts";
import type { Message } from "../../netlink/message.ts";
import { readChain } from "../../netlink/nftables/chain.ts";
import { NFT_MSG, readAttributesOf } from "../../netlink/nftables/message.ts";
import { HOST_CHAINS, HOST_TABLE } from "./host_rules.ts";
import { TABLE_NAME } from "./rendering.ts";

/** Every message names its table so, and one of a rule also the chain. */
const PLACE = table({ table: [1, string], chain: [2, string] });

/**
 * May this event have changed something of ours? Whatever happens in our tables may. In the host's,
 * where others are busy all day, only a new chain or a removed rule affects our rule.
 */
export function affectsFirewall(event: Message): boolean {
  const type = event.type & 0xff;
  if (type === NFT_MSG.NEWGEN) return false;
  const place = readAttributesOf(event, PLACE);
  if (place.table === TABLE_NAME) return true;
  if (place.table !== HOST_TABLE) return false;
  return type === NFT_MSG.NEWCHAIN && isHostChain(readChain(event).name) ||
    type === NFT_MSG.DELRULE && isHostChain(place.chain);
}

function isHostChain(name: string | undefined): boolean {
  return HOST_CHAINS.some((chain) => chain === name);
}
