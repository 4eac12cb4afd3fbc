// Who leaves, fails or hangs while others wait for him. On workerd itself, which lets a Worker feel that its client is gone.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertHit, pattern } from "./harness.mjs";
import { assertWhole, eventually, letters, RawFixture, tally } from "./raw.mjs";

const FRESH = "header=Cache-Control:max-age%3D60";

for (const [name, options] of [
  ["followers are woken", {}],
  ["followers look again", { flags: ["no_handle_cross_request_promise_resolution"] }],
  ["followers are woken by promises", { wakes: "promises" }],
]) {
  describe(name, () => {
    let worker, last = 0;
    before(async () => (worker = await RawFixture.start(options)));
    after(() => worker.stop());

    /** Ends when `n` requests have looked into both tiers for nothing: from then on they ask, or wait. */
    const looked = (n) => eventually(async () => (await worker.counters()).kv.get >= n);

    /** The handler, and the origin: path, body, how often it was asked. */
    const sources = {
      handler: (script) => {
        const path = `/law/minute/left${++last}?size=3000&${script}`;
        return [path, pattern(3000), () => worker.runs(path)];
      },
      origin: (script) => {
        const path = `/left${++last}?size=3000&${FRESH}&${script}`;
        return [`/fetch${path}`, letters(3000), () => worker.calls(path)];
      },
    };

    for (const [source, of] of Object.entries(sources)) {
      test(`who asks the ${source} leaves before there is an answer: the others get it`, async () => {
        await worker.reset();
        const [path, body, asked] = of("delay=800");
        const leader = worker.open(path);
        await eventually(asked);
        const followers = worker.herd(20, path);
        await looked(21);
        leader.leave();
        for (const answer of await followers) {
          assertWhole(answer, body);
          assert.equal(answer.cache.collapsed, true);
        }
        assert.equal(await asked(), 1);
        assertHit(await worker.ask(path), "l1");
      });

      test(`half of those who wait for the ${source} leave: the rest get it`, async () => {
        await worker.reset();
        const [path, body, asked] = of("delay=800");
        const leader = worker.get(path);
        await eventually(asked);
        const [leaving, staying] = [Array.from({ length: 20 }, () => worker.open(path)), worker.herd(20, path)];
        await looked(41);
        for (const visitor of leaving) visitor.leave();
        for (const answer of [await leader, ...(await staying)]) assertWhole(answer, body);
        assert.equal(await asked(), 1);
      });

      test(`all who wait for the ${source} leave: its answer is stored all the same`, async () => {
        // What the test before has still to write is not what is waited for.
        await worker.settled();
        await worker.reset();
        const [path, body, asked] = of("delay=500");
        const leaving = Array.from({ length: 10 }, () => worker.open(path));
        await looked(10);
        for (const visitor of leaving) visitor.leave();
        await eventually(async () => (await worker.counters()).kv.stored);
        const answer = await worker.get(path);
        assertHit(answer);
        assertWhole(answer, body);
        assert.equal(await asked(), 1);
      });
    }

    for (const framing of ["chunked=1", "length=200000"]) {
      test(`who asks leaves in the middle of the body: the others get all of it (${framing})`, async () => {
        await worker.reset();
        const path = `/middle?size=200000&piece=20000&pause=60&${framing}&${FRESH}`;
        const leader = worker.open(`/fetch${path}`);
        await leader.head;
        const followers = worker.herd(20, `/fetch${path}`);
        await eventually(() => leader.size > 0);
        leader.leave();
        const whole = letters(200_000);
        for (const answer of await followers) assertWhole(answer, whole);
        assert.equal(await worker.calls(path), 1);
        assertHit(await worker.ask(`/fetch${path}`), "l1");
      });
    }

    // The one who asks hangs.

    test("the handler hangs once: another asks after the wait, for all", async () => {
      const path = "/law/short/hangs?size=3000&hang=1&runs=1";
      const leader = worker.open(path);
      await eventually(() => worker.runs(path));
      const followers = await worker.herd(20, path);
      for (const answer of followers) assertWhole(answer, pattern(3000));
      assert.equal(await worker.runs(path), 2);
      assert.equal(tally(followers).asked, 1);
      leader.leave();
    });

    test("the origin never answers once: another asks after the wait, for all", async () => {
      await worker.reset();
      await worker.fault("origin", { hang: true, times: 1 });
      const path = `/short/hangs?size=3000&${FRESH}`;
      const leader = worker.open(`/fetch${path}`);
      await eventually(() => worker.calls(path));
      const followers = await worker.herd(20, `/fetch${path}`);
      for (const answer of followers) assertWhole(answer, letters(3000));
      assert.equal(await worker.calls(path), 2);
      assert.equal(tally(followers).asked, 1);
      leader.leave();
    });

    test("the origin answers nobody: after twice the wait each asks for himself", async () => {
      await worker.reset();
      await worker.fault("origin", { hang: true });
      const path = `/short/dead?size=3000&${FRESH}`;
      const visitors = Array.from({ length: 10 }, () => worker.open(`/fetch${path}`));
      await eventually(async () => (await worker.calls(path)) === 10);
      for (const visitor of visitors) visitor.leave();
      await worker.fault("origin");
      assertWhole(await worker.get(`/fetch${path}`), letters(3000));
    });

  });
}

