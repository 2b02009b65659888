// src/api/text.ts: JSON that is taken apart and put together again stays the same, to the letter where it is kept.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const web = new URL("../../web/", import.meta.url);
const { build } = createRequire(new URL("package.json", web))("esbuild");
const { outputFiles } = await build({ entryPoints: [new URL("src/api/text.ts", web).pathname], format: "esm", write: false });
const { elements, fromMembers, indented, isJson, member, members } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);

/** Always the same values: strings with everything that means something, numbers of any length, all of it nested. */
function* documents() {
  let state = 1;
  const below = (n) => (state = (state * 48271) % 2147483647) % n;
  const pick = (from) => from[below(from.length)];
  const strings = ['""', '"a"', '"\\""', '"\\\\"', '"\\\\\\""', '"{"', '"]},:"', '"\\u0041\\n"', '"é😀"', '"10"', '"__proto__"'];
  const scalars = [...strings, "0", "-1.50e+300", "123456789012345678901234567890", "1e400", "true", "false", "null"];
  const blank = () => pick(["", "", " ", "\n\t "]);
  const value = (depth) => {
    const kind = depth > 3 ? 0 : below(4);
    if (kind < 2) return pick(scalars);
    const parts = Array.from({ length: below(4) }, (_, i) => (kind === 2 ? "" : `"${i}${pick(["", "\\\\", '\\"'])}"${blank()}:${blank()}`) + value(depth + 1));
    const inner = parts.map((part) => blank() + part + blank()).join(",");
    return kind === 2 ? `[${inner}]` : `{${inner}}`;
  };
  for (let i = 0; i < 3000; i++) yield value(0);
}

export async function json_is_taken_apart_as_it_is_written() {
  const seen = new Set();
  for (const text of documents()) {
    const parsed = JSON.parse(text);
    const of = Array.isArray(parsed) ? "array" : typeof parsed;
    seen.add(of);
    assert.deepEqual(JSON.parse(indented(text)), parsed, text);
    assert.deepEqual(elements(text).map((part) => JSON.parse(part)), of === "array" ? parsed : [], text);
    const pairs = members(text);
    if (parsed === null || of !== "object") assert.deepEqual(pairs, [], text);
    else {
      assert.deepEqual(Object.fromEntries(pairs.map(([key, part]) => [key, JSON.parse(part)])), parsed, text);
      assert.deepEqual(members(fromMembers(pairs)), pairs, text);
      for (const [key, part] of pairs) assert.equal(member(text, key), part);
    }
  }
  assert.deepEqual([...seen].sort(), ["array", "boolean", "number", "object", "string"]);
  const text = '{"2":1.0,"1":12345678901234567890,"__proto__":{"a":-0}}';
  assert.deepEqual(members(text), [["2", "1.0"], ["1", "12345678901234567890"], ["__proto__", '{"a":-0}']]);
  assert.equal(fromMembers(members(text)), text);
  assert.equal(indented('{"a":[1e400,{}],"b":[]}'), '{\n  "a": [\n    1e400,\n    {}\n  ],\n  "b": []\n}');
  assert.deepEqual([isJson("1"), isJson("01"), isJson(""), isJson('"a')], [true, false, false, false]);
}
