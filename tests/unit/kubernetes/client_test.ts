import assert from "node:assert/strict";
import { Client } from "../../../src/kubernetes/client.ts";

Deno.test("Client.host is whom the client connects to", async () => {
  const cases = [
    ["https://api.example:6443", undefined, "api.example"],
    ["https://10.0.0.5:6443", undefined, "10.0.0.5"],
    ["https://[fd00::5]:6443", undefined, "fd00::5"],
    ["https://api.example:6443", "http://user:secret@10.0.0.8:3128", "10.0.0.8"],
    ["https://api.example:6443", "socks5://[fd00::8]:1080", "fd00::8"],
    ["https://api.example:6443", "proxy.example:3128", "proxy.example"],
  ] as const;
  for (const [server, proxy, host] of cases) {
    using client = await Client.open({
      server: new URL(server),
      ...proxy !== undefined && { proxy },
    });
    assert.equal(client.host, host, `${server} by ${proxy}`);
  }
});
