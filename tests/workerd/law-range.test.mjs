// Parts cut from whole answers (RFC 9110 section 14), in both runtimes and from every tier.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { assertForwarded, assertHit, assertSameBytes, Fixture, pattern } from "./harness.mjs";
import { RawFixture } from "./raw.mjs";

const SMALL = 5_000;
const LARGE = 2_000_000;

/** What is asked of `n` bytes, and first and last byte of what comes, or nothing when that is a 416. */
const few = (n) => [
  ["bytes=0-99", 0, 99],
  [`bytes=${n / 2 - 7}-${n / 2 + 1_000}`, n / 2 - 7, n / 2 + 1_000],
  [`bytes=${n - 1_234}-`, n - 1_234, n - 1],
  ["bytes=-300", n - 300, n - 1],
  [`bytes=${n}-`],
];
const ranges = (n) => [
  ...few(n),
  ["bytes=0-0", 0, 0],
  [`bytes=${n - 1}-`, n - 1, n - 1],
  [`bytes=17-${n * 2}`, 17, n - 1],
  [`bytes=-${n + 5}`, 0, n - 1],
  ["bytes=0-", 0, n - 1],
  [`bytes=${n + 10}-${n + 20}`],
  ["bytes=-0"],
];

/** The right part, with the right fields. */
function assertPart(answer, n, first, last) {
  if (first === undefined) {
    assert.equal(answer.status, 416);
    assert.equal(answer.headers["content-range"], `bytes */${n}`);
    assert.equal(answer.body.length, 0);
    return;
  }
  assert.equal(answer.status, 206);
  assert.equal(answer.headers["content-range"], `bytes ${first}-${last}/${n}`);
  assert.equal(answer.headers["content-length"], String(last - first + 1));
  assert.ok(answer.complete);
  assertSameBytes(answer.body, pattern(n).subarray(first, last + 1));
}

function assertAll(answer, n) {
  assert.equal(answer.status, 200);
  assert.equal(answer.headers["content-range"], undefined);
  assert.ok(answer.complete);
  assertSameBytes(answer.body, pattern(n));
}

const bodies = [
  ["small", SMALL, "bytes"],
  ["small", SMALL, "stream"],
  ["large", LARGE, "bytes"],
  ["large", LARGE, "fixed"],
];

