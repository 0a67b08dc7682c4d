/** What becomes of packets under the firewall: masqueraded or not, dropped or not, in both families. */

import { deepEqual, equal } from "node:assert/strict";
import { FirewallApplier } from "../../src/dataplane/firewall/applier.ts";
import { firewall, openMeddled } from "./firewalls.ts";
import { Router } from "./router.ts";

const PODS = "10.42.0.0/24 fd42::/64";

/** As whom the outside sees the pod, by address it pings. */
function seen(router: Router): Record<string, string | undefined> {
  const destinations = ["192.0.2.2", "10.43.0.1", "2001:db8::2", "fd43::1"];
  return Object.fromEntries(destinations.map((each) => [each, router.seenAs(each)]));
}

const POD = {
  "192.0.2.2": "10.42.0.2",
  "10.43.0.1": "10.42.0.2",
  "2001:db8::2": "fd42::2",
  "fd43::1": "fd42::2",
};
const HOST = {
  "192.0.2.2": "192.0.2.1",
  "10.43.0.1": "192.0.2.1",
  "2001:db8::2": "2001:db8::1",
  "fd43::1": "2001:db8::1",
};

Deno.test("packets from pods are masqueraded except to known destinations", () => {
  using router = new Router();
  const { connection } = openMeddled();
  using _connection = connection;
  const applier = new FirewallApplier(connection);
  deepEqual(seen(router), POD);

  const desired = firewall({ sources: PODS, keep: "10.43.0.0/16 fd43::/16" });
  applier.apply(desired, { stage: "begin" });
  deepEqual(seen(router), POD);
  applier.apply(desired);
  deepEqual(seen(router), { ...HOST, "10.43.0.1": "10.42.0.2", "fd43::1": "fd42::2" });

  applier.apply(firewall({ sources: PODS, keep: "0.0.0.0/0 ::/0" }));
  deepEqual(seen(router), POD);
  applier.apply(firewall({ sources: "0.0.0.0/0 ::/0", keep: "192.0.2.2/32 2001:db8::2/128" }));
  deepEqual(seen(router), { ...HOST, "192.0.2.2": "10.42.0.2", "2001:db8::2": "fd42::2" });
  applier.remove();
  deepEqual(seen(router), POD);
});

Deno.test("packets to allowed location IPs are masqueraded whoever sends them", () => {
  using router = new Router();
  const { connection } = openMeddled();
  using _connection = connection;
  new FirewallApplier(connection).apply(firewall({
    destinations: "10.43.0.0/24 fd43::/64",
    keep: PODS,
  }));
  deepEqual(seen(router), { ...POD, "10.43.0.1": "192.0.2.1", "fd43::1": "2001:db8::1" });
});

Deno.test("forwarded packets from and to pods pass where the host drops by default", () => {
  using router = new Router();
  const { connection } = openMeddled();
  using _connection = connection;
  const applier = new FirewallApplier(connection);
  router.sh("iptables -P FORWARD DROP; ip6tables -P FORWARD DROP");
  router.sh(
    "iptables -A FORWARD -s 10.99.0.0/16 -j DROP; ip6tables -A FORWARD -s fd99::/16 -j DROP",
  );
  const nobody = Object.fromEntries(Object.keys(POD).map((each) => [each, undefined]));
  deepEqual(seen(router), nobody);

  applier.apply(firewall({ forward: PODS }));
  deepEqual(seen(router), POD);
  const rule = "-A FORWARD -m mark --mark 0x10000000/0x10000000 -m comment --comment " +
    '"Kilo: accept packets that table kilo marked" -j ACCEPT';
  equal(router.sh("iptables -S FORWARD").split("\n")[1], rule);
  equal(router.sh("ip6tables -S FORWARD").split("\n")[1], rule);

  // As a host does that saves its rules and loads them again.
  router.sh(
    "iptables-save >/dev/shm/nft-saved; iptables-restore </dev/shm/nft-saved; rm /dev/shm/nft-saved",
  );
  applier.invalidate();
  deepEqual(applier.apply(firewall({ forward: PODS })), []);
  router.sh("iptables -D FORWARD 1");
  applier.invalidate();
  applier.apply(firewall({ forward: PODS }));
  equal(router.sh("iptables -S FORWARD").split("\n")[1], rule);

  applier.apply(firewall({}));
  deepEqual(seen(router), nobody);
  equal(router.sh("iptables -S FORWARD"), "-P FORWARD DROP\n-A FORWARD -s 10.99.0.0/16 -j DROP\n");
});

Deno.test("IPIP is accepted from its sources, whatever the host's default, and dropped from others", () => {
  using router = new Router();
  const { connection } = openMeddled();
  using _connection = connection;
  const applier = new FirewallApplier(connection);
  router.sh("iptables -P INPUT DROP; ip6tables -P INPUT DROP");
  router.sh("ip6tables -A INPUT -p ipv6-icmp -j ACCEPT");
  router.sh(
    "nft 'add table inet watch; add counter inet watch ipip;" +
      " add chain inet watch input { type filter hook input priority 10; };" +
      " add rule inet watch input meta l4proto 4 counter name ipip'",
  );
  const arrived = (family: 4 | 6): number => {
    router.sh("nft reset counters table inet watch");
    router.sendIPIP(family);
    return Number(/packets (\d+)/.exec(router.sh("nft list counter inet watch ipip"))![1]);
  };
  const both = () => ([4, 6] as const).map(arrived);

  applier.apply(firewall({ ipip: "192.0.2.2/32 2001:db8::2/128" }));
  deepEqual(both(), [1, 1]);
  applier.apply(firewall({ ipip: "192.0.2.3/32" }));
  deepEqual(both(), [0, 0]);
  router.sh("iptables -P INPUT ACCEPT; ip6tables -P INPUT ACCEPT");
  deepEqual(both(), [0, 0]);
  applier.apply(firewall({}));
  deepEqual(both(), [1, 1]);
  equal(router.sh("iptables -S INPUT"), "-P INPUT ACCEPT\n");
});
