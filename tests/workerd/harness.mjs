// The fixture Worker (tests/worker) in the local Workers runtime, and what the tests ask of it.
import assert from "node:assert/strict";
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { start, workerOptions } from "../../tools/local.mjs";

const PATIENCE = 15_000;

/** The directory in tests/worker of a build without the feature `whole`: layercake's core alone. */
export const CORE = process.env.CORE_BUILD;

/** For `skip` of tests that need more than the core. */
export const beyondCore = CORE !== undefined && "not in the core";

/** One HTTP exchange as it is on the wire: nothing is decoded, followed or added. */
export function exchange(url, { method = "GET", headers = {}, body, agent } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers, agent }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      const done = (complete) =>
        resolve({
          status: response.statusCode,
          headers: response.headers,
          cache: cacheStatus(response.headers["cache-status"]),
          body: Buffer.concat(chunks),
          complete,
          get text() {
            return this.body.toString();
          },
        });
      response.on("end", () => done(response.complete));
      response.on("error", () => done(false));
    });
    request.on("error", reject);
    request.setTimeout(PATIENCE, () => request.destroy(new Error(`no answer from ${url} in ${PATIENCE} ms`)));
    request.end(body);
  });
}

/** `layercake; hit; ttl=25; detail=l1` as an object (RFC 9211, as far as needed). */
export function cacheStatus(field) {
  if (field === undefined) return undefined;
  const [name, ...params] = field.split(";").map((part) => part.trim());
  assert.equal(name, "layercake");
  return Object.fromEntries(params.map((param) => (param.includes("=") ? param.split("=") : [param, true])));
}

/** A running fixture. Each test takes paths, or a table, that no other test uses. */
export class Fixture {
  static async start(options = {}) {
    const fixture = new Fixture();
    fixture.mf = start({ ...(await workerOptions("tests/worker", { out: CORE, vars: options.vars })), ...options.miniflare });
    fixture.base = (await fixture.mf.ready).origin;
    return fixture;
  }

  stop() {
    return this.mf.dispose();
  }

  /** `table` and `kv` go into the headers by which the fixture chooses its table and its KV binding. */
  get(path, { table, kv, headers = {}, ...rest } = {}) {
    const own = { ...(table && { "x-test-table": table }), ...(kv && { "x-test-kv": kv }) };
    return exchange(this.base + path, { ...rest, headers: { ...own, ...headers } });
  }

  async stats(table) {
    return JSON.parse((await this.get("/__admin/stats", { table })).text);
  }

  /** How often the application ran for this path and query. */
  async runs(path) {
    return JSON.parse((await this.get("/__admin/runs")).text)[path] ?? 0;
  }

  /** Waits for what runs behind the responses: until a second look at counters, KV and runs shows no change. */
  async settled(table) {
    const look = async () => {
      const { keys } = await (await this.kv()).list();
      const runs = (await this.get("/__admin/runs")).text;
      return JSON.stringify([await this.stats(table), keys.length, runs]);
    };
    for (let before = await look(), i = 0; i < 200; i++) {
      await sleep(40);
      const now = await look();
      if (now === before) return;
      before = now;
    }
    assert.fail("the Worker does not come to rest");
  }

  /** `get`, then `settled`. */
  async ask(path, options) {
    const answer = await this.get(path, options);
    await this.settled(options?.table);
    return answer;
  }

  /** Forgets everything in the edge cache, as an eviction or another data centre would. */
  emptyL1() {
    return this.mf.purgeCache();
  }

  kv() {
    return this.mf.getKVNamespace("CACHE");
  }

  async emptyL2() {
    const kv = await this.kv();
    const { keys } = await kv.list();
    await Promise.all(keys.map(({ name }) => kv.delete(name)));
  }
}

/** A hit from `tier`. */
export function assertHit(answer, tier) {
  assert.equal(answer.cache?.hit, true, `a hit, not ${answer.headers["cache-status"]}`);
  if (tier) assert.equal(answer.cache.detail, tier);
}

/** An answer of the application; `why` is the `fwd` parameter. */
export function assertForwarded(answer, why) {
  assert.equal(answer.cache?.hit, undefined, `no hit: ${answer.headers["cache-status"]}`);
  if (why) assert.equal(answer.cache?.fwd, why);
}

/** The body that the fixture makes for `n`. */
export function pattern(n) {
  const body = Buffer.alloc(n);
  for (let i = 0; i < n; i++) body[i] = (i * 31 + (i >> 8)) % 251;
  return body;
}

/** Compares large bodies without printing them. */
export function assertSameBytes(actual, expected) {
  assert.equal(actual.length, expected.length, "length");
  assert.ok(actual.equals(expected), "the same bytes");
}
