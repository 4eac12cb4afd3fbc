// Stored answers that the handler is asked about again, and its 304 (RFC 9111 section 4.3), on workerd with the stand-ins:
// they count what is written where.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { CORE, assertForwarded, assertHit, assertSameBytes, pattern } from "./harness.mjs";
import { RawFixture } from "./raw.mjs";

let worker;
before(async () => (worker = await RawFixture.start()));
after(() => worker.stop());
beforeEach(() => worker.reset());

/** Longer than an answer is fresh under `/law/blink`, `/law/brief` and `/law/behind`. */
const pastFresh = () => sleep(230);

const seen = async (path) => JSON.parse((await worker.get("/__admin/seen")).text)[path] ?? [];
const lastSeen = async (path) => (await seen(path)).at(-1);

/** Changes what is at `path` without the cache's knowledge. */
const changeBehind = (path) => worker.get(`/__admin/next${path.split("?")[0]}`);

/** An answer for which the handler said 304. */
function assertConfirmed(answer) {
  assertForwarded(answer, "stale");
  assert.equal(answer.cache["fwd-status"], "304");
  assert.equal(answer.status, 200);
  assert.ok(answer.complete);
}

for (const [name, script, condition, value] of [
  ["an entity tag", "etag=1", "if-none-match", '"v1"'],
  ["a date", "modified=1", "if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"],
]) {
  test(`${name} goes to the handler, and its 304 makes the stored answer fresh again`, async () => {
    const path = `/law/blink/asked?${script}`;
    assert.equal((await worker.ask(path)).text, "v1 run1");
    assert.equal((await lastSeen(path)).headers[condition], undefined);
    await pastFresh();
    const renewed = await worker.get(path);
    assertConfirmed(renewed);
    assert.equal(renewed.text, "v1 run1");
    assert.equal((await lastSeen(path)).headers[condition], value);
    const next = await worker.get(path);
    assertHit(next, "l1");
    assert.equal(next.text, "v1 run1");
    assert.equal(await worker.runs(path), 2);
  });
}

test("what has changed is fetched whole by the same question, and written to both tiers", async () => {
  const path = "/law/blink/changed?etag=1";
  await worker.ask(path);
  await changeBehind(path);
  await pastFresh();
  const { answer, l1, l2 } = await worker.costs(path);
  assertForwarded(answer, "stale");
  assert.equal(answer.text, "v2 run2");
  assert.equal(answer.headers.etag, '"v2"');
  assert.deepEqual([l1.put, l2.put], [1, 1]);
  assert.equal((await lastSeen(path)).headers["if-none-match"], '"v1"');
  await worker.emptyL1();
  assert.equal((await worker.ask(path)).text, "v2 run2");
});

test("a client's own validator is not the handler's business, and is answered after a 304 too", async () => {
  const path = "/law/blink/own?etag=1";
  await worker.ask(path);
  await pastFresh();
  const mine = await worker.ask(path, { headers: { "if-none-match": '"v1"' } });
  assert.equal(mine.status, 304);
  assert.equal(mine.headers.etag, '"v1"');
  const other = await worker.get(path, { headers: { "if-none-match": '"v0"' } });
  assert.equal(other.status, 200);
  assert.equal(other.text, "v1 run1");
  await pastFresh();
  assert.equal((await worker.get(path, { headers: { "if-none-match": '"v0"' } })).text, "v1 run1");
  assert.equal((await lastSeen(path)).headers["if-none-match"], '"v1"');
});

const bodies = {
  "1 KB": ["size=1000", 1_000],
  "2 MB": ["size=2000000", 2_000_000],
  "a stream of 2 MB": ["size=2000000&kind=stream", 2_000_000],
};

