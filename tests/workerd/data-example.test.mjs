// The example Worker for values, as it is built, with D1, KV and the edge cache: what it asks of the database, and when.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eventually } from "./raw.mjs";
import { Watched } from "./watch.mjs";

const MINUTE = 60;

let worker;
/** The answer as JSON, of the status expected, and the queries behind it. */
async function json(path, { status = 200, ...options } = {}) {
  const answer = await worker.ask(path, options);
  assert.equal(answer.status, status, answer.text);
  return { value: JSON.parse(answer.text), queries: await worker.queries() };
}

/** What is asked for costs no query. */
async function assertKept(path, value, options) {
  const again = await json(path, options);
  assert.deepEqual(again.queries, [], path);
  if (value !== undefined) assert.deepEqual(again.value, value);
}

const started = async (options) => {
  worker = await Watched.start("examples/data", options);
};

describe("with all tiers", () => {
  before(() => started());
  after(() => worker.stop());

  test("a list is loaded once, from whichever tier it comes later", async () => {
    const first = await json("/sections/brewing");
    assert.deepEqual(first.value.map(({ title }) => title), ["Water", "Seven infusions"]);
    assert.equal(first.queries.length, 1);
    await worker.sql("UPDATE articles SET title = 'Hard water' WHERE id = 4");
    await assertKept("/sections/brewing", first.value);
    // From the edge cache: the isolate's memory is for seconds.
    await worker.later(6);
    await assertKept("/sections/brewing", first.value);
    await worker.emptyL1();
    await assertKept("/sections/brewing", first.value);
    const { hit_hot, hit_l1, hit_l2, miss } = await worker.stats();
    assert.deepEqual({ hit_hot, hit_l1, hit_l2, miss }, { hit_hot: 1, hit_l1: 1, hit_l2: 1, miss: 1 });
  });

  test("a list past its five minutes is served as it is, and made anew behind the answer", async () => {
    const { value: old } = await json("/sections/harvest");
    await worker.sql("UPDATE articles SET title = 'Rain at last' WHERE id = 2");
    await worker.later(6 * MINUTE);
    const stale = await json("/sections/harvest");
    assert.deepEqual(stale.value, old);
    assert.equal(stale.queries.length, 1);
    const fresh = await json("/sections/harvest");
    assert.equal(fresh.value[0].title, "Rain at last");
    assert.deepEqual(fresh.queries, []);
  });

  test("settings that change are seen by the next reader, and only they are asked for again", async () => {
    for (const name of ["theme", "banner"]) assert.equal((await json(`/settings/${name}`)).queries.length, 1);
    await json("/settings/motto", { status: 404 });
    await assertKept("/settings/motto", undefined, { status: 404 });
    await worker.later(20 * 60 * MINUTE);
    await assertKept("/settings/theme", { value: "autumn" });
    // No pause between the answers: the values are forgotten before the first one is given.
    const put = await worker.get("/admin/settings", { method: "PUT", body: '{"theme":"winter","motto":"Tea first"}' });
    const next = await Promise.all(["theme", "motto"].map((name) => worker.get(`/settings/${name}`)));
    assert.equal(put.status, 200, put.text);
    assert.deepEqual(next.map(({ text }) => JSON.parse(text).value), ["winter", "Tea first"]);
    await worker.settled();
    assert.deepEqual((await worker.queries()).map(({ batch, parameters }) => batch ?? parameters[0]), [2, "theme", "motto"]);
    await assertKept("/settings/banner", { value: "Free shipping in November" });
    // KV takes one write a second for a key: that of the new value waits behind the deletion.
    await eventually(async () => (await worker.kept()).includes("cache:settings:theme"));
    await worker.emptyL1();
    await assertKept("/settings/theme", { value: "winter" });
    assert.equal((await worker.get("/admin/settings", { method: "PUT", body: "nonsense" })).status, 400);
  });

  test("fifty ask for a job at once: the database is asked once", async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => worker.get("/jobs/1")));
    for (const { status, text } of answers) assert.deepEqual([status, text], [200, '{"state":"running","done":120,"total":480}']);
    await worker.settled();
    assert.equal((await worker.queries()).length, 1);
    await worker.sql("UPDATE jobs SET done = 300 WHERE id = 1");
    await worker.later(MINUTE + 1);
    assert.equal((await json("/jobs/1")).value.done, 300);
  });

  test("a user has his own subscription, and of who has none that is known for a minute", async () => {
    assert.equal((await json("/users/alice/subscription")).value.plan, "team");
    assert.equal((await json("/users/bob/subscription")).value.plan, "single");
    await assertKept("/users/alice/subscription", { plan: "team", seats: 12 });
    assert.equal((await json("/users/carol/subscription", { status: 404 })).queries.length, 1);
    await assertKept("/users/carol/subscription", undefined, { status: 404 });
    await worker.emptyL1();
    await assertKept("/users/carol/subscription", undefined, { status: 404 });
    await worker.sql("INSERT INTO subscriptions (user, plan, seats) VALUES ('carol', 'team', 3)");
    await worker.later(MINUTE);
    assert.equal((await json("/users/carol/subscription")).value.plan, "team");
  });

  test("of thirty flags the twenty that are missing come from one statement", async () => {
    const names = Array.from({ length: 30 }, (_, i) => `flag-${i + 1}`);
    const on = (names) => Object.fromEntries(names.map((name) => [name, Number(name.slice(5)) % 3 === 0]));
    const ten = names.slice(5, 15);
    const some = await json(`/flags/${ten}`);
    assert.deepEqual(some.value, on(ten));
    assert.equal(some.queries.length, 1);
    const all = await json(`/flags/${names}`);
    assert.deepEqual(all.value, on(names));
    assert.equal(all.queries.length, 1);
    assert.deepEqual(JSON.parse(all.queries[0].parameters[0]), names.filter((name) => !ten.includes(name)));
    await assertKept(`/flags/${names}`, on(names));
    await worker.emptyL1();
    await assertKept(`/flags/${names}`, on(names));
    assert.deepEqual((await json("/flags/flag-3,nothing")).value, { "flag-3": true, nothing: null });
    await assertKept("/flags/nothing", { nothing: null });
  });

  test("all of a tenant is one entry, loaded in one round trip", async () => {
    const anna = { profile: { name: "Anna's Tea House", plan: "gold" }, features: ["exports", "reports"] };
    const first = await json("/tenants/anna");
    assert.deepEqual(first.value, anna);
    assert.deepEqual(first.queries, [{ batch: 2 }]);
    await assertKept("/tenants/anna/features", anna.features);
    assert.deepEqual((await worker.kept()).filter((name) => name.includes("tenant")), ["cache:tenant:anna"]);
    await worker.emptyL1();
    await assertKept("/tenants/anna", anna);
    await json("/tenants/nobody", { status: 404 });
    await assertKept("/tenants/nobody", undefined, { status: 404 });
  });

  test("a token is kept for as long as it is good", async () => {
    const expires = (await worker.now()) + 5 * MINUTE * 1000;
    const renew = (token, expires) => worker.sql("UPDATE tokens SET token = ?1, expires = ?2", token, expires);
    await renew("tk-first", expires);
    // No more than its beginning is shown.
    assert.deepEqual((await json("/partners/parcels")).value, { token: "tk-f", expires });
    await renew("tk-next", expires + 60_000);
    // Thirty seconds before its end it is not used any more.
    await worker.later(5 * MINUTE - 40);
    await assertKept("/partners/parcels", { token: "tk-f", expires });
    await worker.later(15);
    const renewed = await json("/partners/parcels");
    assert.deepEqual(renewed.value, { token: "tk-n", expires: expires + 60_000 });
    assert.equal(renewed.queries.length, 1);
  });

  test("what is kept of articles that are gone is forgotten by the clean-up", async () => {
    for (const id of [1, 2, 3, 4]) assert.equal((await json(`/articles/${id}`)).value.id, id);
    const articles = async () => (await worker.kept()).filter((name) => name.startsWith("cache:content:article"));
    assert.equal((await articles()).length, 4);
    await worker.sql("DELETE FROM articles WHERE id = 2");
    await worker.sql("UPDATE articles SET published = 0 WHERE id = 3");
    await assertKept("/articles/2");
    // And one that another data centre has kept.
    const kv = await worker.mf.getKVNamespace("CACHE");
    const { name } = (await kv.list()).keys.find(({ name }) => name.endsWith("cache:content:article:1"));
    await kv.put(name + "7", "kept elsewhere", { metadata: (await kv.getWithMetadata(name)).metadata });
    await worker.scheduled();
    assert.deepEqual(await articles(), ["cache:content:article:1", "cache:content:article:4"]);
    assert.equal((await worker.queries()).length, 1);
    for (const id of [2, 3]) await json(`/articles/${id}`, { status: 404 });
    for (const id of [1, 4]) await assertKept(`/articles/${id}`);
  });

  test("a run of the clean-up is bounded, and the next one goes on", async () => {
    const ids = Array.from({ length: 230 }, (_, i) => 1001 + i);
    const db = await worker.mf.getD1Database("DB");
    const insert = db.prepare("INSERT INTO articles VALUES (?1, 'archive', 'Old', 'Old.', 1)");
    await db.batch(ids.map((id) => insert.bind(id)));
    for (let i = 0; i < ids.length; i += 23) await Promise.all(ids.slice(i, i + 23).map((id) => worker.get(`/articles/${id}`)));
    await worker.settled();
    const archived = async () => (await worker.kept()).filter((name) => name.includes("article:1") && name.length > 23).length;
    assert.equal(await archived(), 230);
    await worker.sql("DELETE FROM articles WHERE section = 'archive'");
    await worker.scheduled();
    assert.equal(await archived(), 30);
    await worker.scheduled();
    assert.equal(await archived(), 0);
  });
});

