import assert from "node:assert/strict";
import { type Client, Clients, limitsFor } from "../../../src/http/server/clients.ts";

/** Those who were closed, in their order. */
class Crowd {
  readonly closed: string[] = [];
  readonly clients: Clients;

  constructor(total: number, reserved: number) {
    this.clients = new Clients({ total, reserved });
  }

  join(name: string, { isOwn = false, isBusy = false, wasAnswered = false } = {}): Client {
    const client = { isBusy, wasAnswered, stop() {}, close: () => void this.closed.push(name) };
    this.clients.add(client, { isOwn });
    return client;
  }
}

Deno.test("Clients.add() closes who was idle for longest, and rather who waits for nothing", () => {
  const crowd = new Crowd(3, 0);
  const a = crowd.join("a");
  crowd.join("b");
  crowd.join("c", { isBusy: true });
  crowd.clients.moved(a);
  crowd.join("d");
  assert.deepEqual(crowd.closed, ["b"]);
  crowd.join("e", { isBusy: true }); // c waits for us
  assert.deepEqual(crowd.closed, ["b", "a"]);
  crowd.join("f", { isBusy: true });
  assert.deepEqual(crowd.closed, ["b", "a", "d"]);
  assert.equal(crowd.clients.size, 3);
});

Deno.test("Clients.add() closes, where all others wait for us, one that had its turn, or the newcomer", () => {
  const crowd = new Crowd(3, 0);
  crowd.join("a", { isBusy: true });
  crowd.join("hog", { isBusy: true, wasAnswered: true });
  crowd.join("b", { isBusy: true });
  crowd.join("c");
  assert.deepEqual(crowd.closed, ["hog"]);
  crowd.join("d", { isBusy: true });
  assert.deepEqual(crowd.closed, ["hog", "c"], "it was idle");
  crowd.join("e");
  assert.deepEqual(crowd.closed, ["hog", "c", "e"]);
});

Deno.test("Clients.add() lets nobody from outside take what is reserved", () => {
  const crowd = new Crowd(10, 4);
  crowd.join("own", { isOwn: true });
  for (let count = 0; count < 20; count++) crowd.join(`outside ${count}`);
  assert.equal(crowd.clients.size, 7);
  assert.equal(crowd.closed.length, 14);
  assert.ok(!crowd.closed.includes("own"));
  for (let count = 0; count < 20; count++) crowd.join(`own ${count}`, { isOwn: true });
  assert.equal(crowd.clients.size, 10);
  assert.equal(crowd.closed.filter((name) => name.startsWith("outside")).length, 14);
});

Deno.test("Clients.delete() makes room", () => {
  const crowd = new Crowd(2, 0);
  const a = crowd.join("a");
  crowd.join("b");
  crowd.clients.delete(a);
  crowd.clients.moved(a); // late: it does not come back
  crowd.join("c");
  assert.deepEqual(crowd.closed, []);
});

Deno.test("Clients.shrink() leaves some to others, and always takes a few", () => {
  const crowd = new Crowd(256, 32);
  for (let count = 0; count < 80; count++) crowd.join(`${count}`);
  crowd.join("own", { isOwn: true });
  crowd.clients.shrink();
  assert.ok(crowd.clients.size <= 60, `${crowd.clients.size}`);
  assert.ok(!crowd.closed.includes("own"));
  for (let times = 0; times < 20; times++) crowd.clients.shrink();
  crowd.join("own 2", { isOwn: true });
  crowd.join("last");
  assert.ok(crowd.clients.size >= 8);
  assert.deepEqual(["own", "own 2", "last"].filter((name) => crowd.closed.includes(name)), []);
});

Deno.test("Clients.restore() takes as many as before a shortage", () => {
  const crowd = new Crowd(256, 32);
  for (let times = 0; times < 20; times++) crowd.clients.shrink();
  crowd.clients.restore();
  for (let count = 0; count < 224; count++) crowd.join(`${count}`);
  assert.deepEqual([crowd.clients.size, crowd.closed], [224, []]);
});

Deno.test("limitsFor() leaves half of the descriptors to others", () => {
  assert.deepEqual(limitsFor(1_000_000), { total: 256, reserved: 32 });
  assert.deepEqual(limitsFor(1024), { total: 256, reserved: 32 });
  assert.deepEqual(limitsFor(120), { total: 60, reserved: 7 });
  assert.deepEqual(limitsFor(120, { each: 3 }), { total: 20, reserved: 2 });
  assert.deepEqual(limitsFor(20), { total: 16, reserved: 2 });
});
