/** The elements of interval sets, in messages of their own. */

import { list, nested, table as layout } from "../attribute.ts";
import { be32, bytes, type Codec, string } from "../codec.ts";
import { MalformedError } from "../error.ts";
import { type Message, NLM_F_CREATE, type Request } from "../message.ts";
import { type Boundary, fromBoundaries, type Interval, toBoundaries } from "./interval.ts";
import { readAttributesOf, request } from "./message.ts";
import { ADDRESS_TYPES, type AddressSet, type AddressType } from "./set.ts";

const NFT_SET_ELEM_INTERVAL_END = 1; // enum nft_set_elem_flags

/** An address as a number, in as many bytes of network order; a multiple of four. */
function address(size: number): Codec<bigint> {
  return {
    read(view, start, end) {
      if (end - start !== size) throw new MalformedError(`a key of ${end - start} bytes`);
      let value = 0n;
      for (let at = start; at < end; at += 4) value = value << 32n | BigInt(view.getUint32(at));
      return value;
    },
    write(out, value) {
      const start = out.reserve(size);
      if (size === 4) return out.view.setUint32(start, Number(value)); // thousands at once
      let rest = value;
      for (let at = start + size - 4; at >= start; at -= 4, rest >>= 32n) {
        out.view.setUint32(at, Number(rest & 0xffffffffn));
      }
    },
  };
}

/** enum nft_set_elem_list_attributes, for keys of one size */
function elementList(type: AddressType) {
  /** enum nft_data_attributes */
  const KEY = layout({ NFTA_DATA_VALUE: [1, address(ADDRESS_TYPES[type].bytes)] });
  /** enum nft_set_elem_attributes; a second key would make the element an interval by itself */
  const ELEMENT = layout({
    NFTA_SET_ELEM_KEY: [1, nested(KEY)],
    NFTA_SET_ELEM_FLAGS: [3, be32],
    NFTA_SET_ELEM_KEY_END: [10, bytes],
  });
  return layout({
    NFTA_SET_ELEM_LIST_TABLE: [1, string],
    NFTA_SET_ELEM_LIST_SET: [2, string],
    NFTA_SET_ELEM_LIST_ELEMENTS: [3, list(nested(ELEMENT), 1)],
  });
}

export const ELEMENT_LIST = {
  ipv4_addr: elementList("ipv4_addr"),
  ipv6_addr: elementList("ipv6_addr"),
} as const;

/** Bytes of an interval's two elements, beside their keys: see {@link ELEMENT_LIST}. */
const OVERHEAD = 12 + 20;
/** Bytes: an attribute's length is a 16-bit number that counts its header of 4. */
const LARGEST_LIST = 0xffff - 4;

/**
 * `add element FAMILY TABLE SET { … }`, or `delete`, in as many messages as it takes. The intervals
 * are disjoint from each other and from those in the set.
 */
export function changeElements(
  verb: "add" | "delete",
  { set, intervals }: { readonly set: AddressSet; readonly intervals: readonly Interval[] },
): Request[] {
  const perMessage = Math.floor(LARGEST_LIST / (OVERHEAD + 2 * ADDRESS_TYPES[set.type].bytes));
  const requests: Request[] = [];
  for (let from = 0; from < intervals.length; from += perMessage) {
    requests.push(elementsRequest(verb, set, intervals.slice(from, from + perMessage)));
  }
  return requests;
}

function elementsRequest(
  verb: "add" | "delete",
  set: AddressSet,
  intervals: readonly Interval[],
): Request {
  const { family, table, name, type } = set;
  return request({
    message: verb === "add" ? "NEWSETELEM" : "DELSETELEM",
    family,
    flags: verb === "add" ? NLM_F_CREATE : 0,
    describe: () => `${verb} ${intervals.length} intervals of set ${family} ${table} ${name}`,
  }, [ELEMENT_LIST[type], {
    NFTA_SET_ELEM_LIST_TABLE: table,
    NFTA_SET_ELEM_LIST_SET: name,
    NFTA_SET_ELEM_LIST_ELEMENTS: toBoundaries(intervals, bitsOf(type)).map(({ key, end }) => ({
      NFTA_SET_ELEM_FLAGS: end ? NFT_SET_ELEM_INTERVAL_END : undefined,
      NFTA_SET_ELEM_KEY: { NFTA_DATA_VALUE: key },
    })),
  }]);
}

/** Asks for the elements of a set. */
export function listElements({ family, table, name, type }: AddressSet): Request {
  return request({
    message: "GETSETELEM",
    family,
    describe: () => `list elements of set ${family} ${table} ${name}`,
  }, [ELEMENT_LIST[type], { NFTA_SET_ELEM_LIST_TABLE: table, NFTA_SET_ELEM_LIST_SET: name }]);
}

/** The sorted intervals in a dump; undefined if something else is in it. */
export function readElements(
  messages: readonly Message[],
  type: AddressType,
): Interval[] | undefined {
  const boundaries: Boundary[] = [];
  for (const message of messages) {
    const { NFTA_SET_ELEM_LIST_ELEMENTS: elements = [] } = readAttributesOf(
      message,
      ELEMENT_LIST[type],
    );
    for (const { NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_FLAGS = 0, NFTA_SET_ELEM_KEY_END } of elements) {
      const key = NFTA_SET_ELEM_KEY?.NFTA_DATA_VALUE;
      if (key === undefined || NFTA_SET_ELEM_KEY_END) return undefined;
      if (NFTA_SET_ELEM_FLAGS & ~NFT_SET_ELEM_INTERVAL_END) return undefined;
      boundaries.push({ key, end: NFTA_SET_ELEM_FLAGS !== 0 });
    }
  }
  return fromBoundaries(boundaries, bitsOf(type));
}

function bitsOf(type: AddressType): number {
  return ADDRESS_TYPES[type].bytes * 8;
}
