import assert from "node:assert/strict";
import { keyFromBytes, keyToBytes, parseKey, ZERO_KEY } from "../../../src/net/key.ts";

const KEY = "jk1ph8d/WBhSbxgUvoIzUOqxOTXzHYRIRRfpJK73iuE=";

Deno.test("parseKey() ignores line breaks anywhere, as Go does", () => {
  for (
    const text of [
      KEY,
      `${KEY}\n`,
      `\r\n${KEY}`,
      KEY.replace("gU", "g\r\nU"),
      KEY.replace("=", "\n="),
    ]
  ) {
    assert.equal(parseKey(text), KEY, JSON.stringify(text));
  }
});

Deno.test("parseKey() makes one text of a key, whatever its unused last bits are", () => {
  assert.equal(parseKey(KEY.replace("E=", "F=")), KEY);
  assert.equal(parseKey(KEY.replace("E=", "H=")), KEY);
  for (const last of "BCD") {
    assert.equal(parseKey(KEY.replace("E=", `${last}=`)), KEY.replace("E=", "A="));
  }
});

Deno.test("parseKey() refuses what is not padded standard base64 of 32 bytes", () => {
  const bare = KEY.slice(0, -1);
  const wrong = [
    "",
    "c2hvcnQ=",
    "not base64!",
    bare,
    `${bare}==`,
    `${KEY}=`,
    `${KEY}${KEY}`,
    ` ${KEY}`,
  ];
  const alphabet = [
    KEY.replace("/", "_"),
    KEY.replace("/", "-"),
    KEY.replace("/", "é"),
    `${KEY}\t`,
  ];
  const lengths = [31, 33, 64].map((length) => new Uint8Array(length).toBase64());
  for (const text of [...wrong, ...alphabet, ...lengths, `=${bare}`]) {
    assert.equal(parseKey(text), undefined, JSON.stringify(text));
  }
});

Deno.test("keyFromBytes() refuses other lengths without showing the bytes", () => {
  const bytes = new Uint8Array(31).fill(77);
  assert.throws(() => keyFromBytes(bytes), (error: Error) => !error.message.includes("77"));
  assert.equal(keyFromBytes(new Uint8Array(32)), ZERO_KEY);
  assert.deepEqual(keyToBytes(ZERO_KEY), new Uint8Array(32));
});
