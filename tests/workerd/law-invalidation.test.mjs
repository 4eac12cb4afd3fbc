// What unsafe requests make void (RFC 9111 section 4.4), in every tier; what that costs, and what becomes of it when KV fails.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertForwarded, assertHit, Fixture } from "./harness.mjs";
import { RawFixture } from "./raw.mjs";

const version = (answer) => {
  assert.equal(answer.status, 200);
  return answer.text.split(" ")[0];
};

for (const [runtime, start] of [["the local runtime", () => Fixture.start()], ["workerd", () => RawFixture.start()]]) {
  describe(runtime, () => {
    let worker;
    before(async () => (worker = await start()));
    after(() => worker.stop());

    for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
      for (const table of [undefined, "hot"]) {
        test(`${method}, then GET at once: the new answer${table ? ", past the hot tier too" : ""}`, async () => {
          const path = `/law/minute/${method}-${table}`;
          await worker.ask(path, { table });
          assertHit(await worker.ask(path, { table }), table ?? "l1");
          for (const round of [1, 2]) {
            if (round === 2) await worker.emptyL1();
            const answer = await worker.get(path, { table, method });
            assertForwarded(answer, "method");
            assert.equal(version(answer), `v${round + 1}`);
            const next = await worker.get(path, { table });
            assertForwarded(next, "uri-miss");
            assert.equal(version(next), `v${round + 1}`);
            await worker.settled(table);
          }
          await worker.emptyL1();
          assert.equal(version(await worker.ask(path, { table })), "v3");
        });
      }
    }

    test("an error makes nothing void", async () => {
      for (const status of [400, 404, 500, 503]) {
        const path = `/law/minute/refused?refuse=${status}`;
        await worker.ask(path);
        assert.equal((await worker.ask(path, { method: "POST" })).status, status);
        assertHit(await worker.ask(path), "l1");
        await worker.emptyL1();
        assertHit(await worker.ask(path), "l2");
      }
    });

    test("a redirect does", async () => {
      const path = "/law/minute/redirected?refuse=303";
      await worker.ask(path);
      assert.equal((await worker.ask(path, { method: "POST" })).status, 303);
      const next = await worker.ask(path);
      assertForwarded(next, "uri-miss");
      assert.equal(version(next), "v2");
    });

    test("safe methods make nothing void", async () => {
      const path = "/law/minute/safe?a";
      await worker.ask(path);
      for (const method of ["HEAD", "OPTIONS"]) await worker.ask(path, { method });
      const answer = await worker.ask(path);
      assertHit(answer, "l1");
      assert.equal(version(answer), "v1");
    });

    test("another query is another target", async () => {
      await worker.ask("/law/minute/query?a");
      await worker.ask("/law/minute/query?b");
      await worker.ask("/law/minute/query?a", { method: "POST" });
      assertHit(await worker.ask("/law/minute/query?b"), "l1");
      assertForwarded(await worker.ask("/law/minute/query?a"), "uri-miss");
    });

    for (const field of ["Location", "Content-Location"]) {
      for (const [name, reference] of Object.entries({
        "a path": () => "/law/minute/named",
        "a relative one": () => "../minute/named",
        "a whole URL": () => `${worker.base}/law/minute/named`,
      })) {
        test(`what ${field} names (${name}) is void too`, async () => {
          const named = `/law/minute/named?${field}&${encodeURIComponent(name)}`;
          const value = encodeURIComponent(`${reference()}?${field}&${encodeURIComponent(name)}`);
          await worker.ask(named);
          assertHit(await worker.ask(named), "l1");
          await worker.get("/__admin/next/law/minute/named");
          await worker.get(`/law/minute/naming?said=${field}:${value}`, { method: "POST" });
          const next = await worker.get(named);
          assertForwarded(next, "uri-miss");
          await worker.settled();
          await worker.emptyL1();
          assert.equal((await worker.ask(named)).text, next.text);
        });
      }

      test(`what ${field} names on another site stays`, async () => {
        const named = `/law/minute/elsewhere?${field}`;
        const value = encodeURIComponent(`http://elsewhere.example${named}`);
        await worker.ask(named);
        await worker.ask(`/law/minute/naming?said=${field}:${value}`, { method: "POST" });
        assertHit(await worker.ask(named), "l1");
      });
    }

    test("all variants are void, in every tier", async () => {
      const path = "/law/minute/variants?vary=accept-language";
      const speaks = (language) => ({ headers: { "accept-language": language } });
      for (const language of ["en", "it", "de"]) await worker.ask(path, speaks(language));
      await worker.ask(path, { method: "POST" });
      for (const language of ["it", "de", "en"]) {
        const answer = await worker.ask(path, speaks(language));
        assertForwarded(answer);
        assert.equal(version(answer), "v2");
      }
      await worker.emptyL1();
      for (const language of ["en", "it", "de"]) {
        const answer = await worker.ask(path, speaks(language));
        assertHit(answer);
        assert.equal(version(answer), "v2");
      }
    });

    test("16 POSTs in a row, each before GETs at once: they see the last", async () => {
      const path = "/law/minute/row?size";
      for (let round = 2; round < 18; round++) {
        await worker.get(path, { method: "POST" });
        const answers = await Promise.all([1, 2, 3].map(() => worker.get(path)));
        for (const answer of answers) assert.equal(version(answer), `v${round}`);
        await worker.settled();
        if (round % 3 === 0) await worker.emptyL1();
        assert.equal(version(await worker.get(path)), `v${round}`);
      }
    });

    test("an answer from before a POST, that comes after it, is not kept", async () => {
      const path = "/law/minute/overtaken?delay=400";
      const slow = worker.get(path);
      const deadline = Date.now() + 5_000;
      while ((await worker.runs(path)) === 0 && Date.now() < deadline) await sleep(5);
      await worker.get(path, { method: "POST" });
      assert.equal(version(await slow), "v1");
      await worker.settled();
      assert.equal(version(await worker.get(path)), "v2");
    });
  });
}

