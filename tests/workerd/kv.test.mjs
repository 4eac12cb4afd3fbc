// The KV tier by itself: bulk reads, lists, and values in parts.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { RawFixture } from "./raw.mjs";

let worker;
before(async () => (worker = await RawFixture.start()));
after(() => worker.stop());
beforeEach(() => worker.reset());

const MiB = 1024 * 1024;
const PART = 24 * MiB;
const LARGE = 60_000_000;

/** What an operation of the tier answers. */
async function kv(operation, name = "", options = {}, body) {
  const query = new URLSearchParams(options);
  const answer = await worker.get(`/__kv/${operation}/${name}?${query}`, { method: body === undefined ? "GET" : "POST", body });
  assert.equal(answer.status, 200, answer.text);
  return answer.text;
}

/** The same, and the requests to KV that it took. */
async function counted(...of) {
  await worker.forgetCounters();
  const text = await kv(...of);
  const { kv: counters } = await worker.counters();
  return { text, ops: Object.fromEntries(["get", "bulk", "put", "delete", "list"].flatMap((op) => (counters[op] ? [[op, counters[op]]] : []))) };
}

const stored = async () => (await worker.dump("kv")).map(({ key, size }) => [key, size]);
const parts = async () => (await stored()).filter(([key]) => key.startsWith("part:"));
const put = async (name, options) => assert.equal(await kv("put", name, options), "ok");

const FIELDS = " x-kept=1";

for (const split of [{}, { split: 1 }]) {
  const how = split.split ? "with parts allowed" : "plain";
  for (const [name, n] of Object.entries({ "0 B": 0, "1 B": 1, "64 KiB": 65_536, "64 KiB + 1": 65_537, "2 MB": 2_000_000 })) {
    for (const kind of ["binary", "text"]) {
      for (const readable of [{}, { readable: 1 }]) {
        test(`a round trip, ${how}, ${name} of ${kind}${readable.readable ? ", for bulk reads" : ""}`, async () => {
          for (const source of [{}, { buffer: 1 }]) {
            await put("a", { n, kind, ...split, ...readable, ...source });
            assert.equal((await stored()).length, 1);
            // Either tier reads it, alone and with others.
            for (const options of [{ kind }, { kind, split: 1, readable: 1 }]) {
              assert.equal(await kv("get", "a", options), `${n}${FIELDS}`);
              assert.equal(await kv("many", "", options, `a ${kind}\n`), `${n}${FIELDS}\n`);
            }
          }
        });
      }
    }
  }
}

test("without its options the tier keeps the layout it has", async () => {
  const of = async (options) => {
    await put("a", { n: 300, ...options });
    const [{ key, size, metadata }] = await worker.dump("kv");
    return { key, size, metadata: metadata.replace(/t\d+:[\d,]*/, "T") };
  };
  const plain = await of({ kind: "binary" });
  assert.equal(plain.key, await kv("name", "a"));
  assert.equal(plain.size, 300);
  assert.match(plain.metadata, /^"1k24:[0-9a-f]{24}s3:200Tn3:300h6:x-kepti1:1\."$/);
  for (const options of [{ kind: "text" }, { kind: "text", readable: 1 }, { kind: "binary", split: 1 }]) assert.deepEqual(await of(options), plain);
  const coded = await of({ kind: "binary", readable: 1 });
  assert.deepEqual(coded, { ...plain, size: 400, metadata: plain.metadata.replace("1k24", "1x6:base64k24") });
});

test("a large body without parts is refused as ever", async () => {
  assert.match(await kv("put", "a", { n: 25 * MiB + 1 }), /^Refused/);
  assert.deepEqual(await stored(), []);
});

const LARGE_BODIES = { "25 MiB": 25 * MiB, "25 MiB + 1": 25 * MiB + 1, "48 MiB": 2 * PART, "60 MB": LARGE, "101 MB": 101_000_000 };
for (const [name, n] of Object.entries(LARGE_BODIES)) {
  for (const length of [String(n), "none"]) {
    test(`in parts: ${name}, ${length === "none" ? "of unknown length" : "of known length"}`, async () => {
      const before = await worker.resident();
      const wrote = await counted("put", "a", { split: 1, n, length });
      assert.equal(wrote.text, "ok");
      const count = Math.ceil(n / PART);
      assert.deepEqual(wrote.ops, { get: 1, put: count + 1 });
      const sizes = (await parts()).map(([, size]) => size);
      assert.deepEqual(sizes, [...Array(count - 1).fill(PART), n - (count - 1) * PART]);
      const between = await worker.resident();
      const read = await counted("get", "a", { split: 1 });
      assert.equal(read.text, `${n}${FIELDS}`);
      // The manifest, and each part; from the fifth on it is looked for first.
      assert.deepEqual(read.ops, { get: 1 + count + Math.max(0, count - 4) });
      const [, written, both] = [before, between, await worker.resident()].map((size) => Math.round((size - before) / MiB));
      console.log(`# ${name}, ${length === "none" ? "unknown" : "known"}: resident +${written} MiB after the put, +${both} MiB after the get`);
    });
  }
}