for (const [runtime, start] of [["the local runtime", () => Fixture.start()], ["workerd", () => RawFixture.start()]]) {
  describe(runtime, () => {
    let worker;
    before(async () => (worker = await start()));
    after(() => worker.stop());

    /** How the answers of that path begin: stored, whole, in all tiers. */
    const stored = async (path, table) => assertForwarded(await worker.ask(path, { table }), "uri-miss");

    for (const [name, n, kind] of bodies) {
      test(`${name}, ${kind}: from L1`, async () => {
        const path = `/law/minute/l1?size=${n}&kind=${kind}`;
        await stored(path);
        for (const [range, first, last] of ranges(n)) {
          const answer = await worker.get(path, { headers: { range } });
          assertHit(answer, "l1");
          // Of what came in without a length L1 does not know it: all of it then, which is always right.
          kind !== "bytes" && answer.status === 200 ? assertAll(answer, n) : assertPart(answer, n, first, last);
        }
        assertAll(await worker.get(path), n);
        assert.equal(await worker.runs(path), 1);
      });

      test(`${name}, ${kind}: from KV, and what L1 is given then is whole`, async () => {
        const path = `/law/minute/l2?size=${n}&kind=${kind}`;
        await stored(path);
        for (const [range, first, last] of few(n)) {
          await worker.emptyL1();
          const answer = await worker.ask(path, { headers: { range } });
          assertHit(answer, "l2");
          assertPart(answer, n, first, last);
          const again = await worker.get(path, { headers: { range } });
          assertHit(again, "l1");
          assertPart(again, n, first, last);
          assertAll(await worker.get(path), n);
        }
        assert.equal(await worker.runs(path), 1);
      });

      test(`${name}, ${kind}: on a miss, and the whole is stored behind it`, async () => {
        for (const [range, first, last] of few(n)) {
          const path = `/law/minute/miss?size=${n}&kind=${kind}&range=${range}`;
          const answer = await worker.ask(path, { headers: { range } });
          assertForwarded(answer, "uri-miss");
          kind !== "bytes" && answer.status === 200 ? assertAll(answer, n) : assertPart(answer, n, first, last);
          const whole = await worker.ask(path);
          assertHit(whole, "l1");
          assertAll(whole, n);
          await worker.emptyL1();
          const fromKv = await worker.ask(path);
          assertHit(fromKv, "l2");
          assertAll(fromKv, n);
          assert.equal(await worker.runs(path), 1);
        }
      });
    }

    test("from the hot tier", async () => {
      const [path, table] = [`/law/minute/hot?size=${SMALL}`, "hot"];
      await stored(path, table);
      await worker.emptyL1();
      await worker.emptyL2();
      for (const [range, first, last] of ranges(SMALL)) {
        const answer = await worker.get(path, { table, headers: { range } });
        assertHit(answer, "hot");
        assertPart(answer, SMALL, first, last);
      }
      assertAll(await worker.get(path, { table }), SMALL);
    });

    test("the handler never sees a range, nor its condition", async () => {
      const path = "/law/minute/unseen?size=100&etag=1";
      await worker.ask(path, { headers: { range: "bytes=0-9", "if-range": '"v1"' } });
      const [{ headers }] = JSON.parse((await worker.get("/__admin/seen")).text)[path];
      assert.deepEqual([headers.range, headers["if-range"]], [undefined, undefined]);
    });

    test("what may be ignored is: several ranges, other units, nonsense, a range in a HEAD", async () => {
      const path = `/law/minute/ignored?size=${SMALL}`;
      await stored(path);
      for (const range of ["bytes=0-1,4-5", "lines=0-1", "bytes=5-2", "bytes=a-b", "bytes=", "0-1"]) {
        const answer = await worker.get(path, { headers: { range } });
        assertHit(answer, "l1");
        assertAll(answer, SMALL);
      }
      const head = await worker.get(path, { method: "HEAD", headers: { range: "bytes=0-9" } });
      assert.equal(head.status, 200);
      assert.equal(head.headers["content-range"], undefined);
      assert.equal(head.headers["content-length"], String(SMALL));
    });

    test("If-Range: a part of the same, else all of what is now", async () => {
      // A date is a strong validator only beside a Date that is later (RFC 9110 section 8.8.2.2).
      const date = encodeURIComponent(new Date().toUTCString());
      const path = `/law/minute/if-range?size=${LARGE}&etag=1&modified=1&said=Date:${date}`;
      await stored(path);
      const check = async (tier) => {
        for (const [condition, part] of [
          ['"v1"', true],
          ['"v0"', false],
          ['W/"v1"', false],
          ["Sun, 06 Nov 1994 08:49:37 GMT", true],
          ["Sun, 06 Nov 1994 08:49:36 GMT", false],
        ]) {
          const answer = await worker.ask(path, { headers: { range: "bytes=1000000-1000009", "if-range": condition } });
          assertHit(answer, tier);
          part ? assertPart(answer, LARGE, 1_000_000, 1_000_009) : assertAll(answer, LARGE);
          if (tier === "l2") await worker.emptyL1();
        }
      };
      await check("l1");
      await worker.emptyL1();
      await check("l2");
    });

    test("a validator that holds goes before a range", async () => {
      const path = `/law/minute/both?size=${SMALL}&etag=1`;
      await stored(path);
      const answer = await worker.get(path, { headers: { range: "bytes=0-9", "if-none-match": '"v1"' } });
      assert.equal(answer.status, 304);
      const changed = await worker.get(path, { headers: { range: "bytes=0-9", "if-none-match": '"v0"' } });
      assertPart(changed, SMALL, 0, 9);
    });

    test("of what is stored as something else than a 200 there are no parts", async () => {
      const path = "/kept/404";
      await worker.ask(path);
      const answer = await worker.get(path, { headers: { range: "bytes=0-0" } });
      assertHit(answer, "l1");
      assert.equal(answer.status, 404);
      assert.equal(answer.text, "1");
    });

    test("an empty body has no part that could be asked for", async () => {
      const path = "/law/minute/empty?size=0";
      await stored(path);
      const check = (answer) => assertPart(answer, 0);
      check(await worker.ask(path, { headers: { range: "bytes=0-" } }));
      await worker.emptyL1();
      check(await worker.ask(path, { headers: { range: "bytes=0-0" } }));
    });

    test("what was compressed by the handler is cut as it is", async () => {
      const path = "/law/minute/coded?kind=gzip";
      const headers = { "accept-encoding": "gzip" };
      const whole = (await worker.ask(path, { headers })).body;
      assert.ok(whole.length > 50);
      for (const prepare of [() => {}, () => worker.emptyL1()]) {
        await prepare();
        const answer = await worker.ask(path, { headers: { ...headers, range: "bytes=10-29" } });
        assertHit(answer);
        assert.equal(answer.status, 206);
        assert.equal(answer.headers["content-encoding"], "gzip");
        assert.equal(answer.headers["content-range"], `bytes 10-29/${whole.length}`);
        assertSameBytes(answer.body, whole.subarray(10, 30));
      }
      await worker.emptyL1();
      assertSameBytes((await worker.ask(path, { headers })).body, whole);
    });

    test("a client that leaves in the middle of a large part spoils nothing", async () => {
      const { request } = await import("node:http");
      const path = `/law/minute/leaves?size=${LARGE}`;
      for (const prepare of [() => {}, () => {}, () => worker.emptyL1()]) {
        await prepare();
        await new Promise((resolve) => {
          const headers = { range: "bytes=100-1900000" };
          const leaving = request(worker.base + path, { headers }, (r) => r.once("data", () => resolve(leaving.destroy())));
          leaving.on("error", () => {});
          leaving.end();
        });
        await worker.settled();
        assertAll(await worker.ask(path), LARGE);
        assertPart(await worker.ask(path, { headers: { range: "bytes=-10" } }), LARGE, LARGE - 10, LARGE - 1);
      }
    });
  });
}

