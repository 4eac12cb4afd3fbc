// The data cache on the local Workers runtime: the real Cache API and KV, values of all kinds (tests/worker/src/values.rs).
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Fixture, exchange } from "./harness.mjs";

let fixture;
before(async () => (fixture = await Fixture.start()));
after(() => fixture.stop());

/** One call of the data cache. */
async function call(name, query = {}, options = {}) {
  const answer = await fixture.get(`/__values/${name}?${new URLSearchParams(query)}`.replaceAll("+", "%20"), options);
  assert.equal(answer.status, 200, answer.text);
  return JSON.parse(answer.text);
}

/** Until what runs behind the answers is done: two looks at KV and the counters agree. */
async function rest() {
  const look = async () => {
    const names = [];
    const kv = await fixture.kv();
    for (let cursor; ; ) {
      const page = await kv.list({ cursor });
      names.push(...page.keys.map((key) => key.name));
      if (page.list_complete) break;
      cursor = page.cursor;
    }
    return JSON.stringify([names, (await fixture.get("/__values/stats")).text]);
  };
  for (let last = await look(), i = 0; i < 100; i++) {
    await sleep(50);
    const now = await look();
    if (now === last) return;
    last = now;
  }
  assert.fail("the Worker does not come to rest");
}

/** A call, and all that it has begun. */
async function ask(name, query, options) {
  const said = await call(name, query, options);
  await rest();
  return said;
}

async function events() {
  return JSON.parse((await fixture.get("/__values/stats")).text).routes["(values)"] ?? {};
}

/** What a step changes in the counters. */
async function counted(step) {
  const before = await events();
  await step();
  const now = await events();
  const all = Object.keys(now).map((name) => [name, now[name] - (before[name] ?? 0)]);
  return Object.fromEntries(all.filter(([, n]) => n > 0));
}

describe("values", () => {
  test("are loaded once, found in the edge cache, then in KV", async () => {
    const first = await ask("fetch", { key: "once", ttl: 300, value: "grüße" });
    assert.equal(first.value, "grüße");
    const hit = await counted(async () => assert.deepEqual(await ask("fetch", { key: "once" }), first));
    assert.deepEqual(hit, { hit_l1: 1 });
    await fixture.emptyL1();
    const far = await counted(async () => assert.deepEqual(await ask("fetch", { key: "once" }), first));
    assert.deepEqual(far, { hit_l2: 1, stored: 1 });
    assert.equal(await ask("get", { key: "once" }), "grüße");
    const entry = await (await fixture.kv()).get("lc1:values:v1:=test:once");
    assert.equal(entry, '"grüße"', "the value itself, in UTF-8");
  });

  test("are collapsed: fifty at once load one", async () => {
    const all = await Promise.all(
      Array.from({ length: 50 }, () => call("fetch", { key: "crowd", ttl: 300, delay: 200 })),
    );
    assert.equal(new Set(all.map((said) => said.value)).size, 1);
  });

  test("end with their time; stale ones go out and are refreshed", async () => {
    const first = await ask("fetch", { key: "aging", ttl: 1, swr: 300 });
    await sleep(1100);
    const stale = await ask("fetch", { key: "aging", ttl: 1, swr: 300 });
    assert.equal(stale.value, first.value);
    const fresh = await ask("fetch", { key: "aging", ttl: 1, swr: 300 });
    assert.notEqual(fresh.value, first.value);
    assert.equal(await ask("get", { key: "aging" }).then((value) => value === null || value === fresh.value), true);
  });

  test("stand in, stale, for a loader that fails", async () => {
    const first = await ask("fetch", { key: "standin", ttl: 1, sie: 300 });
    await sleep(1100);
    assert.equal((await ask("fetch", { key: "standin", ttl: 1, sie: 300, loader: "fail" })).value, first.value);
    const nothing = await ask("fetch", { key: "standin-not", ttl: 1, loader: "fail" });
    assert.equal(nothing.loader, "the loader's own error");
  });

  test("none is kept for its own time, and not without one", async () => {
    assert.equal((await ask("fetch", { key: "none", ttl: 300, negative: 300, value: "none" })).value, null);
    assert.equal((await ask("fetch", { key: "none", ttl: 300, value: "there" })).value, null);
    await fixture.emptyL1();
    assert.equal((await ask("fetch", { key: "none", ttl: 300, value: "there" })).value, null);
    assert.equal((await ask("fetch", { key: "none-not", ttl: 300, value: "none" })).value, null);
    assert.equal((await ask("fetch", { key: "none-not", ttl: 300, value: "there" })).value, "there");
  });

  test("live as long as their loader says", async () => {
    await ask("fetch", { key: "life", ttl: 1, life: 300, value: "long" });
    await sleep(1100);
    assert.equal((await ask("fetch", { key: "life", ttl: 1, value: "other" })).value, "long");
  });

  test("a loader that hangs ends in an error that says so", async () => {
    const said = await call("fetch", { key: "hang", ttl: 300, limit: 2, wait: 1, loader: "hang" });
    assert.match(said.error, /test:hang did not end within 2s/);
    assert.equal((await ask("fetch", { key: "hang", ttl: 300, limit: 2, wait: 1, value: "later" })).value, "later");
  });

  test("a loader that asks for its own value is told so", async () => {
    const said = await ask("deep", { key: "deep", ttl: 300 });
    assert.match(JSON.stringify(said), /asks for test:deep itself/);
  });

  test("a loader that panics: the next call works", async () => {
    const panicked = await fixture.get("/__values/fetch?key=panic&ttl=300&loader=panic&limit=2");
    assert.equal(panicked.status, 500);
    assert.equal((await ask("fetch", { key: "panic", ttl: 300, value: "well" })).value, "well");
  });

  test("keys of any bytes and any length", async () => {
    const keys = ["a:b", "a%3Ab", "ä ö/ü?&=", "x".repeat(3000), "x".repeat(2999) + "y", "~", ""];
    for (const [n, key] of keys.entries()) assert.equal(await call("set", { key, ttl: 300, value: `v${n}` }), "done");
    await rest();
    for (const [n, key] of keys.entries()) assert.equal(await call("get", { key }), `v${n}`);
    await fixture.emptyL1();
    for (const [n, key] of keys.entries()) assert.equal(await call("get", { key }), `v${n}`, "from KV");
  });
});

