// Several variants of one target (RFC 9111 section 4.1), in both runtimes and through every tier. What each costs, and what
// becomes of slots that somebody else wrote to, is seen with the stand-ins of Cache API and KV.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertForwarded, assertHit, Fixture } from "./harness.mjs";
import { RawFixture } from "./raw.mjs";

const speaks = (language) => ({ headers: language === undefined ? {} : { "accept-language": language } });

/** An answer that was made for `value` of `name`. */
function assertMadeFor(answer, value = "-", name = "accept-language") {
  assert.equal(answer.status, 200);
  assert.equal(answer.text.split(` ${name}=`)[1], value);
}

for (const [runtime, start] of [["the local runtime", () => Fixture.start()], ["workerd", () => RawFixture.start()]]) {
  describe(runtime, () => {
    let worker;
    before(async () => (worker = await start()));
    after(() => worker.stop());

    /** Asks for each variant and checks that it comes from `tier`, made for who asks. */
    async function each(path, languages, tier, options = {}) {
      for (const language of languages) {
        const answer = await worker.ask(path, { ...options, ...speaks(language) });
        tier ? assertHit(answer, tier) : assertForwarded(answer);
        assertMadeFor(answer, language);
      }
    }

    for (const languages of [["en", "it"], ["en", "it", undefined], ["en", "en, it", "it, en"]]) {
      const name = languages.map((language) => JSON.stringify(language) ?? "none").join(" and ");
      test(`${name}: from L1, from KV, and back in L1`, async () => {
        const path = `/law/minute/tiers?vary=accept-language&languages=${encodeURIComponent(name)}`;
        await each(path, languages);
        await each(path, languages, "l1");
        await worker.emptyL1();
        await each(path, languages, "l2");
        await each(path, languages, "l1");
        await worker.emptyL1();
        // The first variant comes along with any other: all need it.
        const [first, ...others] = languages;
        await each(path, others, "l2");
        await each(path, [first, ...others], "l1");
        assert.equal(await worker.runs(path), languages.length);
      });
    }

    test("from the hot tier, when all others are empty", async () => {
      const path = "/law/minute/hot?vary=accept-language";
      const table = "hot";
      await each(path, ["en", "it", "de"], undefined, { table });
      await worker.emptyL1();
      await worker.emptyL2();
      await each(path, ["en", "it", "de"], "hot", { table });
    });

    test("a variant that L2 alone has lost is made anew, the others are not", async () => {
      const path = "/law/minute/lost?vary=accept-language";
      await each(path, ["en", "it"]);
      await worker.emptyL2();
      await each(path, ["en", "it"], "l1");
      await worker.emptyL1();
      await each(path, ["it", "en"]);
      await each(path, ["it", "en"], "l1");
    });

    test("the order and the case of names, and what stands between members, select nothing", async () => {
      const path = "/law/minute/same?vary=Accept-Language,X-Tenant";
      const ask = (language) => worker.ask(path, { headers: { "accept-language": language, "X-TENANT": "a" } });
      assertForwarded(await ask("en,it"), "uri-miss");
      for (const language of ["en, it", "en ,\t it"]) assertHit(await ask(language), "l1");
      for (const language of ["enit", "it,en", "en"]) assertForwarded(await ask(language), "vary-miss");
    });

    test("a cap of two: the third is served and not stored, the first two stay", async () => {
      const path = "/law/pair/cap?vary=accept-language";
      await each(path, ["en", "it"]);
      for (const run of [3, 4]) {
        const answer = await worker.ask(path, speaks("de"));
        assertForwarded(answer, "vary-miss");
        assertMadeFor(answer, "de");
        assert.equal(answer.cache.stored, undefined);
        assert.equal(answer.cache.detail, "variants");
        assert.equal(await worker.runs(path), run);
      }
      await each(path, ["en", "it"], "l1");
    });

    test("languages(): one variant for each it knows, and the handler sees which", async () => {
      const path = "/law/tongues/a?vary=accept-language";
      const asks = {
        en: ["en", "en-GB,en;q=0.9", "ja,ko", "*", "it;q=0", undefined],
        it: ["it", "it-CH, it;q=0.9, de;q=0.8", "ja, it;q=0.1"],
        de: ["de;q=0.7,en;q=0.3", "de-AT"],
      };
      for (const [chosen, sent] of Object.entries(asks)) {
        for (const [i, language] of sent.entries()) {
          const answer = await worker.ask(path, speaks(language));
          i === 0 ? assertForwarded(answer) : assertHit(answer, "l1");
          assertMadeFor(answer, chosen);
        }
      }
      const seen = JSON.parse((await worker.get("/__admin/seen")).text)[path];
      assert.deepEqual(seen.map(({ headers }) => headers["accept-language"]), ["en", "it", "de"]);
      await worker.emptyL1();
      for (const [chosen, sent] of Object.entries(asks)) {
        for (const language of sent) assertMadeFor(await worker.ask(path, speaks(language)), chosen);
      }
      assert.equal(await worker.runs(path), 3);
    });

    test("an answer that one origin may read goes to that origin only, though its Vary forgets to say so", async () => {
      const path = "/law/minute/cors?acao=1";
      const origins = ["https://a.example", "https://b.example"];
      const check = async (tier) => {
        for (const origin of origins) {
          const answer = await worker.ask(path, { headers: { origin } });
          tier ? assertHit(answer, tier) : assertForwarded(answer);
          assert.equal(answer.headers["access-control-allow-origin"], origin);
          assert.match(answer.headers.vary, /\borigin\b/i);
        }
      };
      await check();
      await check("l1");
      await worker.emptyL1();
      await check("l2");
      await check("l1");
      const nobody = await worker.ask(path);
      assertForwarded(nobody, "vary-miss");
    });

    test("twelve tenants at once, while tiers lose what they have: nobody gets another's answer", async () => {
      const path = "/law/minute/tenants?vary=x-tenant&size&delay=3";
      for (let round = 0; round < 6; round++) {
        const tenants = Array.from({ length: 36 }, (_, i) => `t${(i * 7 + round) % 12}`);
        const answers = await Promise.all(tenants.map((tenant) => worker.get(path, { headers: { "x-tenant": tenant } })));
        answers.forEach((answer, i) => assertMadeFor(answer, tenants[i], "x-tenant"));
        if (round % 2) await worker.settled();
        if (round > 1) await worker.emptyL1();
      }
      await worker.settled();
      const runs = await worker.runs(path);
      for (let i = 0; i < 12; i++) {
        const answer = await worker.ask(path, { headers: { "x-tenant": `t${i}` } });
        assertMadeFor(answer, `t${i}`, "x-tenant");
        assertHit(answer);
      }
      assert.equal(await worker.runs(path), runs);
    });
  });
}