test("in parts: from a buffer, and with a head too large for metadata", async () => {
  await put("a", { split: 1, n: LARGE, wide: 1 });
  assert.equal((await worker.dump("kv")).find(({ key }) => !key.startsWith("part:")).metadata, '"parts"');
  assert.equal(await kv("get", "a"), `${LARGE}${FIELDS} x-wide=wwwwwwww`);
  await put("b", { split: 1, n: 30 * MiB, buffer: 1 });
  assert.equal(await kv("get", "b"), `${30 * MiB}${FIELDS}`);
});

test("a stream of unknown length that is short is one value", async () => {
  for (const n of [0, 1, 100_000, PART]) {
    await put("a", { split: 1, n, length: "none" });
    assert.equal((await stored()).length, 1);
    assert.equal(await kv("get", "a"), `${n}${FIELDS}`);
    assert.equal(await kv("many", "", {}, "a binary\n"), `${n}${FIELDS}\n`);
  }
});

test("parts stay a little longer than their manifest", async () => {
  await put("a", { split: 1, n: LARGE });
  const entries = await worker.dump("kv");
  const manifest = entries.find(({ key }) => !key.startsWith("part:"));
  for (const part of entries.filter((entry) => entry !== manifest)) {
    assert.ok(part.ttl_ms > manifest.ttl_ms + 600_000 && part.ttl_ms < manifest.ttl_ms + 1_200_000, `${part.ttl_ms} ${manifest.ttl_ms}`);
  }
});

test("what is overwritten or deleted leaves no parts", async () => {
  await put("a", { split: 1, n: LARGE });
  const old = await parts();
  const wrote = await counted("put", "a", { split: 1, n: LARGE + 1 });
  assert.deepEqual(wrote.ops, { get: 1, put: 4, delete: 3 });
  const fresh = await parts();
  assert.equal(fresh.length, 3);
  assert.ok(fresh.every(([key]) => !old.some(([other]) => other === key)));
  assert.equal(await kv("get", "a"), `${LARGE + 1}${FIELDS}`);
  // By something small.
  assert.deepEqual((await counted("put", "a", { split: 1, n: 10 })).ops, { get: 1, put: 1, delete: 3 });
  assert.deepEqual(await parts(), []);
  assert.equal(await kv("get", "a"), `10${FIELDS}`);
  // What is small costs no more deletions.
  assert.deepEqual((await counted("put", "a", { split: 1, n: 11 })).ops, { get: 1, put: 1 });
  assert.deepEqual((await counted("delete", "a", { split: 1 })).ops, { get: 1, delete: 1 });
  await put("a", { split: 1, n: LARGE });
  assert.deepEqual((await counted("delete", "a", { split: 1 })).ops, { get: 1, delete: 4 });
  assert.deepEqual(await stored(), []);
  assert.deepEqual((await counted("delete", "a", {})).ops, { delete: 1 });
});

const TORN = {
  "the second part fails": [{ ops: ["put"], key: ":1", status: 500 }, {}],
  "the first part is refused": [{ ops: ["put"], key: "part:", times: 1, status: 429 }, {}],
  "the connection closes at the last part": [{ ops: ["put"], key: ":2", close: true }, {}],
  "the stream breaks off in the first part": [{}, { cut: 1_000_000 }],
  "the stream breaks off in the third part": [{}, { cut: 55_000_000 }],
};
for (const [name, [fault, options]] of Object.entries(TORN)) {
  for (const length of [String(LARGE), "none"]) {
    test(`torn: ${name}, ${length === "none" ? "of unknown length" : "of known length"}`, async () => {
      const fail = () => worker.fault("kv", fault);
      await fail();
      assert.match(await kv("put", "a", { split: 1, n: LARGE, length, ...options }), /^(Failed|Throttled)/);
      await worker.fault("kv");
      assert.deepEqual(await stored(), []);
      assert.equal(await kv("get", "a", { split: 1 }), "none");
      // What was there stays.
      await put("a", { split: 1, n: LARGE + 5 });
      await fail();
      assert.match(await kv("put", "a", { split: 1, n: LARGE, length, ...options }), /^(Failed|Throttled)/);
      await worker.fault("kv");
      assert.equal((await parts()).length, 3);
      assert.equal(await kv("get", "a"), `${LARGE + 5}${FIELDS}`);
    });
  }
}

test("torn: the manifest fails", async () => {
  for (const length of [String(LARGE), "none"]) {
    // Three parts get through.
    await worker.fault("kv", { ops: ["put"], after: 3, status: 500 });
    assert.match(await kv("put", "a", { split: 1, n: LARGE, length }), /^Failed/);
    await worker.fault("kv");
    assert.deepEqual(await stored(), []);
  }
});