describe("seen by the stores", () => {
  let worker;
  before(async () => (worker = await RawFixture.start()));
  after(() => worker.stop());
  beforeEach(() => worker.reset());

  /** How long a POST may take when KV does not answer: 2 s, and some for a busy machine. */
  const PATIENCE = 3_000;

  test("KV is told to delete only what it has", async () => {
    const path = "/law/minute/deletes";
    const nothing = await worker.costs(path, { method: "POST" });
    assert.deepEqual(nothing.l2, { get: 1 });
    await worker.ask(path);
    const something = await worker.costs(path, { method: "POST" });
    assert.deepEqual(something.l2, { get: 1, delete: 1 });
    assert.equal((await worker.dump("kv")).length, 0);
    assert.equal((await worker.dump("cache")).length, 0);
    const again = await worker.costs(path, { method: "POST" });
    assert.equal(again.l2.delete, undefined);
  });

  test("a failed POST, and one to a route that is not cached, ask no store", async () => {
    for (const path of ["/law/minute/fails?refuse=500", "/bypass/anything"]) {
      const { answer, l1, l2 } = await worker.costs(path, { method: "POST" });
      assert.notEqual(answer.headers["cache-status"], undefined);
      assert.deepEqual([l1, l2], [{}, {}]);
    }
  });

  test("Location and Content-Location that name the target itself cost nothing more", async () => {
    const named = "said=Location:/law/minute/self&said=Content-Location:self";
    await worker.ask(`/law/minute/self?${named}`);
    const { l2 } = await worker.costs(`/law/minute/self?${named}`, { method: "POST" });
    // The target with its query, and what both fields name, which is without.
    assert.deepEqual(l2, { get: 2, delete: 1 });
  });

  for (const [name, faults] of Object.entries({
    "KV deletes hang": { ops: ["delete"], hang: true },
    "KV hangs": { hang: true },
    "KV deletes fail": { ops: ["delete"], status: 500 },
    "KV fails": { status: 500 },
    "KV closes connections": { close: true },
    "KV takes a second": { delay_ms: 1_000 },
  })) {
    test(`${name}: the POST is answered in time, and the nearer tiers have forgotten`, async () => {
      for (const table of [undefined, "hot"]) {
        const path = `/law/minute/faults?${table}&${encodeURIComponent(name)}`;
        const before = Number(version(await worker.ask(path, { table })).slice(1));
        assertHit(await worker.ask(path, { table }));
        await worker.fault("kv", faults);
        const started = Date.now();
        const answer = await worker.get(path, { table, method: "POST" });
        assert.ok(Date.now() - started < PATIENCE, `${Date.now() - started} ms`);
        assert.equal(version(answer), `v${before + 1}`);
        // KV itself has what it did not delete; the stand-in is emptied in its place.
        await worker.clear("kv");
        await worker.fault("kv");
        const next = await worker.get(path, { table });
        assert.equal(version(next), `v${before + 1}`, next.headers["cache-status"]);
        await worker.settled();
        await worker.clear("kv");
        await worker.clear("cache");
      }
    });
  }

  for (const role of ["cache", "kv"]) {
    test(`an answer from before a POST that ${role} is slow to take is not kept`, async () => {
      const path = `/law/minute/slow-${role}`;
      await worker.fault(role, { ops: ["put"], delay_ms: 400 });
      assert.equal(version(await worker.get(path)), "v1");
      await worker.get(path, { method: "POST" });
      await worker.settled(undefined, 500);
      assert.equal(version(await worker.get(path)), "v2");
    });
  }

  for (const [name, faults] of Object.entries({
    "the Cache API fails": { status: 500 },
    "the Cache API hangs": { hang: true },
    "deletes in the Cache API hang": { ops: ["delete"], hang: true },
  })) {
    test(`${name}: the POST is answered in time, and KV has forgotten`, async () => {
      const path = `/law/minute/${encodeURIComponent(name)}`;
      // In a table of its own: writes that failed in other tests are tried again meanwhile.
      const table = "other-app";
      const keys = async () => (await worker.dump("kv")).map(({ key }) => key).filter((key) => key.includes("lc1:other"));
      const others = await keys();
      const before = Number(version(await worker.ask(path, { table })).slice(1));
      const [stored] = (await keys()).filter((key) => !others.includes(key));
      assert.ok(stored);
      await worker.fault("cache", faults);
      const started = Date.now();
      const answer = await worker.get(path, { table, method: "POST" });
      assert.ok(Date.now() - started < PATIENCE, `${Date.now() - started} ms`);
      assert.equal(version(answer), `v${before + 1}`);
      assert.ok(!(await keys()).includes(stored));
    });
  }
});
