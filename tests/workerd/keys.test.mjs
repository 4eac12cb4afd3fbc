// What policies key on, and what the handler gets to see of it: in both runtimes, through both tiers.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertForwarded, assertHit, beyondCore, Fixture } from "./harness.mjs";
import { RawFixture } from "./raw.mjs";

const table = "keys";
const cookie = (value) => ({ headers: { cookie: value } });
const plan = (value) => ({ headers: { "x-plan": value } });
const user = (value) => ({ headers: { authorization: value } });
const tenant = (value) => ({ headers: { "x-tenant": value } });

/** Groups of requests that share an answer: path and query, and options; `sees` is what the handler sees of each in the group. */
const cases = [
  { name: "the query as it is", groups: [[["whole/a?b=2&a=1"]], [["whole/a?a=1&b=2"]], [["whole/a"]]] },
  {
    name: "the query in order",
    groups: [
      [["sorted/a?b=2&a=1"], ["sorted/a?a=1&b=2"], ["sorted/a?a=1&&b=2"]],
      [["sorted/a"], ["sorted/a?"]],
    ],
    sees: [{ target: "/echo/sorted/a?a=1&b=2" }, { target: "/echo/sorted/a" }],
  },
  {
    name: "some parameters",
    groups: [[["only/a?q=1&x=2"], ["only/a?x=3&q=1"]], [["only/a?q=2"]], [["only/a?%71=1"], ["only/a"]]],
    sees: [{ target: "/echo/only/a?q=1" }, { target: "/echo/only/a?q=2" }, { target: "/echo/only/a" }],
  },
  {
    name: "no tracking",
    groups: [[["untracked/a?utm_source=mail&q=1"], ["untracked/a?q=1&gclid=7"], ["untracked/a?q=1"]], [["untracked/a?fbclid=1"], ["untracked/a"]]],
    sees: [{ target: "/echo/untracked/a?q=1" }, { target: "/echo/untracked/a" }],
  },
  { name: "no query", groups: [[["ignored/a?b"], ["ignored/a"]]], sees: [{ target: "/echo/ignored/a" }] },
  {
    name: "case and last slash",
    groups: [[["folded/About/"], ["folded/about"], ["folded/ABOUT"]]],
    sees: [{ target: "/echo/folded/about" }],
  },
  { name: "a request field", groups: [[["headers/a", plan("gold")]], [["headers/a", plan("")]], [["headers/a"]]] },
  {
    name: "a credential",
    groups: [[["users/a", user("alice")]], [["users/a", user("bob")]], [["users/a"]]],
    sees: [{ authorization: "alice" }, { authorization: "bob" }, { authorization: null }],
  },
  {
    name: "a cookie",
    groups: [
      [["cookies/a", cookie("theme=dark")], ["cookies/a", cookie("_ga=1; theme=dark")]],
      [["cookies/a"], ["cookies/a", cookie("_ga=1")]],
      [["cookies/a", cookie("theme=")]],
    ],
    sees: [{ cookie: "theme=dark" }, { cookie: null }, { cookie: "theme=" }],
  },
  {
    name: "a cookie, whoever asks",
    groups: [
      [["anonymous/a", cookie("session=alice; theme=dark")], ["anonymous/a", cookie("theme=dark; session=bob")]],
      [["anonymous/a", cookie("session=alice")], ["anonymous/a", user("bob")], ["anonymous/a"]],
    ],
    sees: [
      { cookie: "theme=dark", cf: false },
      { cookie: null, authorization: null, cf: false },
    ],
  },
  { name: "a value that the owner computes", groups: [[["tenants/a", tenant("alice")]], [["tenants/a", tenant("bob")]]] },
];

for (const [runtime, start] of [["the local runtime", () => Fixture.start()], ["workerd", () => RawFixture.start()]]) {
  describe(runtime, () => {
    let worker;
    before(async () => (worker = await start()));
    after(() => worker.stop());
    const ask = (path, options = {}) => worker.ask(`/echo/${path}`, { table, ...options });

    for (const { name, groups, sees } of cases) {
      test(`${name}: from the handler, from L1, from KV`, async () => {
        const bodies = [];
        for (const group of groups) {
          const [first, ...others] = group;
          const answer = await ask(...first);
          assertForwarded(answer, "uri-miss");
          for (const other of others) assert.equal((await ask(...other)).text, answer.text);
          bodies.push(answer.text);
        }
        bodies.forEach((text, i) => {
          const seen = JSON.parse(text);
          for (const [what, value] of Object.entries(sees?.[i] ?? {})) assert.deepEqual(seen[what], value, what);
        });
        for (const tier of ["l1", "l2"]) {
          for (const [i, group] of groups.entries()) {
            for (const [n, request] of group.entries()) {
              const answer = await ask(...request);
              assertHit(answer, n === 0 ? tier : "l1");
              assert.equal(answer.text, bodies[i]);
            }
          }
          await worker.emptyL1();
        }
      });
    }

    test("paths that may be read in two ways are not cached", async () => {
      for (const path of ["whole/..%2faccount", "whole/a%2Fb", "whole/a;v=1", "whole//a", "whole/a%5cb", "whole/%252e%252e/b"]) {
        for (let i = 0; i < 2; i++) {
          const answer = await ask(path);
          assertForwarded(answer, "bypass");
          assert.equal(answer.cache.detail, "path");
          assert.equal(answer.headers["cache-control"], "private, no-store");
          assert.equal(JSON.parse(answer.text).target, `/echo/${path}`);
        }
      }
    });

    test("a request for which there is no value goes past the cache", async () => {
      for (let i = 0; i < 2; i++) {
        const answer = await ask("tenants/none", tenant("*"));
        assertForwarded(answer, "bypass");
        assert.equal(answer.cache.detail, "key-value");
      }
    });

    test("past the cache the handler sees what was sent", async () => {
      const answer = await ask("only/a?x=1&q=2", cookie("session=alice"));
      assertForwarded(answer, "bypass");
      assert.deepEqual(JSON.parse(answer.text).target, "/echo/only/a?x=1&q=2");
      assert.equal(JSON.parse(answer.text).cookie, "session=alice");
    });

    test("a change makes void what is stored for its own values", async () => {
      for (const theme of ["dark", "light"]) await ask("cookies/change", cookie(`theme=${theme}`));
      await ask("cookies/change", { method: "POST", headers: { cookie: "theme=dark; session=alice" } });
      assertForwarded(await ask("cookies/change", cookie("theme=dark")), "uri-miss");
      assertHit(await ask("cookies/change", cookie("theme=light")), "l1");
    });

    test("a handler that answers by what is not keyed on is found out, and its route is cached no more", { skip: beyondCore }, async () => {
      const stats = async () => (await worker.stats(table)).routes["/echo/verified/:name"];
      assertForwarded(await ask("verified/same"), "uri-miss");
      assertHit(await ask("verified/same", { headers: { "user-agent": "somebody else" } }), "l1");
      assert.equal((await stats()).quarantined ?? 0, 0);
      await ask("verified/a", plan("gold"));
      assert.equal((await stats()).quarantined, 1);
      for (const options of [plan("gold"), plan("free"), {}]) {
        const answer = await ask("verified/a", options);
        assertForwarded(answer, "bypass");
        assert.equal(answer.cache.detail, "quarantine");
        assert.equal(JSON.parse(answer.text).plan, options.headers?.["x-plan"] ?? null);
      }
    });
  });
}
