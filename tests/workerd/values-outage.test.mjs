// Values on a bad day: raw workerd, with stand-ins for the Cache API and KV that fail as they are told.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { RawFixture, eventually } from "./raw.mjs";

let worker;
before(async () => (worker = await RawFixture.start()));
after(() => worker.stop());
beforeEach(() => worker.reset());

/** One call of the data cache. */
async function call(name, query = {}) {
  const answer = await worker.get(`/__values/${name}?${new URLSearchParams(query)}`);
  assert.equal(answer.status, 200, answer.text);
  return JSON.parse(answer.text);
}

/** A call, and all that it has begun. */
async function ask(name, query) {
  const said = await call(name, query);
  await worker.settled();
  return said;
}

/** The operations of the stores that a step takes. */
async function costs(step) {
  await worker.settled();
  await worker.forgetCounters();
  const said = await step();
  await worker.settled();
  const { cache, kv } = await worker.counters();
  const of = (counted) => Object.fromEntries(["bulk", "get", "put", "delete"].flatMap((op) => (counted[op] ? [[op, counted[op]]] : [])));
  return { said, l1: of(cache), l2: of(kv) };
}

let keys = 0;
const fresh = () => `bad-day-${++keys}`;

async function efforts() {
  const { tiers = {} } = JSON.parse((await worker.get("/__values/stats")).text);
  return tiers.l2 ?? {};
}

describe("what a value costs", () => {
  test("a miss, a hit, a hit of KV, a change: no operation too many", async () => {
    const key = fresh();
    const miss = await costs(() => call("fetch", { key, ttl: 300 }));
    assert.deepEqual([miss.l1, miss.l2], [{ get: 1, put: 1 }, { get: 1, put: 1 }]);
    const hit = await costs(() => call("fetch", { key, ttl: 300 }));
    assert.deepEqual([hit.l1, hit.l2], [{ get: 1 }, {}]);
    await worker.emptyL1();
    const far = await costs(() => call("fetch", { key, ttl: 300 }));
    assert.deepEqual([far.l1, far.l2], [{ get: 1, put: 1 }, { get: 1 }]);
    assert.equal(far.said.value, miss.said.value);
    const gone = await costs(() => call("delete", { keys: key }));
    assert.deepEqual([gone.l1, gone.l2], [{ delete: 1 }, { get: 1, delete: 1 }]);
  });

  test("a hundred of KV are one read", async () => {
    const names = Array.from({ length: 100 }, () => fresh());
    for (const key of names) await call("set", { key, ttl: 300, value: key });
    await worker.emptyL1();
    const many = await costs(() => call("gets", { keys: names.join(",") }));
    assert.deepEqual(many.said, names);
    assert.deepEqual(many.l2, { bulk: 1 });
  });
});

describe("KV", () => {
  test("refuses writes for a moment: they are tried again, and counted", async () => {
    const key = fresh();
    const before = await efforts();
    await worker.fault("kv", { ops: ["put"], refuse_puts: true });
    const setting = call("set", { key, ttl: 300, value: "kept" });
    await eventually(async () => ((await efforts()).put_retried ?? 0) > (before.put_retried ?? 0));
    await worker.fault("kv");
    assert.equal(await setting, "done");
    await worker.settled();
    await worker.emptyL1();
    assert.equal(await call("get", { key }), "kept", "it has come into KV");
  });

  test("a key is written once a second, and the last value stays", async () => {
    const key = fresh();
    await worker.settled();
    await worker.forgetCounters();
    const started = Date.now();
    const all = await Promise.all(Array.from({ length: 8 }, (_, n) => call("set", { key, ttl: 300, value: `v${n}` })));
    assert.deepEqual(new Set(all), new Set(["done"]));
    const last = await call("get", { key });
    await worker.settled();
    const { put } = (await worker.counters()).kv;
    assert.ok(put <= 2 + (Date.now() - started) / 1000, `${put} writes`);
    await worker.emptyL1();
    assert.equal(await call("get", { key }), last, "KV has what this isolate says");
  });

  for (const [how, fault] of [
    ["answers 500", { status: 500 }],
    ["closes connections", { close: true }],
    ["hangs", { hang: true }],
  ]) {
    test(`${how}: the loader's value comes back, and then that of the nearer tiers`, async () => {
      await worker.fault("kv", fault);
      const key = fresh();
      const first = await call("fetch", { key, ttl: 300 });
      assert.ok(Number.isInteger(first.value));
      assert.equal((await call("fetch", { key, ttl: 300 })).value, first.value);
      const { loader } = await call("fetch", { key: fresh(), ttl: 300, loader: "fail" });
      assert.equal(loader, "the loader's own error");
      await worker.fault("kv");
    });
  }
});

describe("the edge cache and KV", () => {
  test("both gone: every call is the loader's, and none an error", async () => {
    await worker.fault("kv", { status: 500 });
    await worker.fault("cache", { status: 500 });
    const key = fresh();
    for (let n = 0; n < 3; n++) assert.ok(Number.isInteger((await call("fetch", { key, ttl: 300 })).value));
    const { values } = await call("many", { keys: `${fresh()},${fresh()}`, ttl: 300 });
    assert.deepEqual(values.map(([word]) => word), ["loaded", "loaded"]);
  });
});
