// Tables from outside the code: a variable, a document in KV; and the page that tells of them.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertForwarded, assertHit, Fixture } from "./harness.mjs";

const table = "live";
const document = (routes, more = {}) =>
  JSON.stringify({ app: "live", version: 1, cache_status: "full", hot: { budget: 0 }, routes, ...more });
const cached = document([{ path: "/count/:name", ttl: "60s" }]);

describe("a document in KV", () => {
  let worker;
  before(async () => (worker = await Fixture.start({ vars: { ADMIN_TOKEN: "s3cret" } })));
  after(() => worker.stop());

  const ask = (path) => worker.ask(path, { table });
  const page = async () => JSON.parse((await worker.get("/__cache/stats", { table, headers: { authorization: "Bearer s3cret" } })).text);

  /** Puts the document there, or takes it away, and waits until the isolate has looked twice: the first may have begun before. */
  async function publish(text) {
    const kv = await worker.kv();
    await (text === undefined ? kv.delete("cache-table") : kv.put("cache-table", text));
    const looks = new Set();
    for (const since = Date.now(); looks.size < 2; await sleep(60)) {
      const { looked_up } = (await page()).table;
      if (looked_up > since) looks.add(looked_up);
      assert.ok(Date.now() - since < 10_000, "the isolate does not look for the document");
    }
  }

  test("replaces the table of the code, and its going brings that back", async () => {
    await ask("/count/a");
    assertForwarded(await ask("/count/a"));
    assert.deepEqual({ ...(await page()).table, looked_up: 0 }, { is_live: false, taken: null, looked_up: 0, error: null });

    await publish(cached);
    assertForwarded(await ask("/count/a"), "uri-miss");
    assertHit(await ask("/count/a"), "l1");
    const { table: told, stats } = await page();
    assert.equal(told.is_live, true);
    assert.equal(told.error, null);
    assert.ok(told.looked_up >= told.taken && Date.now() - told.taken < 60_000);
    assert.ok(stats.routes["/count/:name"].hit_l1 >= 1);
    assert.ok(stats.routes["(fallback)"].miss >= 2, "what was counted before goes on");

    await publish(undefined);
    for (let i = 0; i < 2; i++) assertForwarded(await ask("/count/z"));
    const after = await page();
    assert.equal(after.table.is_live, false);
    assert.ok(after.stats.routes["(former)"].hit_l1 >= 1);
    assert.ok(after.stats.requests > stats.requests);
  });

  test("that is wrong is not taken: the last good one stays, and the page says why", async () => {
    await publish(cached);
    await ask("/count/b");
    assertHit(await ask("/count/b"), "l1");
    const { taken } = (await page()).table;
    for (const [wrong, why] of [
      ["{", "line 1"],
      [document([{ path: "/count/:name", ttl: "60s", anonimous: true }]), "anonymous"],
      [document([{ path: "/count/:name", ttl: "60s" }, { path: "/count/:name", ttl: "5s" }]), "/count/:name"],
      [document([{ path: "/count/:name", ttl: 0 }]), "ttl"],
    ]) {
      await publish(wrong);
      assertHit(await ask("/count/b"), "l1");
      const { table: told } = await page();
      assert.deepEqual([told.is_live, told.taken], [true, taken]);
      assert.ok(told.error.includes(why), told.error);
    }
    await publish(cached.replace("60s", "61s"));
    assert.equal((await page()).table.error, null);
  });

  test("may raise the version: nothing stored before is served", async () => {
    await publish(cached);
    await ask("/count/c");
    assertHit(await ask("/count/c"), "l1");
    await publish(document([{ path: "/count/:name", ttl: "60s" }], { version: 2 }));
    assertForwarded(await ask("/count/c"), "uri-miss");
    await publish(cached);
    assertHit(await ask("/count/c"), "l1");
  });

  test("does not undo a change made a moment before", async () => {
    await publish(cached);
    await ask("/count/d");
    await worker.get("/count/d", { table, method: "POST" });
    await publish(cached.replace("60s", "62s"));
    assertForwarded(await ask("/count/d"), "uri-miss");
  });

  test("the page is there for who has the token; to all others it is what the application makes of it", async () => {
    const plain = await worker.get("/__nothing/stats", { table });
    for (const headers of [{}, { authorization: "Bearer s3cre" }, { authorization: "Bearer s3cret2" }, { authorization: "Basic s3cret" }, { authorization: "Bearer " }]) {
      const answer = await worker.get("/__cache/stats", { table, headers });
      assert.deepEqual([answer.status, answer.text], [plain.status, plain.text]);
      assert.equal(answer.status, 404);
    }
    const headers = { authorization: "Bearer s3cret" };
    const answer = await worker.get("/__cache/stats", { table, headers });
    assert.deepEqual([answer.status, answer.headers["cache-control"]], [200, "private, no-store"]);
    for (const [path, method] of [["/__cache/stats", "POST"], ["/__cache/stats/", "GET"], ["/__cache", "GET"]]) {
      assert.equal((await worker.get(path, { table, headers, method })).status, 404, `${method} ${path}`);
    }
    // Where it is not mounted there is none.
    assert.equal((await worker.get("/__cache/stats", { headers })).status, 404);
  });
});

test("without a secret there is no page", async () => {
  const worker = await Fixture.start();
  try {
    for (const token of ["", "undefined", "s3cret"]) {
      assert.equal((await worker.get("/__cache/stats", { table, headers: { authorization: `Bearer ${token}` } })).status, 404);
    }
  } finally {
    await worker.stop();
  }
});

test("a table in a variable is that of the isolate", async () => {
  const worker = await Fixture.start({ vars: { CACHE_TABLE: cached } });
  try {
    assertForwarded(await worker.ask("/count/v", { table }), "uri-miss");
    assertHit(await worker.ask("/count/v", { table }), "l1");
  } finally {
    await worker.stop();
  }
});
