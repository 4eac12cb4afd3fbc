// Which tier answers, and what it does for the others.
import assert from "node:assert/strict";
import { Agent } from "node:http";
import { after, before, test } from "node:test";
import { assertForwarded, assertHit, Fixture } from "./harness.mjs";

let worker;
before(async () => (worker = await Fixture.start()));
after(() => worker.stop());

test("the first answer is the application's, and is stored", async () => {
  const answer = await worker.ask("/count/cold");
  assertForwarded(answer, "uri-miss");
  assert.equal(answer.cache.stored, true);
  assert.equal(answer.text, "1");
});

test("L1 answers the second request", async () => {
  await worker.ask("/count/l1");
  const answer = await worker.ask("/count/l1");
  assertHit(answer, "l1");
  assert.equal(answer.text, "1");
  assert.ok(Number(answer.cache.ttl) <= 60 && Number(answer.cache.ttl) > 50);
  assert.equal(await worker.runs("/count/l1"), 1);
});

test("L2 answers when L1 has lost the entry, and L1 gets it back", async () => {
  await worker.ask("/count/l2");
  await worker.emptyL1();
  const second = await worker.ask("/count/l2");
  assertHit(second, "l2");
  assert.equal(second.text, "1");
  assertHit(await worker.ask("/count/l2"), "l1");
  assert.equal(await worker.runs("/count/l2"), 1);
});

test("L1 alone serves when L2 has lost the entry", async () => {
  await worker.ask("/count/no-l2");
  await worker.emptyL2();
  assertHit(await worker.ask("/count/no-l2"), "l1");
});

test("an entry that all tiers lost is fetched anew", async () => {
  await worker.ask("/count/lost");
  await worker.emptyL1();
  await worker.emptyL2();
  const answer = await worker.ask("/count/lost");
  assertForwarded(answer, "uri-miss");
  assert.equal(answer.text, "2");
});

test("the hot tier answers first, where there is one", async () => {
  await worker.ask("/count/hot", { table: "hot" });
  await worker.emptyL1();
  await worker.emptyL2();
  const answer = await worker.ask("/count/hot", { table: "hot" });
  assertHit(answer, "hot");
  assert.equal(answer.text, "1");
});

test("the query is part of the key, and the order of its parameters too", async () => {
  await worker.ask("/count/query?a=1");
  for (const path of ["/count/query", "/count/query?a=2", "/count/query?a=1&b=1", "/count/query?b=1&a=1"]) {
    assertForwarded(await worker.ask(path), "uri-miss");
  }
  assertHit(await worker.ask("/count/query?a=1"), "l1");
});

test("without a KV binding L1 works, and nothing fails", async () => {
  const without = { kv: "NOT_BOUND" };
  const keys = (await (await worker.kv()).list()).keys.length;
  assertForwarded(await worker.ask("/count/no-kv", without), "uri-miss");
  assertHit(await worker.ask("/count/no-kv", without), "l1");
  assert.equal((await (await worker.kv()).list()).keys.length, keys);
});

test("two applications in one namespace do not see each other's entries", async () => {
  await worker.ask("/count/shared");
  const other = await worker.ask("/count/shared", { table: "other-app" });
  assertForwarded(other, "uri-miss");
  assert.equal(other.text, "2");
  await worker.emptyL1();
  assert.equal((await worker.ask("/count/shared")).text, "1");
  assert.equal((await worker.ask("/count/shared", { table: "other-app" })).text, "2");
});

test("another schema version does not see the entries of the last", async () => {
  await worker.ask("/count/version");
  const next = await worker.ask("/count/version", { table: "next-version" });
  assertForwarded(next, "uri-miss");
  assert.equal(next.text, "2");
});

test("with a wrong table nothing is cached and the application works", async () => {
  for (const run of ["1", "2"]) {
    const answer = await worker.ask("/count/wrong-table", { table: "wrong" });
    assert.equal(answer.status, 200);
    assert.equal(answer.text, run);
  }
});

test("each request is counted once", async () => {
  const table = "next-version";
  const route = (stats) => stats.routes["/count/:name"] ?? {};
  const before = route(await worker.stats(table));
  await worker.ask("/count/counted", { table });
  await worker.ask("/count/counted", { table });
  await worker.emptyL1();
  await worker.ask("/count/counted", { table });
  const counted = route(await worker.stats(table));
  const delta = (event) => (counted[event] ?? 0) - (before[event] ?? 0);
  assert.deepEqual([delta("miss"), delta("hit_l1"), delta("hit_l2")], [1, 1, 1]);
});

test("64 requests at once for one entry: all are answered, then it is cached", async () => {
  const agent = new Agent({ maxSockets: 64 });
  const answers = await Promise.all(Array.from({ length: 64 }, () => worker.get("/slow/300", { agent })));
  agent.destroy();
  for (const answer of answers) assert.equal(answer.status, 200);
  await worker.settled();
  const runs = await worker.runs("/slow/300");
  assertHit(await worker.ask("/slow/300"), "l1");
  assert.equal(await worker.runs("/slow/300"), runs);
});

test("64 requests at once for 64 entries all get their own", async () => {
  const agent = new Agent({ maxSockets: 64 });
  const all = () => Promise.all(Array.from({ length: 64 }, (_, i) => worker.get(`/bytes/${1000 + i}`, { agent })));
  for (let round = 0; round < 3; round++) {
    (await all()).forEach((answer, i) => {
      assert.equal(answer.status, 200);
      assert.equal(answer.body.length, 1000 + i);
    });
  }
  agent.destroy();
});
