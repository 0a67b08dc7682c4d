/** The generation of the whole ruleset: every transaction, whoever's, makes a new one. */

import { table as layout } from "../attribute.ts";
import { be32 } from "../codec.ts";
import { MalformedError } from "../error.ts";
import type { Message, Request } from "../message.ts";
import { readAttributesOf, request } from "./message.ts";

/** enum nft_gen_attributes */
export const GENERATION = layout({ NFTA_GEN_ID: [1, be32] });

export function getGeneration(): Request {
  return request({ message: "GETGEN", describe: () => "get the generation of nf_tables" }, [
    GENERATION,
    {},
  ]);
}

export function readGeneration(message: Message): number {
  const { NFTA_GEN_ID } = readAttributesOf(message, GENERATION);
  if (NFTA_GEN_ID === undefined) throw new MalformedError("a generation without number");
  return NFTA_GEN_ID;
}
