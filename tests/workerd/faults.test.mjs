// Tiers that fail. Whatever they do, the client gets the application's answer, whole and right; what is tested besides is
// how much caching is left. On workerd itself, with stand-ins for Cache API, KV and the origin.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertForwarded, assertHit, assertSameBytes, pattern } from "./harness.mjs";
import { RawFixture } from "./raw.mjs";

let worker;
before(async () => (worker = await RawFixture.start()));
after(() => worker.stop());
beforeEach(() => worker.reset());

/** Long enough for what runs behind a response; nothing here is slow. */
const behind = () => sleep(150);

async function ask(path, options) {
  const answer = await worker.get(path, options);
  await behind();
  return answer;
}

/** The application's answer in full. */
function assertWhole(answer, n) {
  assert.equal(answer.status, 200);
  assert.ok(answer.complete, "complete");
  assertSameBytes(answer.body, pattern(n));
}

let last = 2000;
/** A path that was never asked for, and the size of its body. */
const fresh = (kind = "bytes") => [`/${kind}/${++last}`, last];

test("both tiers well: L1, then L2, then L1 again", async () => {
  const [path, n] = fresh();
  assertForwarded(await ask(path), "uri-miss");
  assertHit(await ask(path), "l1");
  await worker.clear("cache");
  const l2 = await ask(path);
  assertHit(l2, "l2");
  assertWhole(l2, n);
  assertHit(await ask(path), "l1");
});

// KV.

const silentKv = {
  "KV reads fail": { ops: ["get"], status: 500 },
  "KV writes fail": { ops: ["put"], status: 500 },
  "KV refuses writes (429)": { refuse_puts: true },
  "KV is down": { status: 503 },
  "KV closes connections": { close: true },
  "KV forgets at once": { inert: true },
};

for (const [name, how] of Object.entries(silentKv)) {
  test(`${name}: L1 goes on`, async () => {
    await worker.fault("kv", how);
    const [path, n] = fresh();
    const miss = await ask(path);
    assertForwarded(miss, "uri-miss");
    assertWhole(miss, n);
    const hit = await ask(path);
    assertHit(hit, "l1");
    assertWhole(hit, n);
  });
}

test("KV hangs: the application answers all the same, in time", async () => {
  await worker.fault("kv", { hang: true });
  const [path, n] = fresh();
  const started = Date.now();
  assertWhole(await worker.get(path), n);
  assert.ok(Date.now() - started < 3_000, `${Date.now() - started} ms`);
});

/** Stores through a miss, spoils what KV gives back, empties L1, and asks again. */
async function spoiled(how, kind, n) {
  const path = `/${kind}/${n}`;
  await ask(path);
  await worker.clear("cache");
  await worker.fault("kv", how);
  return ask(path);
}

for (const [name, how] of Object.entries({
  "comes back shorter": { truncate: 500 },
  "comes back empty": { truncate: 0 },
  "has lost its metadata": { metadata: "" },
  "has the metadata of somebody else": { metadata: '{"color":"blue"}' },
  "has metadata that is not even JSON": { metadata: "]}\u0000{[" },
})) {
  for (const kind of ["bytes", "stream"]) {
    test(`an entry in KV that ${name} is a miss (${kind})`, async () => {
      const [, n] = fresh();
      const answer = await spoiled(how, kind, n);
      assertForwarded(answer, "uri-miss");
      assertWhole(answer, n);
    });
  }
}

for (const [kind, n] of [["bytes", 4_000], ["bytes", 3_000_000], ["stream", 3_000_001]]) {
  test(`an entry in KV whose connection breaks off is never passed off as whole (${kind}, ${n} B)`, async () => {
    const answer = await spoiled({ cut: 1_000 }, kind, n);
    if (answer.complete) assertWhole(answer, n);
    await worker.fault("kv");
    await worker.clear("kv");
    const next = await ask(`/${kind}/${n}`);
    assertWhole(next, n);
  });
}

test("an entry in KV that another program wrote is a miss", async () => {
  const [path, n] = fresh();
  await ask(path);
  const [{ key }] = await worker.dump("kv");
  await worker.raw({ role: "kv", key, value: "something else entirely" });
  await worker.clear("cache");
  const answer = await ask(path);
  assertForwarded(answer, "uri-miss");
  assertWhole(answer, n);
});

// The Cache API.