test("a stream of another length than announced leaves nothing", async () => {
  for (const length of [LARGE - 1, LARGE + 1, 2 * PART, 30 * MiB]) {
    assert.match(await kv("put", "a", { split: 1, n: LARGE, length }), /^Failed.*than announced/);
    assert.deepEqual(await stored(), []);
  }
});

test("an entry one of whose parts is gone, or another, is a miss", async () => {
  for (const [n, places] of [[LARGE, [0, 1, 2]], [101_000_000, [4]]]) {
    for (const i of places) {
      await worker.reset();
      await put("a", { split: 1, n });
      const [key] = (await parts())[i];
      await worker.raw({ role: "kv", key, value: "short", metadata: '"part 5"' });
      assert.match(await kv("get", "a"), /^Corrupt/);
      assert.match(await kv("many", "", {}, "a binary\nb binary\n"), /^Corrupt.*\nnone\n$/);
    }
  }
  for (const metadata of ['"p1m3:abc"', '"parts"', '"p"', '"p1m9:ab,1,0,25"', '"p1m9:ab,9,9,25k24:"']) {
    await worker.raw({ role: "kv", key: await kv("name", "a"), value: "", metadata });
    assert.match(await kv("get", "a"), /^Corrupt/, metadata);
  }
});

test("a body one of whose parts is cut short breaks off", async () => {
  await put("a", { split: 1, n: LARGE });
  for (const [part, come] of [[":0", 0], [":2", 2 * PART]]) {
    for (const how of [{ truncate: 1000 }, { cut: 1000 }]) {
      await worker.fault("kv", { ops: ["get"], key: part, ...how });
      const [, length] = /^(\d+) broken: /.exec(await kv("get", "a"));
      assert.ok(Number(length) <= come + 1000, length);
    }
  }
});

test("an entry in parts that nobody reads", async () => {
  await put("a", { split: 1, n: LARGE });
  for (let i = 0; i < 5; i++) assert.equal(await kv("get", "a", { leave: 1 }), `left${FIELDS}`);
  assert.equal(await kv("get", "a"), `${LARGE}${FIELDS}`);
});

test("many entries in few operations", async () => {
  // Of each ten: 6 texts, one of them for bulk reads, base64, an envelope, an envelope in base64, nothing.
  const kinds = ["text", "accents", "text", "text", "accents", "binary", "text", "binary", "text", "none"];
  const more = [{}, {}, {}, {}, { readable: 1 }, { readable: 1 }, { wide: 1 }, { wide: 1, readable: 1 }, {}, {}];
  const line = (i) => `${i} ${kinds[i % 10]}\n`;
  const expected = (i) => (i % 10 === 9 ? "none\n" : `${100 + 2 * i}${FIELDS}${more[i % 10].wide ? " x-wide=wwwwwwww" : ""}\n`);
  const all = Array.from({ length: 250 }, (_, i) => i);
  const writes = all.filter((i) => i % 10 !== 9).map((i) => () => put(i, { n: 100 + 2 * i, kind: kinds[i % 10], ...more[i % 10] }));
  while (writes.length > 0) await Promise.all(writes.splice(0, 25).map((write) => write()));
  const read = await counted("many", "", {}, all.map(line).join(""));
  assert.equal(read.text, all.map(expected).join(""));
  assert.deepEqual(read.ops, { bulk: 3 });
  // The same keys again and again are asked for once.
  const twice = [...all.slice(0, 60), ...all.slice(0, 60)];
  const again = await counted("many", "", {}, twice.map(line).join(""));
  assert.equal(again.text, twice.map(expected).join(""));
  assert.deepEqual(again.ops, { bulk: 1 });
  assert.deepEqual((await counted("many", "", {}, "")).ops, {});
});

test("what a bulk read cannot know is read by itself", async () => {
  const small = { binary: 1000, sly: 1000, marked: 1000 };
  for (const [kind, n] of Object.entries(small)) await put(kind, { n, kind });
  await put("large", { n: 300_000, kind: "binary" });
  await put("wide", { n: 300, kind: "binary", wide: 1 });
  await put("parts", { n: LARGE, split: 1 });
  await put("text", { n: 5_000_000, kind: "text" });
  const lines = "binary binary\nsly sly\nmarked marked\nlarge binary\nwide binary\nparts binary\ntext text\nsly sly\n";
  const read = await counted("many", "", {}, lines);
  const expected = [1000, 1000, 1000, 300_000, 300, LARGE, 5_000_000, 1000].map((n, i) => `${n}${FIELDS}${i === 4 ? " x-wide=wwwwwwww" : ""}\n`);
  assert.equal(read.text, expected.join(""));
  // All but the text and the marked one, which comes through here; sly twice, and the manifest with its three parts.
  assert.deepEqual(read.ops, { bulk: 1, get: 6 + 3 });
  // For bulk reads they need not be.
  for (const [kind, n] of Object.entries(small)) await put(kind, { n, kind, readable: 1 });
  assert.deepEqual((await counted("many", "", {}, "binary binary\nsly sly\nmarked marked\n")).ops, { bulk: 1 });
});