for (const [name, [script, n]] of Object.entries(bodies)) {
  test(`${name}: after a 304 L1 is written again and KV is not, and the body is the same from both`, async () => {
    const path = `/law/blink/body?etag=1&${script}`;
    await worker.ask(path);
    for (const prepare of [() => {}, () => worker.emptyL1(), () => {}]) {
      await prepare();
      await pastFresh();
      const { answer, l1, l2 } = await worker.costs(path);
      assertConfirmed(answer);
      assertSameBytes(answer.body, pattern(n));
      assert.equal(l1.put, 1);
      assert.equal(l2.put, undefined);
      // It is whole in L1, whether still fresh or not.
      const again = await worker.ask(path);
      assert.ok(again.complete);
      assertSameBytes(again.body, pattern(n));
    }
    await worker.emptyL1();
    const fromKv = await worker.ask(path);
    assert.equal(fromKv.status, 200);
    assertSameBytes(fromKv.body, pattern(n));
  });

  test(`${name}: KV is not written, however often the answer expires`, async () => {
    const path = `/law/blink/often?etag=1&${script}`;
    await worker.ask(path);
    const [stored] = await worker.dump("kv");
    await worker.forgetCounters();
    for (let i = 0; i < 6; i++) {
      await pastFresh();
      const answer = await worker.ask(path);
      assertConfirmed(answer);
      assertSameBytes(answer.body, pattern(n));
    }
    const { cache, kv } = await worker.counters();
    assert.equal(cache.stored, 6);
    assert.equal(kv.put ?? 0, 0);
    assert.equal((await worker.dump("kv"))[0].metadata, stored.metadata);
  });

  test(`${name}: renewed behind the response`, async () => {
    const path = `/law/behind/swr?etag=1&${script}`;
    await worker.ask(path);
    await worker.forgetCounters();
    for (let i = 1; i <= 3; i++) {
      await pastFresh();
      const stale = await worker.ask(path);
      assertHit(stale, "l1");
      assertSameBytes(stale.body, pattern(n));
      assert.equal((await lastSeen(path)).headers["if-none-match"], '"v1"');
      assert.equal(await worker.runs(path), 1 + i);
    }
    // Each refresh puts up a marker, with the core none, and the renewed entry.
    await worker.settled(undefined, 500);
    const { cache, kv } = await worker.counters();
    assert.deepEqual([cache.stored, kv.put ?? 0], [CORE ? 3 : 6, 0]);
    // From KV the same, and L1 has it again.
    await worker.emptyL1();
    const fromKv = await worker.ask(path);
    assertHit(fromKv, "l2");
    assertSameBytes(fromKv.body, pattern(n));
    const fromL1 = await worker.ask(path);
    assertHit(fromL1, "l1");
    assertSameBytes(fromL1.body, pattern(n));
    assert.equal((await worker.counters()).kv.put ?? 0, 0);
    const { revalidated, revalidation_failed } = (await worker.stats()).routes["/law/behind/:name"];
    assert.ok(revalidated >= 3);
    assert.equal(revalidation_failed ?? 0, 0);
  });
}

test("a refresh behind the response makes the answer fresh", async () => {
  const path = "/law/behind/fresh?etag=1";
  await worker.ask(path);
  await pastFresh();
  assert.ok(Number((await worker.get(path)).cache.ttl) <= 0);
  // Asked until the refresh is through; it is given no time to become stale again.
  for (let i = 0; i < 50; i++) {
    const answer = await worker.get(path);
    assertHit(answer, "l1");
    if (Number(answer.headers.age) === 0 && (await worker.runs(path)) === 2 && !answer.cache.ttl.startsWith("-")) return;
    await sleep(2);
  }
  assert.fail("still stale");
});

test("what a refresh behind the response finds changed replaces the old in both tiers", async () => {
  const path = "/law/behind/changed?etag=1";
  await worker.ask(path);
  await changeBehind(path);
  await pastFresh();
  assert.equal((await worker.ask(path)).text, "v1 run1");
  const next = await worker.ask(path);
  assert.equal(next.text, "v2 run2");
  assert.equal(next.headers.etag, '"v2"');
  await worker.emptyL1();
  assert.equal((await worker.ask(path)).text, "v2 run2");
});

test("before KV lets the copy go it is written again: once in a while of keep", async () => {
  // Fresh for 0.2 s, kept for 2 s.
  const path = "/law/brief/keep?etag=1";
  await worker.ask(path);
  await worker.forgetCounters();
  const written = [];
  const started = Date.now();
  for (let renewals = 0; renewals < 20; renewals++) {
    await pastFresh();
    const answer = await worker.ask(path);
    assert.equal(answer.text, "v1 run1");
    const { kv } = await worker.counters();
    while (written.length < (kv.put ?? 0)) written.push(Date.now() - started);
    if (written.length === 2) break;
  }
  assert.equal(written.length, 2);
  assert.ok(written[0] > 1_500 && written[0] < 3_500, `after ${written[0]} ms`);
  assert.ok(written[1] - written[0] > 1_500 && written[1] - written[0] < 3_500, `after ${written[1] - written[0]} ms more`);
  assert.ok((await seen(path)).length > 10);
});

test("what KV is given then has the body and a later end", async () => {
  for (const [name, script, n] of [["small", "size=1000", 1_000], ["large", "size=600000&kind=stream", 600_000]]) {
    const path = `/law/brief/${name}?etag=1&${script}`;
    await worker.ask(path);
    const [first] = await worker.dump("kv");
    await sleep(2_050);
    await worker.ask(path);
    const [second] = await worker.dump("kv");
    assert.notEqual(second.metadata, first.metadata);
    assert.equal(second.size, first.size);
    await worker.emptyL1();
    assertSameBytes((await worker.ask(path)).body, pattern(n));
    await worker.emptyL2();
  }
});

test("a variant is confirmed and written on its own", async () => {
  const path = "/law/blink/variants?etag=1&vary=accept-language";
  const speaks = (language) => ({ headers: { "accept-language": language } });
  for (const language of ["en", "it"]) await worker.ask(path, speaks(language));
  const stored = await worker.dump("kv");
  assert.equal(stored.length, 2);
  for (let round = 0; round < 3; round++) {
    if (round === 1) await worker.emptyL1();
    await pastFresh();
    for (const [i, language] of ["en", "it"].entries()) {
      const answer = await worker.ask(path, speaks(language));
      assertConfirmed(answer);
      assert.equal(answer.text, `v1 run${i + 1} accept-language=${language}`);
    }
  }
  assert.deepEqual((await worker.dump("kv")).map(({ metadata }) => metadata), stored.map(({ metadata }) => metadata));
});

