// Freshness, and what happens past it. Times are real: the tables have routes that are fresh for one second.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertForwarded, assertHit, Fixture } from "./harness.mjs";

let worker;
before(async () => (worker = await Fixture.start()));
after(() => worker.stop());

const PAST_FRESH = 1_300;

test("past its lifetime an entry is fetched anew", async () => {
  await worker.ask("/expire/a");
  await sleep(PAST_FRESH);
  const answer = await worker.ask("/expire/a");
  assertForwarded(answer);
  assert.equal(answer.text, "2");
});

test("stale while revalidate: the old answer at once, then the new one", async () => {
  await worker.ask("/swr/a");
  await sleep(PAST_FRESH);
  const stale = await worker.get("/swr/a");
  assert.equal(stale.text, "1");
  assertHit(stale);
  assert.ok(Number(stale.cache.ttl) <= 0, `a ttl that is over: ${stale.headers["cache-status"]}`);
  await worker.settled();
  assert.equal(await worker.runs("/swr/a"), 2);
  const fresh = await worker.ask("/swr/a");
  assert.equal(fresh.text, "2");
});

test("... from L2 as well", async () => {
  await worker.ask("/swr/l2");
  await sleep(PAST_FRESH);
  await worker.emptyL1();
  const stale = await worker.ask("/swr/l2");
  assert.equal(stale.text, "1");
  assertHit(stale, "l2");
  assert.equal((await worker.ask("/swr/l2")).text, "2");
});

test("... and 16 stale answers at once make one refresh", async () => {
  await worker.ask("/swr/herd");
  await sleep(PAST_FRESH);
  const answers = await Promise.all(Array.from({ length: 16 }, () => worker.get("/swr/herd")));
  for (const answer of answers) assert.equal(answer.status, 200);
  await worker.settled();
  assert.equal(await worker.runs("/swr/herd"), 2);
});

test("stale if error: the old answer while the application fails", async () => {
  await worker.ask("/flaky/a");
  await worker.get("/__admin/fail/on");
  await sleep(PAST_FRESH);
  const answer = await worker.ask("/flaky/a");
  assert.equal(answer.status, 200);
  assert.equal(answer.text, "1");
  const never = await worker.ask("/flaky/never-seen");
  assert.equal(never.status, 503);
  await worker.get("/__admin/fail/off");
  // What has just failed rests for 2 s.
  await sleep(2_100);
  assert.notEqual((await worker.ask("/flaky/a")).text, "1");
});

test("Age tells how old an answer is", async () => {
  await worker.ask("/count/age");
  await sleep(1_100);
  const answer = await worker.ask("/count/age");
  assert.ok(Number(answer.headers.age) >= 1, `Age: ${answer.headers.age}`);
  assert.ok(Number(answer.cache.ttl) <= 59);
});
