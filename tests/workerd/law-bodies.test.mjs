// What the handler fetched: bodies that break off, and content codings. The origin is a real one; in both runtimes.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync, gzipSync } from "node:zlib";
import { assertForwarded, assertHit, assertSameBytes, Fixture, pattern } from "./harness.mjs";
import { RawFixture } from "./raw.mjs";

const TEXT = "compressed on its way, ".repeat(2_000);
const asked = new Map();

/**
 * An origin: `/broken/N/AFTER/HOW` breaks off after so many of N bytes, sent in chunks or announced; `/coded/SECONDS` is gzipped and
 * confirms its entity tag.
 */
// workerd sends the absolute form, and then no Host.
const origin = createServer({ requireHostHeader: false }, async (request, response) => {
  const { pathname } = new URL(request.url, "http://origin.test");
  const [, kind, n, after, how] = pathname.split("/");
  asked.set(pathname, [...(asked.get(pathname) ?? []), request.headers]);
  const lasting = { "cache-control": "max-age=60" };
  if (kind === "broken") {
    response.writeHead(200, how === "announced" ? { ...lasting, "content-length": n } : lasting);
    const bytes = pattern(Number(n)).subarray(0, Number(after));
    for (let at = 0; at < bytes.length; at += 50_000) {
      response.write(bytes.subarray(at, at + 50_000));
      await sleep(1);
    }
    // The bytes are to arrive before the end does.
    return setTimeout(() => request.socket.destroy(), 30);
  }
  const fields = { "cache-control": `max-age=${n}`, "content-type": "text/plain", etag: '"c1"', vary: "accept-encoding" };
  if (request.headers["if-none-match"]?.includes('"c1"')) return response.writeHead(304, fields).end();
  if (!request.headers["accept-encoding"]?.includes("gzip")) return response.writeHead(200, fields).end(TEXT);
  response.writeHead(200, { ...fields, "content-encoding": "gzip" }).end(gzipSync(TEXT));
});
before(() => new Promise((resolve) => origin.listen(0, "127.0.0.1", resolve)));
after(() => origin.close());

const port = () => origin.address().port;

for (const [runtime, start] of [
  ["the local runtime", () => Fixture.start({ vars: { ORIGIN: `http://127.0.0.1:${port()}` } })],
  ["workerd", () => RawFixture.start({ origin: port() })],
]) {
  describe(runtime, () => {
    let worker;
    before(async () => (worker = await start()));
    after(() => worker.stop());
    beforeEach(async () => {
      await worker.emptyL1();
      await worker.emptyL2();
    });

    for (const [n, stop, how, table] of [
      [1_000, 500, "chunked"],
      [1_000, 500, "chunked", "hot"],
      [400_000, 150_000, "chunked"],
      [400_000, 150_000, "chunked", "rfc9111"],
      [3_000_000, 2_000_000, "chunked"],
      [1_000, 500, "announced"],
      [1_000, 500, "announced", "hot"],
      [400_000, 150_000, "announced"],
      [400_000, 150_000, "announced", "rfc9111"],
      [3_000_000, 2_000_000, "announced"],
    ]) {
      test(`${n} bytes, ${how}, that break off after ${stop} are never stored (${table ?? "no hot tier"})`, async () => {
        const path = `/law/headers/broken?fetch=/broken/${n}/${stop}/${how}&${table}`;
        for (const run of [1, 2, 3]) {
          const answer = await worker.get(path, { table });
          assertForwarded(answer, "uri-miss");
          assert.equal(answer.status, 200);
          assert.ok(answer.body.length < n && (answer.body.length > 0 || !answer.complete));
          assertSameBytes(answer.body, pattern(n).subarray(0, answer.body.length));
          await worker.settled(table, 100);
          if (run === 2) {
            // The clean-up behind a put that failed ends after 250 ms.
            await sleep(300);
            await worker.emptyL1();
          }
          assert.equal(await worker.runs(path), run);
        }
        await sleep(300);
        if (worker.dump) assert.deepEqual([await worker.dump("cache"), await worker.dump("kv")], [[], []]);
        else assert.deepEqual((await (await worker.kv()).list()).keys, []);
      });
    }

    test("a HEAD, a part and a 304 out of a body that breaks off leave nothing behind either", async () => {
      const path = "/law/headers/broken?fetch=/broken/400000/150000/chunked&head";
      for (const options of [{ method: "HEAD" }, { headers: { range: "bytes=0-9" } }, { headers: { "if-none-match": "*" } }]) {
        await worker.get(path, options);
        await worker.settled(undefined, 100);
        await sleep(300);
        const answer = await worker.get(path);
        assertForwarded(answer, "uri-miss");
        assert.equal(answer.status, 200);
        await worker.settled(undefined, 100);
        await sleep(300);
      }
    });

    for (const seconds of [60, 1]) {
      const wants = { headers: { "accept-encoding": "gzip" } };
      const text = (answer) => {
        assert.equal(answer.status, 200);
        assert.ok(answer.complete);
        const coded = answer.headers["content-encoding"] === "gzip";
        assert.ok(coded || answer.headers["content-encoding"] === undefined);
        return (coded ? gunzipSync(answer.body) : answer.body).toString();
      };

      test(`a fetched body that was gzipped, ${seconds === 1 ? "after each 304" : "while fresh"}: from L1 and from KV`, async () => {
        const path = `/law/headers/coded?fetch=/coded/${seconds}&${runtime}`.replaceAll(" ", "");
        const about = `/coded/${seconds}`;
        asked.delete(about);
        assert.equal(text(await worker.ask(path, wants)), TEXT);
        for (let round = 0; round < 4; round++) {
          if (round % 2) await worker.emptyL1();
          if (seconds === 1) await sleep(1_050);
          const answer = await worker.ask(path, wants);
          if (seconds === 60) assertHit(answer, round % 2 ? "l2" : "l1");
          else assert.equal(answer.cache["fwd-status"], "304");
          assert.equal(text(answer), TEXT);
          assert.match(answer.headers.etag, /^(W\/)?"c1"$/);
          assert.equal(text(await worker.ask(path, wants)), TEXT);
          const mine = await worker.ask(path, { headers: { ...wants.headers, "if-none-match": '"c1"' } });
          assert.equal(mine.status, 304);
        }
        const whole = asked.get(about).filter((headers) => headers["if-none-match"] === undefined);
        assert.equal(whole.length, 1);
        // What has lost its coding is another variant's business only if somebody asks without.
        assert.equal(text(await worker.ask(path, { headers: { "accept-encoding": "identity" } })), TEXT);
      });
    }
  });
}