describe("changes", () => {
  test("what is set, touched and deleted", async () => {
    assert.equal(await ask("set", { key: "set", ttl: 300, value: "one" }), "done");
    assert.equal(await ask("get", { key: "set" }), "one");
    assert.equal(await ask("set", { key: "set", value: "two" }), "done");
    assert.equal(await ask("get", { key: "set" }), "two");
    assert.equal(await ask("touch", { key: "set", ttl: 600 }), true);
    assert.equal(await ask("touch", { key: "set-not", ttl: 600 }), false);
    assert.equal(await call("delete", { keys: "set,set-not" }), "done");
    assert.equal(await call("get", { key: "set" }), null);
    await fixture.emptyL1();
    assert.equal(await call("get", { key: "set" }), null);
    assert.match((await call("set", { key: "set", ttl: 0, value: "x" })).error, /ttl/);
  });

  test("the prefix is listed", async () => {
    for (const n of [3, 1, 2]) await call("set", { key: `list-${n}`, ttl: 300, value: "x" });
    await rest();
    assert.deepEqual(await call("list", { key: "list-" }), ["test:list-1", "test:list-2", "test:list-3"]);
    assert.deepEqual(await call("list", { key: "nothing" }), []);
  });
});

describe("several at a time", () => {
  test("those that are missing come from one load, in order", async () => {
    const keys = Array.from({ length: 120 }, (_, n) => `many-${n}`);
    await Promise.all(keys.slice(0, 20).map((key) => call("set", { key, ttl: 300, value: key })));
    await rest();
    const loads = (await call("fetch", { key: "loads", ttl: 300 })).loads;
    const { values, ...said } = await ask("many", { keys: keys.join(","), ttl: 300 });
    assert.equal(said.loads, loads + 1);
    assert.deepEqual(values, keys.map((key, n) => (n < 20 ? key : ["loaded", `test:${key}`])));
    await fixture.emptyL1();
    assert.deepEqual(await ask("gets", { keys: keys.join(",") }), values, "from KV");
    const near = await counted(async () => assert.deepEqual(await call("gets", { keys: keys.join(",") }), values));
    assert.equal(near.hit_l1, 120);
  });

  test("a bundle is one entry", async () => {
    const first = await ask("bundle", { key: "bundle", ttl: 300, value: "together" });
    assert.deepEqual([first.text, first.length], ["together", 8]);
    await fixture.emptyL1();
    assert.deepEqual(await ask("bundle", { key: "bundle", ttl: 300, value: "other" }), first);
  });
});