for (const [name, how] of Object.entries({
  "takes everything and keeps nothing, as on hosts without one": { inert: true },
  "refuses everything (413)": { refuse_puts: true },
  "fails": { status: 500 },
  "closes connections": { close: true },
})) {
  test(`the Cache API ${name}: L2 goes on`, async () => {
    await worker.fault("cache", how);
    const [path, n] = fresh();
    const miss = await ask(path);
    assertForwarded(miss);
    assertWhole(miss, n);
    for (let i = 0; i < 3; i++) {
      const hit = await ask(path);
      assertHit(hit, "l2");
      assertWhole(hit, n);
    }
  });
}

test("the Cache API hangs: the application answers all the same, in time", async () => {
  await worker.fault("cache", { hang: true });
  const [path, n] = fresh();
  const started = Date.now();
  assertWhole(await worker.get(path), n);
  assert.ok(Date.now() - started < 3_000, `${Date.now() - started} ms`);
});

for (const [name, how] of Object.entries({
  "comes back shorter": { truncate: 1_000 },
  "breaks off": { cut: 1_000 },
})) {
  test(`an entry in L1 that ${name} is never passed off as whole`, async () => {
    const [path, n] = ["/bytes/70001", 70_001];
    await ask(path);
    await worker.fault("cache", how);
    const answer = await ask(path);
    if (answer.complete) assertWhole(answer, n);
  });
}

test("both tiers down: every request is the application's, and counted", async () => {
  await worker.fault("cache", { status: 500 });
  await worker.fault("kv", { status: 500 });
  const [path, n] = fresh();
  for (const run of [1, 2, 3]) {
    assertWhole(await ask(path), n);
    assert.equal(await worker.runs(path), run);
  }
});

// The origin and the client.

for (const kind of ["broken", "cut"]) {
  test(`a body that breaks off (${kind}) reaches no tier`, async () => {
    const path = `/${kind}/300000`;
    for (let i = 0; i < 2; i++) {
      const answer = await ask(path, { table: "other-app" });
      assertForwarded(answer, "uri-miss");
      assert.equal(answer.complete, false);
    }
    // Writes of other tests may be tried again meanwhile.
    for (const role of ["cache", "kv"]) {
      assert.deepEqual((await worker.dump(role)).filter(({ key }) => key.includes("lc1:other")), []);
    }
  });
}

const FRESH = "header=Cache-Control:max-age%3D60";

test("an origin's answer is stored by its own Cache-Control", async () => {
  const path = `/fetch/plain?size=3000&${FRESH}`;
  assertForwarded(await ask(path), "uri-miss");
  const hit = await ask(path);
  assertHit(hit, "l1");
  assert.equal(hit.body.length, 3000);
});

test("an origin that ends half way leaves nothing behind", async () => {
  const path = `/fetch/half?size=200000&half=1&${FRESH}`;
  for (let i = 0; i < 2; i++) assertForwarded(await ask(path), "uri-miss");
});

test("... and neither does one that declares more than it sends", async () => {
  const path = `/fetch/short?size=1000&length=2000&${FRESH}`;
  for (let i = 0; i < 2; i++) assertForwarded(await ask(path), "uri-miss");
});

test("a client that leaves during a large answer: the entry is whole or absent", async () => {
  const { request } = await import("node:http");
  for (const path of ["/bytes/5000001", "/stream/5000002"]) {
    await new Promise((resolve) => {
      const leaving = request(worker.base + path, (response) => response.once("data", () => resolve(leaving.destroy())));
      leaving.on("error", () => {});
      leaving.end();
    });
    await sleep(500);
    const n = Number(path.split("/").at(-1));
    for (let i = 0; i < 2; i++) assertWhole(await ask(path), n);
  }
});

test("64 requests at once while KV is down and L1 refuses", async () => {
  await worker.fault("kv", { status: 500 });
  await worker.fault("cache", { refuse_puts: true });
  const [path, n] = fresh();
  const answers = await Promise.all(Array.from({ length: 64 }, () => worker.get(path)));
  for (const answer of answers) assertWhole(answer, n);
});

test("the Cache API hangs after it has earned trust: the next request frees the one that hangs", async () => {
  const [path, n] = fresh();
  for (let i = 0; i < 20; i++) await worker.get(path);
  await worker.fault("cache", { hang: true });
  const first = worker.get(path);
  await sleep(1_200);
  const second = worker.get(path);
  assertWhole(await second, n);
  assertWhole(await first, n);
});
