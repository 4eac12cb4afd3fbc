// Origins that lie, break off, never end and never begin: nothing of it is stored, and visitors get what there is or an error.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertForwarded, pattern } from "./harness.mjs";
import { assertWhole, eventually, letters, RawFixture } from "./raw.mjs";

let worker;
before(async () => (worker = await RawFixture.start()));
after(() => worker.stop());
beforeEach(() => worker.reset());

const FRESH = "header=Cache-Control:max-age%3D60";
const MB = 1 << 20;

async function assertNothingStored(of = worker) {
  await of.settled();
  assert.deepEqual([await of.dump("cache"), await of.dump("kv")], [[], []]);
}

// In a process of its own: what another test has left there would hide what these need.
for (const [while_, fault, most] of [
  ["nothing is stored, and it is not read for ever", {}, 128 * MB],
  ["... nor while L1 takes nothing in", { ops: ["put"], stall: true }, 64 * MB],
]) {
  test(`a body that never ends: ${while_}`, async (t) => {
    const worker = await RawFixture.start();
    t.after(() => worker.stop());
    const endless = async () => (await worker.counters()).origin.endless;
    const wasm = async () => Number((await worker.get("/__admin/memory")).text);
    await worker.get("/fetch/warm?size=1000000");
    await worker.fault("cache", fault);
    const [resident, memory] = [await worker.resident(), await wasm()];
    let peak = 0;
    const look = async (done) => {
      peak = Math.max(peak, (await worker.resident()) - resident);
      return done();
    };
    const reader = worker.open(`/fetch/endless?size=65536&piece=65536&endless=1&${FRESH}`);
    assert.equal((await reader.head).status, 200);
    await eventually(() => look(() => reader.size > 2 * MB));
    reader.leave();
    await eventually(() => look(async () => (await endless()).under_way === 0), 20_000);
    const { bytes } = await endless();
    t.diagnostic(`${(bytes / MB).toFixed(0)} MB read, at most ${(peak / MB).toFixed(0)} MB more memory`);
    assert.ok(peak < most, `${peak} bytes more`);
    assert.ok((await wasm()) - memory < 4 * MB);
    await worker.fault("cache");
    await assertNothingStored(worker);
  });
}

test("a body that never ends goes on for whoever reads it", async () => {
  const reader = worker.open(`/fetch/endless?size=65536&piece=65536&endless=1&${FRESH}`);
  await eventually(() => reader.size > 36 * MB);
  reader.leave();
  await eventually(async () => (await worker.counters()).origin.endless.under_way === 0);
  await assertNothingStored();
});

for (const framing of ["", "chunked=1&"]) {
  test(`half a body for 20 visitors at once: none takes it for whole (${framing || "length"})`, async () => {
    const path = `/half?size=200000&half=1&delay=200&${framing}${FRESH}`;
    const answers = await worker.herd(20, `/fetch${path}`);
    const whole = letters(200_000);
    for (const answer of answers) {
      assert.equal(answer.complete, false);
      assert.ok(whole.subarray(0, answer.body.length).equals(answer.body));
    }
    await assertNothingStored();
  });
}

test("a Content-Length that is too large: the body is cut short, and not stored", async () => {
  const path = `/fetch/more?size=1000&length=2000&${FRESH}`;
  for (const answer of await worker.herd(10, path)) {
    assert.equal(answer.complete, false);
    assert.equal(answer.cache.hit, undefined);
  }
  await assertNothingStored();
});

test("a Content-Length that is too small: everybody gets so much, stored or not", async () => {
  const path = `/fetch/less?size=1000&length=500&${FRESH}`;
  for (const answer of [...(await worker.herd(10, path)), await worker.ask(path), await worker.ask(path)]) {
    assertWhole(answer, letters(500));
  }
});

test("a Content-Length that is none: what the origin gave or an error, and nothing that could be wrong later", async () => {
  const check = async (length) => {
    const path = `/fetch/garbage?size=1000&length=${encodeURIComponent(length)}&${FRESH}`;
    const first = await worker.ask(path);
    assert.ok(first.status === 200 || first.status >= 500, `${length}: ${first.status}`);
    const second = await worker.ask(path);
    assert.equal(second.status, first.status, length);
    if (first.status === 200) assert.ok(letters(1000).subarray(0, second.body.length).equals(second.body), length);
    if (second.cache?.hit) assert.deepEqual([first.complete, second.body], [true, first.body], length);
  };
  const none = ["abc", "-5", "1e3", "0x3e8", "10,10", "10,20", "99999999999999999999", "1000;"];
  await Promise.all(none.map(check));
});

for (const kind of ["bytes", "stream", "fixed"]) {
  test(`a handler whose Content-Length is not that of its ${kind}: nobody takes a part for the whole`, async () => {
    const check = async (length) => {
      const path = `/law/minute/lies?size=1000&kind=${kind}&said=Content-Length:${encodeURIComponent(length)}&delay=100`;
      for (const { status, complete, body } of [...(await worker.herd(10, path)), await worker.ask(path)]) {
        assert.ok(status === 200 || status === 500, `${length}: ${status}`);
        if (status === 500) continue;
        assert.ok(pattern(1000).subarray(0, body.length).equals(body), length);
        if (complete) assert.ok([999, 1000].includes(body.length), `${length}: ${body.length} bytes`);
      }
    };
    await Promise.all(["999", "1001", "abc", "1000, 1000"].map(check));
  });
}

for (const [to, stored] of [
  ["http://HOST/fetch/self", false],
  ["//HOST/fetch/self", false],
  ["/fetch/self", false],
  ["self", false],
  ["../fetch/./self#top", false],
  ["/fetch/elsewhere", true],
  ["http://origin.test/fetch/self", true],
]) {
  test(`a redirection of /fetch/self to ${to} is ${stored ? "stored" : "not stored"}`, async () => {
    const location = to.replace("HOST", new URL(worker.base).host);
    const options = { table: `cold/to ${to}` };
    await worker.fault("origin", { query: `status=301&header=Location:${encodeURIComponent(location)}&${FRESH}` });
    const answers = await worker.herd(5, "/fetch/self", options);
    for (let i = 0; i < 2; i++) answers.push(await worker.ask("/fetch/self", options));
    for (const { status, headers } of answers) assert.deepEqual([status, headers.location], [301, location]);
    assert.equal(await worker.calls("/self"), stored ? 1 : 7);
    if (!stored) await assertNothingStored();
  });
}

test("an origin that never answers visitors who leave: nothing is stored, and the next is served", async () => {
  await worker.fault("origin", { hang: true });
  const path = `/never?size=3000&${FRESH}`;
  const visitors = Array.from({ length: 20 }, () => worker.open(`/fetch${path}`));
  await eventually(() => worker.calls(path));
  for (const visitor of visitors) visitor.leave();
  await assertNothingStored();
  await worker.fault("origin");
  assertForwarded(await worker.ask(`/fetch/other?size=3000&${FRESH}`), "uri-miss");
});

test("an origin that says nothing but its head, for visitors who leave: nothing is stored", async () => {
  const path = `/head?size=3000&body_delay=60000&${FRESH}`;
  const visitors = Array.from({ length: 5 }, () => worker.open(`/fetch${path}`));
  for (const visitor of visitors) assert.equal((await visitor.head).status, 200);
  for (const visitor of visitors) visitor.leave();
  await assertNothingStored();
});
