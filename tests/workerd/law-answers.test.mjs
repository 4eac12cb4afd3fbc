// Answers that the cache makes itself have their fields, through both doors: plain handlers and the Tower layer.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { start, workerOptions } from "../../tools/local.mjs";
import { assertForwarded, assertHit, exchange, Fixture } from "./harness.mjs";
import { RawFixture } from "./raw.mjs";

for (const [runtime, run] of [["the local runtime", () => Fixture.start()], ["workerd", () => RawFixture.start()]]) {
  describe(`plain handler, ${runtime}`, () => {
    let worker;
    before(async () => (worker = await run()));
    after(() => worker.stop());

    const onlyIfCached = { table: "rfc9111", headers: { "cache-control": "only-if-cached" } };

    test("only-if-cached without anything stored: 504, and the handler is not asked", async () => {
      const path = "/law/minute/nothing?said=Cache-Control:max-age%3D60";
      for (const method of ["GET", "HEAD"]) {
        const answer = await worker.ask(path, { ...onlyIfCached, method });
        assert.equal(answer.status, 504);
        assert.equal(answer.headers["cache-status"], "layercake; detail=only-if-cached");
        assert.equal(answer.headers["content-length"], "0");
        assert.equal(answer.body.length, 0);
        assert.equal(await worker.runs(path), 0);
      }
    });

    test("... and with something stored: that, from L1 and from KV", async () => {
      const path = "/law/minute/something?said=Cache-Control:max-age%3D60";
      await worker.ask(path, { table: "rfc9111" });
      assertHit(await worker.ask(path, onlyIfCached), "l1");
      await worker.emptyL1();
      const answer = await worker.ask(path, onlyIfCached);
      assertHit(answer, "l2");
      assert.equal(answer.text, "v1 run1");
    });

    test("... and a variant that is not there: 504", async () => {
      const path = "/law/minute/variant?vary=accept-language&said=Cache-Control:max-age%3D60";
      await worker.ask(path, { table: "rfc9111", headers: { "accept-language": "en" } });
      const ask = (language) =>
        worker.ask(path, { table: "rfc9111", headers: { "cache-control": "only-if-cached", "accept-language": language } });
      assertHit(await ask("en"), "l1");
      assert.equal((await ask("it")).status, 504);
    });

    test("elsewhere a visitor's only-if-cached is ignored", async () => {
      const path = "/law/minute/ignored?z";
      assert.equal((await worker.ask(path, { headers: { "cache-control": "only-if-cached" } })).status, 200);
    });

    test("304 and 416 carry what they must, and nothing that is of the body", async () => {
      const path = "/law/minute/fields?size=500&etag=1&modified=1&vary=accept&said=X-Own:1&said=Content-Type:text/plain";
      await worker.ask(path);
      for (const [tier, prepare] of [["l1", () => {}], ["l2", () => worker.emptyL1()]]) {
        for (const [status, headers] of [[304, { "if-none-match": '"v1"' }], [416, { range: "bytes=500-" }]]) {
          await prepare();
          const answer = await worker.ask(path, { headers });
          assert.equal(answer.status, status);
          assertHit(answer, tier);
          assert.equal(answer.body.length, 0);
          assert.equal(answer.headers.etag, '"v1"');
          assert.equal(answer.headers.vary, "accept");
          assert.equal(answer.headers["cache-control"], "public, max-age=0, must-revalidate");
          assert.ok(Number(answer.headers.age) >= 0);
          for (const name of ["content-type", "content-encoding", "transfer-encoding"]) {
            assert.equal(answer.headers[name], undefined, name);
          }
          assert.ok(["0", undefined].includes(answer.headers["content-length"]));
          assert.equal(answer.headers["content-range"], status === 416 ? "bytes */500" : undefined);
          assert.equal(answer.headers["x-layercake"], undefined);
        }
      }
    });

    test("HEAD has the fields of GET, from every tier", async () => {
      const path = "/law/minute/head?size=500&etag=1&said=X-Own:1";
      await worker.ask(path);
      for (const [tier, prepare] of [["l1", () => {}], ["l2", () => worker.emptyL1()]]) {
        await prepare();
        const head = await worker.ask(path, { method: "HEAD" });
        await prepare();
        const get = await worker.ask(path);
        assertHit(head, tier);
        assertHit(get, tier);
        assert.equal(head.status, 200);
        assert.equal(head.body.length, 0);
        for (const name of ["etag", "x-own", "cache-control", "content-type"]) assert.equal(head.headers[name], get.headers[name]);
        assert.equal(head.headers["transfer-encoding"], undefined);
        assert.ok([get.headers["content-length"], undefined].includes(head.headers["content-length"]));
      }
    });
  });
}

describe("Tower layer, the local runtime", () => {
  let mf, ask;
  before(async () => {
    mf = start(await workerOptions("examples/axum"));
    const { origin } = await mf.ready;
    ask = (path, options) => exchange(origin + path, options);
    assertForwarded(await ask("/greet/you"), "uri-miss");
    const deadline = Date.now() + 5_000;
    while (!(await ask("/greet/you")).cache.hit && Date.now() < deadline);
  });
  after(() => mf.dispose());

  test("a part, a 416 and a HEAD carry what they must", async () => {
    const part = await ask("/greet/you", { headers: { range: "bytes=7-9" } });
    assertHit(part);
    assert.equal(part.status, 206);
    assert.equal(part.text, "you");
    assert.equal(part.headers["content-range"], "bytes 7-9/11");
    // The way out of an axum application streams; there is no length then.
    assert.ok(["3", undefined].includes(part.headers["content-length"]));
    const none = await ask("/greet/you", { headers: { range: "bytes=11-" } });
    assertHit(none);
    assert.equal(none.status, 416);
    assert.equal(none.headers["content-range"], "bytes */11");
    assert.equal(none.body.length, 0);
    const head = await ask("/greet/you", { method: "HEAD" });
    assertHit(head);
    assert.equal(head.status, 200);
    assert.equal(head.body.length, 0);
    assert.equal(head.headers["content-type"], part.headers["content-type"]);
  });

  test("a 304 too", async () => {
    const answer = await ask("/greet/you", { headers: { "if-none-match": "*" } });
    assert.equal(answer.status, 304);
    assertHit(answer);
    assert.equal(answer.body.length, 0);
    assert.equal(answer.headers["content-type"], undefined);
    assert.equal(answer.headers["cache-control"], "public, max-age=0, must-revalidate");
  });
});
