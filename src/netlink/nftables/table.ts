/** Tables: what everything else lies in. */

import { table as layout } from "../attribute.ts";
import { be32, string } from "../codec.ts";
import type { Message, Request } from "../message.ts";
import type { TableFamily } from "./family.ts";
import { readAttributesOf, request } from "./message.ts";

export interface Table {
  readonly family: TableFamily;
  readonly name: string;
}

export interface ObservedTable {
  /** enum nft_table_flags: 1 dormant, 2 owned by a process, 4 outlives its owner. */
  readonly flags: number;
  /** How many chains, sets, objects and flow tables lie in it. */
  readonly use: number;
}

/** enum nft_table_attributes */
export const TABLE = layout({
  NFTA_TABLE_NAME: [1, string],
  NFTA_TABLE_FLAGS: [2, be32],
  NFTA_TABLE_USE: [3, be32],
});

/** `add table FAMILY NAME`, or `delete` with everything in it. */
export function changeTable(verb: "add" | "delete", { family, name }: Table): Request {
  return request({
    message: verb === "add" ? "NEWTABLE" : "DELTABLE",
    family,
    describe: () => `${verb} table ${family} ${name}`,
  }, [TABLE, { NFTA_TABLE_NAME: name, NFTA_TABLE_FLAGS: verb === "add" ? 0 : undefined }]);
}

/** Asks for one table; `ENOENT` if there is none. */
export function getTable({ family, name }: Table): Request {
  const describe = () => `list table ${family} ${name}`;
  return request({ message: "GETTABLE", family, describe }, [TABLE, { NFTA_TABLE_NAME: name }]);
}

export function readTable(message: Message): ObservedTable {
  const { NFTA_TABLE_FLAGS = 0, NFTA_TABLE_USE = 0 } = readAttributesOf(message, TABLE);
  return { flags: NFTA_TABLE_FLAGS, use: NFTA_TABLE_USE };
}