describe("seen by the stores", () => {
  let worker;
  before(async () => (worker = await RawFixture.start()));
  after(() => worker.stop());
  beforeEach(() => worker.reset());

  test("a part costs one read of a tier", async () => {
    const path = `/law/minute/reads?size=${LARGE}`;
    const options = { headers: { range: "bytes=5-9" } };
    await worker.ask(path);
    const l1 = await worker.costs(path, options);
    assert.deepEqual([l1.l1, l1.l2], [{ get: 1 }, {}]);
    await worker.emptyL1();
    const l2 = await worker.costs(path, options);
    assert.deepEqual([l2.l1.get, l2.l2], [1, { get: 1 }]);
  });

  test("of what the handler fetched: a part on a miss, and the whole is stored behind it", async () => {
    const letters = Buffer.from(Uint8Array.from({ length: LARGE }, (_, i) => 97 + (i % 26)));
    for (const [range, first, last] of few(LARGE)) {
      const path = `/law/headers/fetched?fetch=/big?size=${LARGE}%26header=Cache-Control:max-age%253D60&range=${range}`;
      const answer = await worker.ask(path, { headers: { range } });
      // What was fetched goes through JavaScript into the store, which takes its time on a busy machine.
      await worker.settled(undefined, 400);
      assertForwarded(answer, "uri-miss");
      if (first === undefined) {
        assertPart(answer, LARGE);
      } else {
        assert.equal(answer.status, 206);
        assert.equal(answer.headers["content-length"], String(last - first + 1));
        assert.equal(answer.headers["content-range"], `bytes ${first}-${last}/${LARGE}`);
        assertSameBytes(answer.body, letters.subarray(first, last + 1));
      }
      for (const [tier, prepare] of [["l1", () => {}], ["l2", () => worker.emptyL1()], ["l1", () => {}]]) {
        await prepare();
        const whole = await worker.ask(path);
        assertHit(whole, tier);
        assert.equal(whole.headers["content-length"], String(LARGE));
        assertSameBytes(whole.body, letters);
      }
      assert.equal(await worker.runs(path), 1);
    }
  });

  test("bodies that the handler fetched leave WebAssembly memory as it is, whole or in parts", async () => {
    const memory = async () => Number((await worker.get("/__admin/memory")).text);
    const path = (i) => `/law/headers/memory${i}?fetch=/big?size=${LARGE * 2}%26header=Cache-Control:max-age%253D60`;
    const asks = [{}, { headers: { range: "bytes=1000-3000000" } }, { headers: { range: "bytes=-3000000" } }, { method: "HEAD" }];
    const round = async (i) => {
      for (const options of asks) {
        const answer = await worker.ask(path(i), options);
        assert.ok(answer.status === 200 || answer.status === 206);
      }
      await worker.emptyL1();
      for (const options of asks) assertHit(await worker.ask(path(i), options));
    };
    await round(0);
    const before = await memory();
    for (let i = 1; i <= 4; i++) await round(i);
    assert.ok((await memory()) - before < LARGE, `${before} bytes, then ${await memory()}`);
  });
});