describe("with a database that fails", () => {
  before(() => started());
  after(() => worker.stop());

  test("what is kept stands in for as long as the policy says, and all else is a failure in words", async () => {
    const { value: list } = await json("/sections/brewing");
    const { value: tenant } = await json("/tenants/anna");
    await json("/articles/1");
    for (const table of ["articles", "features", "tenants"]) await worker.sql(`DROP TABLE ${table}`);
    await worker.later(20 * 60 * MINUTE);
    assert.deepEqual((await json("/sections/brewing")).value, list);
    assert.deepEqual((await json("/tenants/anna")).value, tenant);
    const { value: failure } = await json("/sections/harvest", { status: 503 });
    assert.match(failure.error, /no such table/);
    assert.ok((await worker.stats()).stale_if_error >= 2);
    // Their day is over, and they have no other.
    await worker.later(5 * 60 * MINUTE);
    await json("/articles/1", { status: 503 });
    await json("/sections/brewing", { status: 503 });
  });
});

describe("without KV", () => {
  before(() => started({ kv: false }));
  after(() => worker.stop());

  test("values are kept in the edge cache, and the log says once what is missing", async () => {
    const { value } = await json("/tenants/anna");
    await worker.later(6);
    await assertKept("/tenants/anna", value);
    assert.equal((await worker.stats()).hit_l1, 1);
    const put = await worker.ask("/admin/settings", { method: "PUT", body: '{"theme":"winter"}' });
    assert.equal(put.status, 200, put.text);
    assert.equal(worker.logs.filter((line) => line.includes("no KV binding CACHE")).length, 1);
  });

  test("the clean-up finds nothing to do", async () => {
    await worker.queries();
    await worker.scheduled();
    assert.ok(worker.logs.some((line) => line.startsWith("clean-up: ")), worker.logs.join("\n"));
    assert.deepEqual(await worker.queries(), []);
  });
});