test("the fields of a 304 take the place of the stored ones, but for those of the bytes", async () => {
  const fields = {
    "new=Cache-Control": "max-age=1",
    "old=Cache-Control": "max-age=60",
    "new=X-Edition": "first",
    "old=X-Edition": "second",
    "new=X-Kept": "kept",
    "said=Content-Type": "text/special",
    "old=Content-Encoding": "br",
  };
  const script = Object.entries(fields).map(([name, value]) => `${name}:${encodeURIComponent(value)}`);
  const path = `/law/headers/fields?etag=1&size=5000&${script.join("&")}`;
  const first = await worker.ask(path);
  assert.equal(first.headers["x-edition"], "first");
  await sleep(1_100);
  const check = (answer) => {
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["x-edition"], "second");
    assert.equal(answer.headers["x-kept"], "kept");
    assert.equal(answer.headers["content-type"], "text/special");
    assert.equal(answer.headers["cache-control"], "max-age=60");
    assert.equal(answer.headers["content-encoding"], undefined);
    assert.equal(answer.headers.etag, '"v1"');
    assertSameBytes(answer.body, pattern(5000));
  };
  const renewed = await worker.ask(path);
  assertConfirmed(renewed);
  check(renewed);
  // The 304 gave it a minute.
  const hit = await worker.ask(path);
  assertHit(hit, "l1");
  check(hit);
  assert.ok(Number(hit.cache.ttl) > 50);
});

test("a 304 that forbids storing is obeyed in L1 and in KV", async () => {
  const path = "/law/blink/forbidden?etag=1&old=Cache-Control:no-store";
  await worker.ask(path);
  await pastFresh();
  const answer = await worker.ask(path);
  assertConfirmed(answer);
  assert.equal(answer.text, "v1 run1");
  assert.deepEqual([(await worker.dump("cache")).length, (await worker.dump("kv")).length], [0, 0]);
  assertForwarded(await worker.ask(path), "uri-miss");
});

for (const kind of ["gzip", "gzip&etag=1"]) {
  test(`what the handler compressed itself (${kind}) is the same after its 304, from L1 and from KV`, async () => {
    const path = `/law/blink/coded?modified=1&kind=${kind}`;
    const headers = { "accept-encoding": "gzip" };
    const check = (answer) => {
      assert.equal(answer.status, 200);
      assert.equal(answer.headers["content-encoding"], "gzip");
      assert.equal(gunzipSync(answer.body).toString(), "compressed by hand, ".repeat(1000));
    };
    check(await worker.ask(path, { headers }));
    for (let round = 0; round < 4; round++) {
      if (round === 2) await worker.emptyL1();
      await pastFresh();
      const renewed = await worker.ask(path, { headers });
      assertConfirmed(renewed);
      check(renewed);
      check(await worker.ask(path, { headers }));
    }
  });
}

test("a HEAD that finds the answer stale renews it for GET", async () => {
  const path = "/law/blink/head?etag=1&size=3000";
  await worker.ask(path);
  await pastFresh();
  const head = await worker.get(path, { method: "HEAD" });
  assert.equal(head.status, 200);
  assert.equal(head.body.length, 0);
  assert.ok(["3000", undefined].includes(head.headers["content-length"]));
  assert.equal((await lastSeen(path)).method, "GET");
  await worker.settled();
  assertSameBytes((await worker.ask(path)).body, pattern(3000));
  assert.equal((await seen(path)).filter(({ headers }) => headers["if-none-match"] === undefined).length, 1);
});

test("16 at once for what has expired: all get it whole", async () => {
  const path = "/law/blink/herd?etag=1&size=300000&kind=stream";
  await worker.ask(path);
  for (let round = 0; round < 3; round++) {
    await pastFresh();
    const answers = await Promise.all(Array.from({ length: 16 }, () => worker.get(path)));
    for (const answer of answers) {
      assert.equal(answer.status, 200);
      assert.ok(answer.complete);
      assertSameBytes(answer.body, pattern(300_000));
    }
    await worker.settled();
    if (round === 1) await worker.emptyL1();
  }
  assert.equal((await seen(path)).filter(({ headers }) => headers["if-none-match"] === undefined).length, 1);
});

test("a client that leaves while the answer is renewed does not spoil it", async () => {
  const { request } = await import("node:http");
  const n = 2_000_000;
  const path = `/law/blink/leaves?etag=1&size=${n}&kind=stream`;
  await worker.ask(path);
  for (let round = 0; round < 3; round++) {
    if (round === 2) await worker.emptyL1();
    await pastFresh();
    await new Promise((resolve) => {
      const leaving = request(worker.base + path, (response) => response.once("data", () => resolve(leaving.destroy())));
      leaving.on("error", () => {});
      leaving.end();
    });
    await worker.settled();
    const answer = await worker.ask(path);
    assert.equal(answer.status, 200);
    assert.ok(answer.complete);
    assertSameBytes(answer.body, pattern(n));
  }
});
