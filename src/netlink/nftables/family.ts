/** The address families a table may have (NFPROTO_* of netfilter.h), by the names nft gives them. */
export const FAMILIES = { inet: 1, ip: 2, arp: 3, netdev: 5, bridge: 7, ip6: 10 } as const;

export type TableFamily = keyof typeof FAMILIES;
