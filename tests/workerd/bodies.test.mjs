// Bodies come out of every tier as they went in.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { assertForwarded, assertHit, assertSameBytes, Fixture, pattern } from "./harness.mjs";

let worker;
before(async () => (worker = await Fixture.start()));
after(() => worker.stop());

/** Asks through a miss, L1, and L2, and hands each answer to `check`. */
async function throughEveryTier(path, check, options) {
  const miss = await worker.ask(path, options);
  assertForwarded(miss, "uri-miss");
  check(miss);
  const l1 = await worker.ask(path, options);
  assertHit(l1, "l1");
  check(l1);
  await worker.emptyL1();
  const l2 = await worker.ask(path, options);
  assertHit(l2, "l2");
  check(l2);
  const promoted = await worker.ask(path, options);
  assertHit(promoted, "l1");
  check(promoted);
}

const sizes = { "0 B": 0, "1 B": 1, "1 KB": 1_000, "1 MB": 1_000_000, "20 MB": 20_000_000 };

for (const [name, n] of Object.entries(sizes)) {
  const expected = pattern(n);
  const check = (answer) => {
    assert.equal(answer.status, 200);
    assert.ok(answer.complete);
    assertSameBytes(answer.body, expected);
  };
  test(`bytes, ${name}`, () => throughEveryTier(`/bytes/${n}`, check));
  test(`a stream of unknown length, ${name}`, () => throughEveryTier(`/stream/${n}`, check));
  test(`a stream of known length, ${name}`, () =>
    throughEveryTier(`/fixed/${n}`, (answer) => {
      check(answer);
      assert.equal(answer.headers["content-length"], String(n));
    }));
}

test("small bodies from the hot tier", async () => {
  const table = "hot";
  for (const path of ["/bytes/1000", "/stream/1000", "/fixed/1000"]) {
    await worker.ask(path, { table });
    const answer = await worker.ask(path, { table });
    assertHit(answer, "hot");
    assertSameBytes(answer.body, pattern(1000));
  }
});

const compressed = (answer) => {
  assert.equal(answer.headers["content-encoding"], "gzip");
  assert.equal(gunzipSync(answer.body).toString(), "compressed by hand, ".repeat(1000));
};

test("a body that the application compressed stays compressed, once", () =>
  throughEveryTier("/gzip", compressed, { headers: { "accept-encoding": "gzip" } }));

test("... from the hot tier too", async () => {
  const options = { table: "hot", headers: { "accept-encoding": "gzip" } };
  await worker.ask("/gzip", options);
  const answer = await worker.ask("/gzip", options);
  assertHit(answer, "hot");
  compressed(answer);
});

test("HEAD is answered from the entry of GET, without a body", async () => {
  await worker.ask("/bytes/777");
  const head = await worker.ask("/bytes/777", { method: "HEAD" });
  assertHit(head, "l1");
  assert.equal(head.status, 200);
  assert.equal(head.body.length, 0);
  assert.equal(head.headers["content-length"], "777");
  await worker.emptyL1();
  assertHit(await worker.ask("/bytes/777", { method: "HEAD" }), "l2");
  assertSameBytes((await worker.ask("/bytes/777")).body, pattern(777));
});

test("a HEAD that comes first does not leave an empty body behind", async () => {
  await worker.ask("/bytes/778", { method: "HEAD" });
  assertSameBytes((await worker.ask("/bytes/778")).body, pattern(778));
  assertSameBytes((await worker.ask("/bytes/778")).body, pattern(778));
});

for (const kind of ["broken", "cut"]) {
  test(`a body that breaks off (${kind}) is not stored`, async () => {
    for (const run of [1, 2]) {
      const answer = await worker.ask(`/${kind}/300000`);
      assertForwarded(answer, "uri-miss");
      assert.ok(!answer.complete || answer.body.length < 300_000);
      assert.equal(await worker.runs(`/${kind}/300000`), run);
    }
  });
}

test("a client that leaves does not keep others from the entry", async () => {
  const { request } = await import("node:http");
  await new Promise((resolve) => {
    const leaving = request(`${worker.base}/stream/5000000`, (response) => response.once("data", () => resolve(leaving.destroy())));
    leaving.on("error", () => {});
    leaving.end();
  });
  await worker.settled();
  assertSameBytes((await worker.ask("/stream/5000000")).body, pattern(5_000_000));
  assertSameBytes((await worker.ask("/stream/5000000")).body, pattern(5_000_000));
});

test("a validator brings a 304 from the cache", async () => {
  const first = await worker.ask("/etag/v1");
  assert.equal(first.headers.etag, '"v1"');
  const headers = { "if-none-match": '"v1"' };
  for (const prepare of [() => {}, () => worker.emptyL1()]) {
    await prepare();
    const answer = await worker.ask("/etag/v1", { headers });
    assert.equal(answer.status, 304);
    assert.equal(answer.body.length, 0);
    assertHit(answer);
  }
  const changed = await worker.ask("/etag/v1", { headers: { "if-none-match": '"v0"' } });
  assert.equal(changed.status, 200);
  assert.equal(changed.text, "tagged");
  assert.equal(await worker.runs("/etag/v1"), 1);
});