describe("bytes", () => {
  /** Bytes that can be told apart wherever they are cut. */
  const pattern = (size) => {
    const bytes = Buffer.alloc(size);
    for (let at = 0, x = 1; at + 4 <= size; at += 4) bytes.writeUInt32LE((x = Math.imul(x, 1664525) + 1013904223) >>> 0, at);
    return bytes;
  };

  for (const size of [0, 1, 4097, 300_000, 5 << 20, 60_000_000]) {
    test(`${size} of them come back, from the edge cache and from KV`, async () => {
      const [bytes, path] = [pattern(size), `raw-${size}`];
      const url = `${fixture.base}/__values/put?key=${path}&ttl=300`;
      const put = await exchange(url, { method: "PUT", body: bytes, headers: { "content-length": size } });
      assert.equal(put.text, '"done"');
      await rest();
      for (const from of ["edge", "KV"]) {
        const got = await fixture.get(`/__values/raw?key=${path}`);
        assert.equal(got.status, 200, from);
        assert.ok(got.body.equals(bytes), `${got.body.length} bytes from ${from}`);
        await fixture.emptyL1();
      }
    });
  }

  test("a stream that breaks off is not kept", async () => {
    const url = new URL(`${fixture.base}/__values/put?key=broken&ttl=300`);
    const { request } = await import("node:http");
    await new Promise((resolve) => {
      const put = request(url, { method: "PUT", headers: { "content-length": 1000 } }, resolve);
      put.on("error", resolve);
      put.write("half of it");
      setTimeout(() => put.destroy(), 200);
    });
    await rest();
    assert.equal((await fixture.get("/__values/raw?key=broken")).status, 404);
  });

  test("a large text is stored compressed, and comes back", async () => {
    const said = await ask("fetch", { key: "large", ttl: 300, size: 2_000_000 });
    assert.equal(said.length, 2_000_000);
    const kv = await fixture.kv();
    const stored = await kv.get("lc1:values:v1:=test:large", "arrayBuffer");
    assert.ok(stored.byteLength < 20_000, `${stored.byteLength} bytes`);
    await fixture.emptyL1();
    assert.equal((await ask("fetch", { key: "large", ttl: 300 })).length, 2_000_000);
  });
});

describe("encryption", () => {
  test("KV holds nothing of the value; another secret reads nothing, a rotation reads on", async () => {
    const secret = "correct horse battery staple";
    await ask("fetch", { key: "secret", ttl: 300, value: secret, secret: 0 });
    const kv = await fixture.kv();
    const { value, metadata } = await kv.getWithMetadata("lc1:values:v1:=test:secret", "arrayBuffer");
    assert.ok(!Buffer.from(value).includes("horse") && !JSON.stringify(metadata).includes("horse"));
    assert.match(JSON.stringify(metadata), /xchacha20poly1305;key=first;nonce=/);
    assert.equal(await ask("get", { key: "secret", secret: 0 }), secret);
    assert.equal(await ask("get", { key: "secret" }), null, "without a secret");
    assert.equal(await ask("get", { key: "secret", secret: 1 }), null, "with another");
    assert.equal(await ask("get", { key: "secret", secret: 3 }), secret, "with both");
  });
});

describe("without KV", () => {
  test("what the edge cache has lost is in the isolate's memory for a while", async () => {
    const kv = { kv: "NOWHERE" };
    const first = await ask("fetch", { key: "memory", ttl: 300 }, kv);
    await fixture.emptyL1();
    assert.deepEqual(await ask("fetch", { key: "memory", ttl: 300 }, kv), first);
    assert.equal(await ask("delete", { keys: "memory" }, kv), "done");
    await fixture.emptyL1();
    assert.equal(await ask("get", { key: "memory" }, kv), null, "it forgets as the others do");
  });

  test("values come from the loader and from the edge cache", async () => {
    const kv = { kv: "NOWHERE" };
    const first = await ask("fetch", { key: "alone", ttl: 300 }, kv);
    assert.deepEqual(await ask("fetch", { key: "alone", ttl: 300 }, kv), first);
    assert.equal(await ask("set", { key: "alone", ttl: 300, value: "set" }, kv), "done");
    assert.equal(await ask("get", { key: "alone" }, kv), "set");
    assert.equal(await ask("delete", { keys: "alone" }, kv), "done");
    assert.match((await call("list", { key: "alone" }, kv)).error, /bind KV/);
  });
});
