import { equal } from "node:assert/strict";
import { affectsFirewall } from "../../src/dataplane/firewall/event.ts";
import { FirewallApplier } from "../../src/dataplane/firewall/applier.ts";
import { readMessages } from "../../src/netlink/message.ts";
import { NETLINK_NETFILTER, Socket } from "../../src/netlink/socket.ts";
import { firewall, openMeddled } from "./firewalls.ts";
import { Router } from "./router.ts";

const NFNLGRP_NFTABLES = 7;

/** Does an event affect us that the socket has received since the last time? */
function isAffected(socket: Socket): boolean {
  let result = false;
  for (let bytes = socket.receive(); bytes !== undefined; bytes = socket.receive()) {
    if (readMessages(bytes).some(affectsFirewall)) result = true;
  }
  return result;
}

Deno.test("affectsFirewall() tells events of our tables and of our rules' places from others", () => {
  using router = new Router();
  const { connection } = openMeddled();
  using _connection = connection;
  using socket = Socket.open(NETLINK_NETFILTER);
  socket.join(NFNLGRP_NFTABLES);
  const after = (command: string): boolean => {
    router.sh(command);
    return isAffected(socket);
  };

  equal(after("nft add table ip other; nft add chain ip other FORWARD"), false);
  equal(after("nft add set ip other kilo '{ type ipv4_addr; elements = { 1.1.1.1 }; }'"), false);
  equal(after("iptables -N MINE; iptables -A MINE -j RETURN"), false);
  equal(after("iptables -P FORWARD DROP"), true);
  equal(after("iptables -A FORWARD -j MINE"), false);
  new FirewallApplier(connection).apply(firewall({ forward: "10.42.0.0/24", keep: "10.0.0.1/32" }));
  isAffected(socket);
  equal(after("iptables -t nat -A POSTROUTING -j ACCEPT"), false);
  equal(after("iptables -F MINE"), false);
  equal(after("iptables -D FORWARD 1"), true);
  equal(after("nft delete element ip kilo known '{ 10.0.0.1 }'"), true);
  equal(after("nft add rule ip6 kilo postrouting accept"), true);
  equal(after("nft delete chain ip kilo forward"), true);
  equal(after("nft flush ruleset"), true);
});