for (const [name, options] of [
  ["either way", {}],
  ["either way, woken by promises", { wakes: "promises" }],
]) {
  describe(name, () => {
    let worker;
    before(async () => (worker = await RawFixture.start(options)));
    after(() => worker.stop());

    test("who waits leaves in the middle of the body: nobody else does", async () => {
      const path = "/law/minute/follower?size=3000000&delay=400";
      const leader = worker.get(path);
      await eventually(() => worker.runs(path));
      const leaving = Array.from({ length: 10 }, () => worker.open(path));
      const staying = worker.herd(10, path);
      for (const visitor of leaving) {
        await visitor.head;
        visitor.leave();
      }
      const whole = pattern(3_000_000);
      for (const answer of [await leader, ...(await staying)]) assertWhole(answer, whole);
      assert.equal(await worker.runs(path), 1);
    });

    test("a large body whose visitors all leave in its middle is stored whole or not at all", async () => {
      await worker.reset();
      const path = `/left?size=3000000&piece=100000&pause=20&${FRESH}`;
      const leaving = Array.from({ length: 5 }, () => worker.open(`/fetch${path}`));
      for (const visitor of leaving) {
        await visitor.head;
        await eventually(() => visitor.size > 0);
        visitor.leave();
      }
      await worker.settled(undefined, 1_000);
      for (const { size } of await worker.dump("cache")) assert.ok(size >= 3_000_000, `${size} bytes in L1`);
      for (const { size } of await worker.dump("kv")) assert.ok(size >= 3_000_000, `${size} bytes in L2`);
      assertWhole(await worker.get(`/fetch${path}`), letters(3_000_000));
    });

    for (const [what, script, status] of [
      ["ends with an error", "fail=1", 500],
      ["answers 503", "status=503", 503],
    ]) {
      test(`the handler ${what} once: who waited asks for himself`, async (t) => {
        const path = `/law/minute/fails?size=3000&delay=400&runs=1&${script}`;
        const leader = worker.get(path);
        await eventually(() => worker.runs(path));
        const started = Date.now();
        const followers = await worker.herd(20, path);
        assert.ok(Date.now() - started < 4_000, "before the leader's lease is over");
        assert.equal((await leader).status, status);
        for (const answer of followers) assertWhole(answer, pattern(3000));
        t.diagnostic(`${await worker.runs(path)} runs for 21 visitors`);
      });
    }

    test("the origin answers nobody in time: with a hard timeout that is a 504 that says so", async () => {
      await worker.reset();
      await worker.fault("origin", { hang: true });
      const path = `/hard/dead?size=3000&${FRESH}`;
      const answers = await worker.herd(20, `/fetch${path}`);
      for (const answer of answers) {
        assert.equal(answer.status, 504);
        assert.equal(answer.cache.detail, "timeout");
        assert.equal(answer.text, "The origin did not answer within 400 ms.\n");
        assert.equal(answer.headers["cache-control"], "no-store");
      }
      assert.equal(await worker.calls(path), 1);
      await worker.fault("origin");
    });

    test("the handler panics: whoever was there soon gets an answer, and the next one the right one", async () => {
      const others = worker.herd(10, "/law/minute/beside?size=3000&delay=1000");
      const started = Date.now();
      for (const { status } of await worker.herd(20, "/law/minute/panics?delay=300&panic=1")) assert.equal(status, 500);
      assert.ok(Date.now() - started < 4_000, `${Date.now() - started} ms`);
      for (const answer of await others) if (answer.status !== 500) assertWhole(answer, pattern(3000));
      for (const n of [3001, 3002]) {
        const next = await worker.herd(20, `/law/minute/next?size=${n}&delay=200`);
        for (const answer of next) assertWhole(answer, pattern(n));
        assert.equal(tally(next).asked, 1);
      }
    });
  });
}
