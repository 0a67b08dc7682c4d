import assert from "node:assert/strict";
import { openLibc } from "../../../src/os/libc.ts";
import { textResponse } from "../../../src/http/server/message.ts";
import { HttpServer } from "../../../src/http/server/server.ts";
import { waitFor } from "../../lab/wait.ts";
import { Client } from "./client.ts";

openLibc(); // which stays

const HELLO = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

Deno.test("HttpServer answers newcomers while others ask without end on all connections", async () => {
  const small = { total: 16, reserved: 2 };
  let running = 0;
  const handler = async () => {
    running++;
    await new Promise((resolve) => setTimeout(resolve, 20));
    running--;
    return textResponse(200, "late");
  };
  using server = new HttpServer("127.0.0.1:0", { handler, limits: small });
  using crowd = new DisposableStack();
  for (let count = 0; count < 16; count++) {
    const hog = crowd.use(await Client.connect(server.port));
    await hog.send(HELLO.repeat(500));
    await hog.answer();
  }
  for (let count = 0; count < 4; count++) {
    using newcomer = await Client.connect(server.port);
    await newcomer.send(HELLO);
    assert.equal((await newcomer.answer()).status, 200);
  }
  crowd.dispose();
  await waitFor("the last answers", () => running === 0);
});
