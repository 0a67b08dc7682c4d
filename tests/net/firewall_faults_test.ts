/** The firewall when something comes in between. */

import { deepEqual, equal, throws } from "node:assert/strict";
import { FirewallApplier, planFirewall } from "../../src/dataplane/firewall/applier.ts";
import { EAFNOSUPPORT, ENOBUFS } from "../../src/os/errno.ts";
import { NetlinkError } from "../../src/netlink/error.ts";
import { readMessages } from "../../src/netlink/message.ts";
import { transact } from "../../src/netlink/nftables/transaction.ts";
import { DESIRED, elements, openMeddled } from "./firewalls.ts";
import { NetworkNamespace } from "./namespace.ts";

Deno.test("FirewallApplier.apply() plans again when another program writes in between", () => {
  using namespace = NetworkNamespace.enter("nft");
  const { connection, transport } = openMeddled();
  using _connection = connection;
  transport.onBatch = () => {
    if (transport.batches === 1) namespace.run("nft add table ip kilo");
    return undefined;
  };
  new FirewallApplier(connection).apply(DESIRED);
  equal(transport.batches, 2);
  deepEqual(planFirewall(connection, DESIRED), []);
});

Deno.test("transact() gives up when others write all the time", () => {
  using namespace = NetworkNamespace.enter("nft");
  const { connection, transport } = openMeddled();
  using _connection = connection;
  transport.onBatch = () => {
    namespace.run(`nft add table inet t${transport.batches}`);
    return undefined;
  };
  const table = { family: "ip", name: "x" } as const;
  throws(
    () => transact(connection, () => [{ kind: "table", verb: "add", table }]),
    (error) => error instanceof NetlinkError && error.code === "ERESTART",
  );
  equal(transport.batches, 10);
});

for (const reaches of [true, false]) {
  const does = reaches ? "was done" : "was not done";
  Deno.test(`FirewallApplier.apply() looks again when an answer is lost that ${does}`, () => {
    using _namespace = NetworkNamespace.enter("nft");
    const { connection, transport } = openMeddled();
    using _connection = connection;
    transport.onBatch = (bytes) => {
      if (transport.batches > 1) return undefined;
      if (reaches) transport.sendUnread(bytes);
      return () => {
        throw new NetlinkError({ operation: "receive", errno: ENOBUFS });
      };
    };
    new FirewallApplier(connection).apply(DESIRED);
    equal(transport.batches, reaches ? 1 : 2);
    deepEqual(planFirewall(connection, DESIRED), []);
  });
}

Deno.test("FirewallApplier.apply() does without IPv6 where the kernel has none for nf_tables", () => {
  using namespace = NetworkNamespace.enter("nft");
  const { connection, transport } = openMeddled();
  using _connection = connection;
  transport.onBatch = (bytes) => {
    const AF_INET6 = 10;
    const first = readMessages(bytes).find(({ payload }) => payload.getUint8(0) === AF_INET6);
    return first && (() => refusal(first.sequence, EAFNOSUPPORT));
  };
  const applier = new FirewallApplier(connection);
  applier.apply(DESIRED);
  equal(applier.ipv6Problem?.code, "EAFNOSUPPORT");
  deepEqual(elements(namespace, "ip", "sources"), ["10.42.0.0/24", "10.5.0.1"]);
  equal(namespace.run("nft list tables"), "table ip kilo\n");

  const { batches } = transport;
  deepEqual(applier.apply(structuredClone(DESIRED)), []);
  equal(transport.batches, batches);

  transport.onBatch = () => undefined;
  applier.invalidate();
  applier.apply(DESIRED);
  equal(applier.ipv6Problem, undefined);
  equal(namespace.run("nft list tables"), "table ip kilo\ntable ip6 kilo\n");
});

/** NLMSG_ERROR with the header of the request. */
function refusal(sequence: number, errno: number): Uint8Array<ArrayBuffer> {
  const NLMSG_ERROR = 2;
  const view = new DataView(new ArrayBuffer(36));
  view.setUint32(0, 36, true);
  view.setUint16(4, NLMSG_ERROR, true);
  view.setUint32(8, sequence, true);
  view.setInt32(16, -errno, true);
  view.setUint32(20, 16, true);
  return new Uint8Array(view.buffer);
}