describe("seen by the stores", () => {
  let worker;
  before(async () => (worker = await RawFixture.start()));
  after(() => worker.stop());
  beforeEach(() => worker.reset());

  const VARY = "vary=accept-language";

  test("a target that does not vary, or in one way only, costs one read of a tier", async () => {
    for (const [path, options] of [["/law/minute/one", {}], [`/law/minute/only?${VARY}`, speaks("en")]]) {
      await worker.ask(path, options);
      const l1 = await worker.costs(path, options);
      assertHit(l1.answer, "l1");
      assert.deepEqual([l1.l1, l1.l2], [{ get: 1 }, {}]);
      await worker.emptyL1();
      const l2 = await worker.costs(path, options);
      assertHit(l2.answer, "l2");
      assert.deepEqual([l2.l1, l2.l2], [{ get: 1, put: 1 }, { get: 1 }]);
    }
  });

  test("any other variant costs two", async () => {
    const path = `/law/minute/two?${VARY}`;
    for (const language of ["en", "it"]) await worker.ask(path, speaks(language));
    const l1 = await worker.costs(path, speaks("it"));
    assertHit(l1.answer, "l1");
    assert.deepEqual([l1.l1, l1.l2], [{ get: 2 }, {}]);
    await worker.emptyL1();
    const l2 = await worker.costs(path, speaks("it"));
    assertHit(l2.answer, "l2");
    assert.deepEqual([l2.l1.get, l2.l2], [2, { get: 2 }]);
  });

  test("once read from KV, a variant that is asked for alone is answered without KV", async () => {
    const path = `/law/minute/alone?${VARY}`;
    for (const language of ["en", "it"]) await worker.ask(path, speaks(language));
    await worker.emptyL1();
    assertHit(await worker.ask(path, speaks("it")), "l2");
    for (let i = 0; i < 2; i++) {
      const { answer, l2 } = await worker.costs(path, speaks("it"));
      assertHit(answer, "l1");
      assert.deepEqual(l2, {});
    }
  });

  test("... even when the first variant, which all need, is past its lifetime", async () => {
    const path = `/law/headers/alone?etag=1&said=Cache-Control:max-age=2&${VARY}`;
    for (const language of ["en", "it"]) await worker.ask(path, speaks(language));
    await sleep(2100);
    await worker.emptyL1();
    const renewed = await worker.costs(path, speaks("it"));
    assertForwarded(renewed.answer, "stale");
    assert.deepEqual(renewed.l2, { get: 2 });
    // One variant is fresh again, the first is not.
    const { answer, l2 } = await worker.costs(path, speaks("it"));
    assertHit(answer, "l1");
    assert.deepEqual(l2, {});
    assert.equal(answer.text, "v1 run2 accept-language=it");
  });

  test("a second variant is one write to KV, that of its own slot", async () => {
    const path = `/law/minute/writes?${VARY}`;
    assert.deepEqual((await worker.costs(path, speaks("en"))).l2, { get: 1, put: 1 });
    assert.equal((await worker.costs(path, speaks("it"))).l2.put, 1);
    assert.equal((await worker.dump("kv")).length, 2);
  });

  /** Stores two variants and empties L1; `spoil` gets their keys in KV, in the order in which they were stored. */
  async function spoiled(path, spoil) {
    await worker.ask(path, speaks("en"));
    const [first] = await worker.dump("kv");
    await worker.ask(path, speaks("it"));
    const second = (await worker.dump("kv", true)).find(({ key }) => key !== first.key);
    assert.ok(second);
    await worker.emptyL1();
    await spoil(first, second);
  }

  /** What a slot in KV holds: this body, and the head of `entry` as `change` leaves it. */
  const slot = (value, entry, change = (head) => head) => ({ value, metadata: JSON.stringify(change(JSON.parse(entry.metadata))) });
  const whole = "v1 run2 accept-language=it";

  for (const [name, entry, isHit] of [
    ["is as it was", (_, second) => slot(whole, second), true],
    ["another program wrote", () => ({ value: "something else entirely" })],
    ["another program wrote, with metadata", () => ({ value: "anything", metadata: { color: "blue" } })],
    ["is of a version to come", (_, second) => slot(whole, second, (head) => head.replace(/^1/, "2"))],
    ["has a head that is cut short", (_, second) => slot(whole, second, (head) => head.slice(0, -9))],
    ["holds the first variant", (first) => slot("v1 run1 accept-language=en", first)],
    ["has lost a byte of its body", (_, second) => slot(whole.slice(0, -1), second)],
    ["is said to be made for another language", (_, second) => slot(whole, second, (head) => head.replace("w2:it", "w2:de"))],
  ]) {
    test(`a variant's slot in KV that ${name} is a ${isHit ? "hit" : "miss, and is written anew"}`, async () => {
      const path = `/law/minute/slot?${VARY}&case=${encodeURIComponent(name)}`;
      await spoiled(path, (first, second) => worker.raw({ role: "kv", key: second.key, ...entry(first, second) }));
      const answer = await worker.ask(path, speaks("it"));
      assertMadeFor(answer, "it");
      if (isHit) return assertHit(answer, "l2");
      assertForwarded(answer, "vary-miss");
      assertHit(await worker.ask(path, speaks("en")));
      await worker.emptyL1();
      const again = await worker.ask(path, speaks("it"));
      assertHit(again, "l2");
      assertMadeFor(again, "it");
    });
  }

  test("a first slot in KV that holds rubbish is a miss for all variants, none gets another's", async () => {
    const path = `/law/minute/first-slot?${VARY}`;
    await spoiled(path, (first) => worker.raw({ role: "kv", key: first.key, ...slot("rubbish", first) }));
    for (const language of ["it", "en"]) {
      const answer = await worker.ask(path, speaks(language));
      assertForwarded(answer);
      assertMadeFor(answer, language);
    }
    for (const language of ["it", "en"]) {
      const answer = await worker.ask(path, speaks(language));
      assertHit(answer, "l1");
      assertMadeFor(answer, language);
    }
  });

  test("a variant's slot in L1 that holds rubbish is passed over, KV answers", async () => {
    const path = `/law/minute/l1-slot?${VARY}`;
    await worker.ask(path, speaks("en"));
    const [first] = await worker.dump("cache");
    await worker.ask(path, speaks("it"));
    const second = (await worker.dump("cache")).find(({ key }) => key !== first.key);
    for (const headers of [{}, { "x-layercake": "1nonsense." }, Object.fromEntries(first.headers)]) {
      await worker.raw({ role: "cache", key: second.key, value: "rubbish", headers: { ...headers, "cache-control": "max-age=60" } });
      const answer = await worker.ask(path, speaks("it"));
      assertHit(answer, "l2");
      assertMadeFor(answer, "it");
    }
  });
});
