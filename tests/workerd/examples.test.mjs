// The examples do what their pages say.
import assert from "node:assert/strict";
import http from "node:http";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync, gzipSync } from "node:zlib";
import { seedDatabase, start, workerOptions } from "../../tools/local.mjs";
import { assertForwarded, assertHit, exchange } from "./harness.mjs";

/** Starts an example; the function returned asks it and waits for what runs behind the answer. */
async function serve(dir, vars) {
  const mf = start(await workerOptions(dir, { vars }));
  const { origin } = await mf.ready;
  await seedDatabase(mf, dir);
  const ask = async (path, options) => {
    const answer = await exchange(origin + path, options);
    await sleep(100);
    return answer;
  };
  return { ask, kv: () => mf.getKVNamespace("CACHE"), stop: () => mf.dispose() };
}

describe("shop", () => {
  let shop;
  before(async () => (shop = await serve("examples/shop")));
  after(() => shop.stop());

  for (const path of ["/", "/api/products", "/api/products?category=tea&sort=price", "/api/products/7", "/report", "/assets/catalogue.bin"]) {
    test(`${path}: the second time from the cache, and the same`, async () => {
      const first = await shop.ask(path);
      assert.equal(first.status, 200);
      assertForwarded(first, "uri-miss");
      const second = await shop.ask(path);
      assertHit(second);
      assert.ok(second.body.equals(first.body));
    });
  }

  test("twenty ask for the slow report at once: it is made once", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => shop.ask("/report?at=once")));
    for (const answer of answers) {
      assert.equal(answer.status, 200);
      assertForwarded(answer, "uri-miss");
      assert.ok(answer.body.equals(answers[0].body));
    }
    assert.equal(answers.filter((answer) => !answer.cache.collapsed).length, 1);
  });

  test("orders are personal", async () => {
    assert.equal((await shop.ask("/account/orders")).status, 401);
    for (const [session, orders] of [["alice", 2], ["bob", 3], ["alice", 2]]) {
      const answer = await shop.ask("/account/orders", { headers: { cookie: `session=${session}` } });
      assertForwarded(answer, "bypass");
      assert.equal(answer.headers["cache-control"], "private, no-store");
      assert.equal(JSON.parse(answer.text).length, orders);
    }
  });

  test("a price can be changed", async () => {
    const post = (body) => shop.ask("/api/products/3/price", { method: "POST", body });
    const changed = await post('{"price_cents":4321}');
    assertForwarded(changed, "method");
    assert.equal(JSON.parse(changed.text).price_cents, 4321);
    assert.equal(JSON.parse((await shop.ask("/api/products/3")).text).price_cents, 4321);
    assert.equal((await post("nonsense")).status, 400);
    assert.equal((await shop.ask("/api/products/99")).status, 404);
  });
});

describe("proxy", () => {
  let proxy, origin;
  const seen = [];
  before(async () => {
    origin = http.createServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      const path = request.url.split("?")[0];
      response.setHeader("cache-control", path.startsWith("/kept") ? "max-age=60" : "no-store");
      if (path === "/cookies") response.setHeader("set-cookie", ["a=1", "b=2"]);
      if (path === "/elsewhere") return response.writeHead(302, { location: "/target" }).end();
      if (path === "/unchanged") return response.writeHead(304, { etag: '"a"' }).end();
      if (path === "/kept/gzip") {
        response.setHeader("content-encoding", "gzip");
        return response.end(gzipSync("compressed ".repeat(500)));
      }
      if (request.method === "POST") return request.pipe(response.writeHead(201));
      response.end(`${request.method} ${request.url}`);
    });
    await new Promise((resolve) => origin.listen(0, "127.0.0.1", resolve));
    proxy = await serve("examples/proxy", { ORIGIN: `http://127.0.0.1:${origin.address().port}` });
  });
  after(async () => {
    origin.closeAllConnections();
    origin.close();
    await proxy.stop();
  });

  test("path and query reach the origin as they are, once", async () => {
    const path = "/kept/a%2Fb/%C3%A4?x=1&x=2&y=%20+";
    assert.equal((await proxy.ask(path)).text, `GET ${path}`);
    const second = await proxy.ask(path);
    assertHit(second);
    assert.equal(second.text, `GET ${path}`);
    assert.equal(seen.filter((line) => line === `GET ${path}`).length, 1);
  });

  test("methods and bodies pass", async () => {
    const answer = await proxy.ask("/made", { method: "POST", body: "x".repeat(100_000) });
    assert.equal(answer.status, 201);
    assert.equal(answer.body.length, 100_000);
    assert.equal((await proxy.ask("/gone", { method: "DELETE" })).text, "DELETE /gone");
    const head = await proxy.ask("/head", { method: "HEAD" });
    assert.equal(head.status, 200);
    assert.equal(head.body.length, 0);
  });

  test("repeated fields, redirects and 304 pass", async () => {
    assert.deepEqual((await proxy.ask("/cookies")).headers["set-cookie"], ["a=1", "b=2"]);
    const redirect = await proxy.ask("/elsewhere");
    assert.equal(redirect.status, 302);
    assert.equal(redirect.headers.location, "/target");
    const unchanged = await proxy.ask("/unchanged", { headers: { "if-none-match": '"a"' } });
    assert.equal(unchanged.status, 304);
    assert.equal(unchanged.body.length, 0);
  });

  test("a compressed answer stays readable from the cache", async () => {
    const headers = { "accept-encoding": "gzip" };
    for (let i = 0; i < 3; i++) {
      const answer = await proxy.ask("/kept/gzip", { headers });
      const plain = answer.headers["content-encoding"] === "gzip" ? gunzipSync(answer.body) : answer.body;
      assert.equal(plain.toString(), "compressed ".repeat(500));
      if (i > 0) assertHit(answer);
    }
  });

  test("no-store is obeyed", async () => {
    for (let i = 0; i < 2; i++) assertForwarded(await proxy.ask("/never"));
    assert.equal(seen.filter((line) => line === "GET /never").length, 2);
  });

  test("without its origin it answers 502, and what it has", async () => {
    await proxy.ask("/kept/last");
    origin.closeAllConnections();
    await new Promise((resolve) => origin.close(resolve));
    assert.equal((await proxy.ask("/new")).status, 502);
    const kept = await proxy.ask("/kept/last");
    assert.equal(kept.status, 200);
    assertHit(kept);
  });
});

