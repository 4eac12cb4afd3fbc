// The refresh of a stale answer that two isolates of one data centre want at once.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { RawFixture } from "./raw.mjs";

let isolates;
before(async () => {
  const first = await RawFixture.start();
  isolates = [first, await RawFixture.start({ beside: first })];
});
after(() => isolates.reverse().forEach((isolate) => isolate.stop()));

test("50 requests for a stale answer at each of two isolates: hardly ever more than one call of the origin", async (t) => {
  const [one] = isolates;
  const KEYS = 10;
  // One site: the host is part of the key.
  const options = { headers: { host: "lease.test" } };
  const path = (key) => `/lease${key}?count=1&delay=100&header=Cache-Control:max-age%3D1,stale-while-revalidate%3D60`;
  const keys = Array.from({ length: KEYS }, (_, key) => key);
  await Promise.all(keys.map((key) => one.get(`/fetch${path(key)}`, options)));
  await one.settled();
  await sleep(1_300);
  const calls = [];
  for (const key of keys) {
    const answers = (await Promise.all(isolates.map((isolate) => isolate.herd(50, `/fetch${path(key)}`, options)))).flat();
    for (const { status, cache, text } of answers) {
      assert.equal(status, 200);
      assert.equal(cache.hit, true, JSON.stringify(cache));
      assert.ok(["1", "2", "3"].includes(text), text);
    }
    await one.settled();
    calls.push((await one.calls(path(key))) - 1);
  }
  const twice = calls.filter((n) => n === 2).length;
  t.diagnostic(`${KEYS} keys: two calls for ${twice} of them, one for the rest`);
  for (const n of calls) assert.ok(n === 1 || n === 2, `${n} calls`);
});
