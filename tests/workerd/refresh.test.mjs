// The refresh of a stale answer that two isolates of one data centre want at once.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually, RawFixture } from "./raw.mjs";

let isolates;
before(async () => {
  const first = await RawFixture.start();
  isolates = [first, await RawFixture.start({ beside: first })];
});
after(() => isolates.reverse().forEach((isolate) => isolate.stop()));

// One site: the host is part of the key.
const options = { headers: { host: "lease.test" } };
const path = (key) => `/lease-${key}?count=1&delay=200&header=Cache-Control:max-age%3D1,stale-while-revalidate%3D60`;

/** Stale answers for all of `keys` in the tiers that both share. */
async function goStale(keys) {
  const [one] = isolates;
  await Promise.all(keys.map((key) => one.get(`/fetch${path(key)}`, options)));
  await one.settled();
  await sleep(1_300);
}

async function herd(isolate, key) {
  for (const { status, cache, text } of await isolate.herd(50, `/fetch${path(key)}`, options)) {
    assert.equal(status, 200);
    assert.equal(cache.hit, true, JSON.stringify(cache));
    assert.ok(["1", "2", "3"].includes(text), text);
  }
}

test("50 requests for a stale answer at each of two isolates: an isolate asks once at most", async (t) => {
  const keys = Array.from({ length: 10 }, (_, n) => `at-once-${n}`);
  await goStale(keys);
  const calls = [];
  for (const key of keys) {
    await Promise.all(isolates.map((isolate) => herd(isolate, key)));
    await isolates[0].settled(undefined, 300);
    calls.push((await isolates[0].calls(path(key))) - 1);
  }
  t.diagnostic(`${keys.length} keys: two calls for ${calls.filter((n) => n === 2).length} of them, one for the rest`);
  for (const n of calls) assert.ok(n === 1 || n === 2, `${n} calls`);
});

test("... and while one asks already, the other leaves it to him", async () => {
  const keys = ["first", "second", "third"];
  await goStale(keys);
  const [one, other] = isolates;
  for (const key of keys) {
    await herd(one, key);
    await eventually(async () => (await one.calls(path(key))) === 2);
    await herd(other, key);
    await one.settled(undefined, 300);
    assert.equal(await one.calls(path(key)), 2);
  }
});
