// Many visitors who want the same at once: one call of the origin, and everybody gets what he asked for. On workerd itself.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { assertHit, assertSameBytes, pattern } from "./harness.mjs";
import { assertWhole, eventually, letters, RawFixture, tally } from "./raw.mjs";

const FRESH = "header=Cache-Control:max-age%3D60";

// What wakes a follower: the leader, or its own clock where no promise of one request is resolved by another.
for (const [name, options] of [
  ["followers are woken", {}],
  ["followers look again", { flags: ["no_handle_cross_request_promise_resolution"] }],
  ["followers are woken by promises", { wakes: "promises" }],
]) {
  describe(name, () => {
    let worker;
    before(async () => (worker = await RawFixture.start(options)));
    after(() => worker.stop());

    for (const table of ["cold/herd", "hot/herd"]) {
      const kind = table.split("/")[0];

      test(`200 misses are one call of the origin (${kind} table)`, async () => {
        const path = `/${kind}?size=3000&delay=800&${FRESH}`;
        const [answers, whole] = [await worker.herd(200, `/fetch${path}`, { table }), letters(3000)];
        for (const answer of answers) assertWhole(answer, whole);
        assert.equal(await worker.calls(path), 1);
        const { asked, collapsed, hit } = tally(answers);
        assert.deepEqual([asked, collapsed + hit], [1, 199]);
        assert.ok(collapsed > 150, `${collapsed} of them waited`);
        const leader = answers.find(({ cache }) => !cache.collapsed && !cache.hit);
        assert.equal(leader.cache.fwd, "uri-miss");
        for (const { cache, headers } of answers.filter(({ cache }) => cache.collapsed)) {
          assert.match(headers["cache-status"], /^layercake; fwd=uri-miss; .*collapsed/);
          assert.ok(Number(cache.ttl) > 50 && headers.age !== undefined, headers["cache-status"]);
        }
        const counted = (await worker.stats(table)).routes["(fallback)"];
        assert.deepEqual([counted.miss, counted.collapsed], [1, collapsed]);
        assertHit(await worker.ask(`/fetch${path}`, { table }), kind === "hot" ? "hot" : "l1");
      });

      test(`... and one run of a handler (${kind} table)`, async () => {
        const whole = pattern(60_000);
        const herd = async (body) => {
          const path = `/law/minute/${kind}?size=60000&kind=${body}&delay=600`;
          const answers = await worker.herd(70, path, { table });
          for (const answer of answers) assertWhole(answer, whole);
          assert.equal(await worker.runs(path), 1, body);
          assert.equal(tally(answers).asked, 1, body);
        };
        await Promise.all(["bytes", "stream", "fixed"].map(herd));
      });
    }

    // What each asks for, and what it gets of 5,000 bytes.
    const wants = {
      "the whole": [{}, (answer) => assertWhole(answer, pattern(5000))],
      HEAD: [{ method: "HEAD" }, ({ status, body, headers }) => assert.deepEqual([status, body.length, headers.etag], [200, 0, '"v1"'])],
      "what has changed": [
        { headers: { "if-none-match": '"v1"' } },
        ({ status, body, headers }) => assert.deepEqual([status, body.length, headers.etag], [304, 0, '"v1"']),
      ],
      "what has changed since another version": [
        { headers: { "if-none-match": '"v0"' } },
        (answer) => assertWhole(answer, pattern(5000)),
      ],
      "a part": [
        { headers: { range: "bytes=1000-1999" } },
        ({ status, body, headers }) => {
          assert.deepEqual([status, headers["content-range"]], [206, "bytes 1000-1999/5000"]);
          assertSameBytes(body, pattern(5000).subarray(1000, 2000));
        },
      ],
      "a part that is not there": [
        { headers: { range: "bytes=5000-" } },
        ({ status, headers }) => assert.deepEqual([status, headers["content-range"]], [416, "bytes */5000"]),
      ],
    };

    test("whatever the first and the others want: each gets it, of one run", async () => {
      const herd = async ([leads, [options, suits]]) => {
        const path = `/law/minute/wants?size=5000&etag=1&delay=600&${encodeURIComponent(leads)}`;
        const leader = worker.get(path, options);
        await eventually(() => worker.runs(path));
        const follow = async ([options, suits]) => {
          const answer = await worker.get(path, options);
          suits(answer);
          return answer;
        };
        const followers = await Promise.all(Object.values(wants).flatMap((want) => Array.from({ length: 5 }, () => follow(want))));
        suits(await leader);
        assert.equal(await worker.runs(path), 1, `${leads} first`);
        assert.deepEqual(tally(followers), { asked: 0, collapsed: followers.length, hit: 0 }, `${leads} first`);
      };
      await Promise.all(Object.entries(wants).map(herd));
    });

    test("variants: each gets its own, of one run each", async () => {
      const path = "/law/minute/tongues?vary=accept-language&delay=400";
      const tongues = ["en", "it", "de"];
      const answers = await worker.herd(90, path, (i) => ({ headers: { "accept-language": tongues[i % 3] } }));
      answers.forEach(({ text }, i) => assert.match(text, new RegExp(`accept-language=${tongues[i % 3]}$`)));
      assert.equal(await worker.runs(path), 3);
      assert.equal(tally(answers).asked, 3);
    });
  });
}

