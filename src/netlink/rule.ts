/** Policy routing rules: rtnetlink's `RTM_*RULE`, include/uapi/linux/fib_rules.h. */

import { type Family, type IP, width } from "../net/ip.ts";
import { formatPrefix, type Prefix } from "../net/prefix.ts";
import { table } from "./attribute.ts";
import { ip, string, struct, u32, u8 } from "./codec.ts";
import type { Connection } from "./connection.ts";
import { MalformedError } from "./error.ts";
import {
  type Message,
  NLM_F_CREATE,
  NLM_F_EXCL,
  readBody,
  type Request,
  writeBody,
} from "./message.ts";
import { AF_UNSPEC, fromFamily, splitTable, toFamily } from "./rtnetlink.ts";

export const RTM_NEWRULE = 32;
export const RTM_DELRULE = 33;
const RTM_GETRULE = 34;

/** `action` of a rule that looks its table up. */
const FR_ACT_TO_TBL = 1;

/** struct fib_rule_hdr */
const FIB_RULE_HDR = struct({
  family: u8,
  dst_len: u8,
  src_len: u8,
  tos: u8,
  table: u8,
  res1: u8,
  res2: u8,
  action: u8,
  flags: u32,
});

export const FRA = table({
  FRA_DST: [1, ip],
  FRA_SRC: [2, ip],
  FRA_IIFNAME: [3, string],
  FRA_PRIORITY: [6, u32],
  FRA_TABLE: [15, u32],
  FRA_PROTOCOL: [21, u8],
});

/** A rule that looks up a table, by source, destination and device; rules may have other selectors, which are not told. */
export interface RuleEntry {
  readonly family: Family;
  /** The lowest is asked first. */
  readonly priority: number;
  readonly src: Prefix | undefined;
  readonly dst: Prefix | undefined;
  /** Name of the device packets come in by. */
  readonly iif: string | undefined;
  readonly table: number;
  /** Who set it; kernels before 4.17 forget it. 0: unspecified. */
  readonly protocol: number;
}

/** A request to add a rule; `EEXIST` if there is one just like it. */
export function addRule(rule: RuleEntry): Request {
  return writeRule(rule, { verb: "add", type: RTM_NEWRULE, flags: NLM_F_CREATE | NLM_F_EXCL });
}

/** A request to remove a rule; `ENOENT` if there is none. */
export function deleteRule(rule: RuleEntry): Request {
  return writeRule(rule, { verb: "delete", type: RTM_DELRULE, flags: 0 });
}

function writeRule(
  rule: RuleEntry,
  how: { readonly verb: string; readonly type: number; readonly flags: number },
): Request {
  const { src, dst, iif } = rule;
  const { header, attribute } = splitTable(rule.table);
  return {
    kind: "rule",
    describe: () => `${how.verb} rule ${describe(rule)}`,
    type: how.type,
    flags: how.flags,
    write: (out) =>
      writeBody(out, [FIB_RULE_HDR, {
        family: fromFamily(rule.family),
        dst_len: dst?.bits ?? 0,
        src_len: src?.bits ?? 0,
        table: header,
        action: FR_ACT_TO_TBL,
      }], [FRA, {
        FRA_SRC: addressOf(src),
        FRA_DST: addressOf(dst),
        FRA_IIFNAME: iif,
        FRA_TABLE: attribute,
        FRA_PRIORITY: rule.priority,
        FRA_PROTOCOL: rule.protocol,
      }]),
  };
}

/** `priority 32000 from 10.4.0.0/24 lookup 1107` */
function describe(rule: RuleEntry): string {
  const { src, dst, iif } = rule;
  return `priority ${rule.priority}` + (src ? ` from ${formatPrefix(src)}` : "") +
    (dst ? ` to ${formatPrefix(dst)}` : "") + (iif ? ` iif ${iif}` : "") + ` lookup ${rule.table}`;
}

/** The kernel refuses an address with a length of 0. */
function addressOf(prefix: Prefix | undefined): IP | undefined {
  return prefix && prefix.bits > 0 ? prefix.ip : undefined;
}

/**
 * Reads `RTM_NEWRULE` and `RTM_DELRULE`; undefined for other families, rules that look up no table,
 * and IPv4 in IPv6 form.
 */
export function parseRule(message: Message): RuleEntry | undefined {
  const { header, attributes } = readBody(message, { header: FIB_RULE_HDR, attributes: FRA });
  const family = toFamily(header.family);
  if (!family || header.action !== FR_ACT_TO_TBL) return undefined;
  const { FRA_SRC, FRA_DST } = attributes;
  if ([FRA_SRC, FRA_DST].some((ip) => ip && ip.family !== family)) return undefined;
  return {
    family,
    priority: attributes.FRA_PRIORITY ?? 0,
    src: prefixOf(FRA_SRC, header.src_len),
    dst: prefixOf(FRA_DST, header.dst_len),
    iif: attributes.FRA_IIFNAME,
    table: attributes.FRA_TABLE ?? header.table,
    protocol: attributes.FRA_PROTOCOL ?? 0,
  };
}

function prefixOf(ip: IP | undefined, bits: number): Prefix | undefined {
  if (!ip) return undefined;
  if (bits > width(ip.family)) throw new MalformedError(`a rule with a prefix length of ${bits}`);
  return { ip, bits };
}

/** All IPv4 and IPv6 rules that look up a table. (The kernel has no filter for them.) */
export function listRules(connection: Connection): RuleEntry[] {
  const messages = connection.dump({
    kind: "rule",
    describe: () => "read rules",
    type: RTM_GETRULE,
    flags: 0,
    write: (out) => writeBody(out, [FIB_RULE_HDR, { family: AF_UNSPEC }], [FRA, {}]),
  });
  return messages.flatMap((message) => parseRule(message) ?? []);
}