test("a bulk read that is too large is halved", async () => {
  for (let i = 0; i < 8; i++) await put(i, { n: 5_000_000, kind: "text" });
  const lines = Array.from({ length: 8 }, (_, i) => `${i} text\n`).join("");
  const read = await counted("many", "", {}, lines);
  assert.equal(read.text, `5000000${FIELDS}\n`.repeat(8));
  assert.deepEqual(read.ops, { bulk: 3 });
  // One that is too large by itself.
  await worker.fault("kv", { ops: ["bulk"], status: 413 });
  assert.deepEqual((await counted("many", "", {}, "0 text\n1 text\n")).ops, { bulk: 3, get: 2 });
});

test("a bulk read that fails fails for its keys", async () => {
  for (let i = 0; i < 150; i++) if (i % 50 === 0) await put(i, { n: 10, kind: "text" });
  await worker.fault("kv", { ops: ["bulk"], times: 1, status: 429 });
  const lines = Array.from({ length: 150 }, (_, i) => `${i} text\n`).join("");
  const answers = (await kv("many", "", {}, lines)).trimEnd().split("\n");
  assert.equal(answers.length, 150);
  assert.equal(answers.filter((answer) => answer.startsWith("Throttled")).length + answers.filter((answer) => answer === "none" || answer === `10${FIELDS}`).length, 150);
  assert.ok(answers.filter((answer) => answer.startsWith("Throttled")).length >= 50);
});

test("how long KV may answer from its regional cache holds for all reads", async () => {
  await worker.fault("kv", { edge_cache: true });
  await put("a", { n: 10, kind: "text" });
  for (const operation of ["get", "many"]) {
    assert.equal((await kv(operation, "a", { kind: "text", ttl: 3600 }, operation === "many" ? "a text\n" : undefined)).trimEnd(), `10${FIELDS}`);
    await kv("delete", "a");
    await worker.advance(1_800_000);
    assert.equal((await kv(operation, "a", { kind: "text", ttl: 3600 }, operation === "many" ? "a text\n" : undefined)).trimEnd(), `10${FIELDS}`);
    await worker.clear("kv");
    await put("a", { n: 10, kind: "text" });
  }
});

test("a list in pages", async () => {
  const name = await kv("name", "a");
  const prefix = name.slice(0, -40);
  const expected = [];
  for (let i = 0; i < 2500; i++) {
    const key = prefix + String(i * 7).padStart(40, "0");
    expected.push(key);
    const metadata = i % 2 ? undefined : `1k24:${"0".repeat(24)}s3:200t9:0,0,0,0,0n${String(i).length}:${i}.`;
    await worker.raw({ role: "kv", key, value: "", metadata: metadata && JSON.stringify(metadata), ttl: 600 });
  }
  await worker.raw({ role: "kv", key: "other", value: "" });
  await put("a", { split: 1, n: LARGE });
  expected.push(name);
  expected.sort();
  const pages = async (prefix, limit) => {
    const listed = [];
    let [cursor, count] = ["", 0];
    do {
      const page = await kv("list", "", { prefix, limit, ...(cursor && { cursor }) });
      const [next, ...entries] = page.split("\n");
      listed.push(...entries);
      [cursor, count] = [next, count + 1];
    } while (cursor);
    return { listed: listed.map((line) => line.split(" ")), count };
  };
  await worker.forgetCounters();
  const { listed, count } = await pages(prefix, 5000);
  assert.equal(count, 3);
  assert.equal((await worker.counters()).kv.list, 3);
  assert.deepEqual(listed.map(([key]) => key), expected);
  for (const [key, length, left] of listed) {
    const i = Number(key.slice(-40)) / 7;
    assert.equal(length, key === name ? String(LARGE) : i % 2 ? "-1" : String(i));
    assert.ok(key === name ? left > 3500 : left > 500 && left <= 600, left);
  }
  assert.deepEqual((await pages(prefix + "0".repeat(36), 3)).listed.map(([key]) => key), expected.filter((key) => key.startsWith(prefix + "0".repeat(36))));
  // Parts are no entries.
  assert.equal((await pages("", 1000)).listed.length, 2502);
  assert.deepEqual((await pages("part:", 1)).listed, []);
  await worker.fault("kv", { ops: ["list"], status: 500 });
  assert.match(await kv("list", "", { prefix }), /^Failed/);
});