describe("what is not shared, and what is not waited for", () => {
  let worker;
  before(async () => (worker = await RawFixture.start()));
  after(() => worker.stop());
  beforeEach(() => worker.reset());

  // Answers that are for nobody else.
  for (const said of ["Cache-Control:no-store", "Cache-Control:private", "Set-Cookie:id%3D1"]) {
    test(`answers with ${said} are nobody else's, and wait for nobody after the first`, async (t) => {
      const path = `/law/minute/apart?delay=200&said=${said}`;
      const took = [];
      for (const wave of [1, 2]) {
        const started = Date.now();
        const answers = await worker.herd(50, path);
        took.push(Date.now() - started);
        assert.equal(new Set(answers.map(({ text }) => text)).size, 50);
        assert.deepEqual(tally(answers), { asked: 50, collapsed: 0, hit: 0 });
        assert.equal(await worker.runs(path), 50 * wave);
      }
      t.diagnostic(`50 answers of 200 ms each: ${took[0]} ms, again: ${took[1]} ms`);
      // One behind another they would take 10 s.
      assert.ok(took[0] < 4_000 && took[1] < 4_000);
    });
  }

  test("... not even while the next one is under way", async () => {
    const path = `/apart?header=Cache-Control:no-store`;
    await worker.herd(2, `/fetch${path}`);
    const before = await worker.calls(path);
    await worker.fault("origin", { hang: true });
    const wave = Array.from({ length: 50 }, () => worker.open(`/fetch${path}`));
    await eventually(async () => (await worker.calls(path)) === before + 50);
    for (const visitor of wave) visitor.leave();
    await worker.fault("origin");
  });

  test("a large body of known length is not waited for", async () => {
    const path = `/large?size=2000000&piece=100000&pause=150&${FRESH}`;
    const started = Date.now();
    const leader = worker.open(`/fetch${path}`);
    await leader.head;
    const followers = Array.from({ length: 10 }, () => worker.open(`/fetch${path}`));
    for (const follower of followers) assert.equal((await follower.head).status, 200);
    assert.ok(leader.size < 2_000_000, "the leader's body is still on the way");
    assert.ok(Date.now() - started < 4_000, "before the leader's lease is over");
    for (const visitor of [leader, ...followers]) {
      assert.equal(await visitor.whole, true);
      assert.equal(visitor.size, 2_000_000);
    }
    await eventually(async () => (await worker.get(`/fetch${path}`)).cache.detail === "l1");
  });

  test("... a slow one of unknown length for a second", async () => {
    const path = "/law/minute/slow?size=500000&kind=stream&pace=500";
    const started = Date.now();
    const leader = worker.open(path);
    await eventually(() => worker.runs(path));
    const followers = Array.from({ length: 10 }, () => worker.open(path));
    for (const follower of followers) assert.equal((await follower.head).status, 200);
    assert.ok(leader.size < 500_000, "the leader's body is still on the way");
    assert.ok(Date.now() - started < 4_000, "before the leader's lease is over");
    for (const visitor of [leader, ...followers]) visitor.leave();
  });

  test("a large one that comes quickly is taken from L1 by those who wait", async (t) => {
    const path = `/quick?size=2000000&delay=300&${FRESH}`;
    const answers = await worker.herd(50, `/fetch${path}`);
    for (const { body, complete } of answers) assert.ok(complete && body.length === 2_000_000);
    t.diagnostic(`origin calls: ${await worker.calls(path)}`);
    assert.ok((await worker.calls(path)) <= 5, `${await worker.calls(path)} calls`);
  });

  test("a large buffer is shared", async () => {
    const path = "/law/minute/buffer?size=2000000&delay=500";
    const [answers, whole] = [await worker.herd(30, path), pattern(2_000_000)];
    for (const answer of answers) assertWhole(answer, whole);
    assert.equal(await worker.runs(path), 1);
  });

  // Who is asking.
  test("credentials: everybody gets his own answer, strangers share one", async () => {
    const path = "/law/minute/who?tell=authorization,cookie&delay=500";
    const who = (i) => [{}, { authorization: `Bearer ${i}` }, { cookie: `session=${i}` }][i % 3];
    for (const wave of [1, 2]) {
      const answers = await worker.herd(120, path, (i) => ({ headers: who(i) }));
      answers.forEach(({ text, cache }, i) => {
        const { authorization = "-", cookie = "-" } = who(i);
        assert.ok(text.endsWith(` authorization=${authorization} cookie=${cookie}`), text);
        if (i % 3) assert.deepEqual([cache.collapsed, cache.hit], [undefined, undefined]);
      });
      assert.equal(await worker.runs(path), 1 + wave * 80);
    }
  });

  test("... also where the answer says that it is public", async () => {
    const path = "/law/headers/who?tell=authorization&delay=500&said=Cache-Control:public,max-age%3D60";
    const answers = await worker.herd(30, path, (i) => ({ headers: { authorization: `Bearer ${i}` } }));
    answers.forEach(({ text }, i) => assert.ok(text.endsWith(` authorization=Bearer ${i}`), text));
    assert.equal(await worker.runs(path), 30);
  });
});

// A follower's promise must go on within its own request however often it was made before: code that V8 has optimised once
// lost that, after some six thousand.
test("twelve thousand followers in one isolate", async () => {
  const worker = await RawFixture.start();
  try {
    for (let burst = 0; burst < 60; burst++) {
      const path = `/law/minute/burst-${burst}?delay=30`;
      const answers = await worker.herd(200, path);
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]), `burst ${burst}`);
      // One that comes between the answer and its being stored asks again.
      assert.ok((await worker.runs(path)) <= 2, `burst ${burst}`);
    }
  } finally {
    worker.stop();
  }
});