describe("axum", () => {
  let app;
  before(async () => (app = await serve("examples/axum")));
  after(() => app.stop());

  test("a page of the router goes by the table", async () => {
    const first = await app.ask("/time");
    assertForwarded(first, "uri-miss");
    const second = await app.ask("/time");
    assertHit(second);
    assert.equal(second.text, first.text);
    assert.equal(second.headers["content-type"], "application/json");
  });

  test("a route layer brings a policy along, and the handler its parameters", async () => {
    assertForwarded(await app.ask("/greet/ada"), "uri-miss");
    const hit = await app.ask("/greet/ada");
    assertHit(hit);
    assert.equal(hit.text, "Hello, ada!");
    assert.equal(hit.cache.ttl > 3000, true);
    const other = await app.ask("/greet/bob");
    assertForwarded(other, "uri-miss");
    assert.equal(other.text, "Hello, bob!");
  });

  test("what the table bypasses is personal", async () => {
    const answer = await app.ask("/account");
    assertForwarded(answer, "bypass");
    assert.equal(answer.headers["cache-control"], "private, no-store");
  });

  test("an entry outlives the isolate's memory: it is in the edge cache and in KV", async () => {
    await app.ask("/greet/eve");
    const { keys } = await (await app.kv()).list();
    assert.ok(keys.length > 0);
  });
});

describe("tenants", () => {
  let app;
  before(async () => (app = await serve("examples/tenants", { CACHE_TOKEN: "s3cret" })));
  after(() => app.stop());
  const news = (tenant, { query = "", cookie } = {}) =>
    app.ask(`/news/7${query}`, { headers: { host: `${tenant}.example`, ...(cookie && { cookie }) } });
  const page = async () => JSON.parse((await app.ask("/__cache/stats", { headers: { authorization: "Bearer s3cret" } })).text);

  test("each tenant has his own news, in each theme; campaigns make no difference", async () => {
    const first = await news("anna");
    assertForwarded(first, "uri-miss");
    assert.match(first.text, /light.*News 7 of anna/);
    for (const options of [{ query: "?utm_source=mail" }, { cookie: "_ga=1" }, { query: "?gclid=1", cookie: "_gid=2; _ga=1" }]) {
      const hit = await news("anna", options);
      assertHit(hit);
      assert.equal(hit.text, first.text);
    }
    const dark = await news("anna", { cookie: "_ga=1; theme=dark" });
    assertForwarded(dark, "uri-miss");
    assert.match(dark.text, /dark.*News 7 of anna/);
    const other = await news("ben");
    assertForwarded(other, "uri-miss");
    assert.match(other.text, /light.*News 7 of ben/);
    const known = await news("anna", { cookie: "session=1; theme=dark" });
    assertForwarded(known, "bypass");
  });

  test("a route that answers by what nobody named is found out", async () => {
    const careless = (plan) => app.ask("/careless/1", { headers: { "x-plan": plan } });
    assert.equal((await careless("gold")).text, "what the plan gold shows");
    const next = await careless("free");
    assert.equal(next.text, "what the plan free shows");
    assert.equal(next.cache.detail, "quarantine");
    assert.equal((await page()).stats.routes["/careless/:id"].quarantined, 1);
  });

  test("the page tells which table is in use, to who has the token", async () => {
    assert.equal((await page()).table.is_live, false);
    assert.equal((await app.ask("/__cache/stats")).status, 404);
  });
});
