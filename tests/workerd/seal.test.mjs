// gzip as the host's power: buffers and streams there and back, and what is broken ends as an error.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { assertSameBytes, exchange, Fixture, pattern } from "./harness.mjs";

let worker;
before(async () => (worker = await Fixture.start()));
after(() => worker.stop());

const through = (steps, body) => exchange(`${worker.base}/__seal/${steps}`, { method: "POST", body });

/** What `body` is after these steps. */
async function made(steps, body, expected) {
  const answer = await through(steps, body);
  assert.equal(answer.status, 200, answer.text);
  if (expected) assertSameBytes(answer.body, expected);
  return answer;
}

/** These steps end in an error, of which the rest of the Worker hears nothing. */
async function fails(steps, body, why) {
  const answer = await through(steps, body);
  assert.equal(answer.status, 500, `${steps}: ${answer.body.length} bytes`);
  if (why) assert.match(answer.text, why);
  return answer;
}

const unhandled = async () => Number((await through("unhandled")).text);

for (const [name, size] of Object.entries({ "0 B": 0, "1 B": 1, "10 KB": 10_000, "5 MB": 5_000_000 })) {
  test(`there and back, ${name}`, async () => {
    const plain = pattern(size);
    assertSameBytes(gunzipSync((await made("compress", plain)).body), plain);
    await made("decompress", gzipSync(plain), plain);
    // From a buffer in JavaScript; from one stream to the next; and with buffers between.
    for (const steps of [
      "adopt,compress,decompress",
      "compress,decompress,compress,decompress",
      "compress,buffer,decompress,buffer",
      `compress,buffer,decompress,buffer:${size}`,
    ]) {
      const answer = await made(steps, plain, plain);
      assert.equal(answer.headers["x-length"], steps.includes("buffer") ? String(size) : "unknown", steps);
    }
    assert.equal(await unhandled(), 0);
  });
}

test("bytes that do not compress", async () => {
  const noise = Buffer.alloc(300_000);
  for (let i = 0, state = 1; i < noise.length; i++) noise[i] = (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24;
  await made("compress,decompress", noise, noise);
  await made("decompress", gzipSync(noise), noise);
});

test("what is cut off, anywhere, is an error", async () => {
  const coded = gzipSync(pattern(2_000));
  for (let length = 0; length < coded.length; length += length < 20 || length > coded.length - 20 ? 1 : 97) {
    for (const steps of ["decompress", "decompress,buffer", "decompress,compress"]) {
      await fails(steps, coded.subarray(0, length));
    }
  }
  const large = gzipSync(pattern(5_000_000));
  for (const length of [large.length - 1, large.length - 8, large.length >> 1]) {
    await fails("decompress", large.subarray(0, length));
    await fails("decompress,buffer", large.subarray(0, length));
    await fails("decompress,compress,buffer", large.subarray(0, length));
    // A stream that ends early.
    await fails(`adopt,compress,decompress,first:${length},decompress`, large);
  }
  assert.equal(await unhandled(), 0);
});

test("what follows the end is an error", async () => {
  for (const plain of [pattern(0), pattern(2_000), pattern(300_000)]) {
    const coded = gzipSync(plain);
    for (const rest of [Buffer.from([0]), Buffer.from("garbage"), coded]) {
      await fails("decompress", Buffer.concat([coded, rest]));
      await fails("decompress,buffer", Buffer.concat([coded, rest]));
    }
    await fails("decompress", Buffer.concat([coded, Buffer.alloc(100_000)]));
  }
  assert.equal(await unhandled(), 0);
});

test("what is no gzip, or changed, is an error", async () => {
  const coded = gzipSync(pattern(20_000));
  for (const body of [pattern(1), pattern(10_000), pattern(5_000_000), Buffer.alloc(20)]) await fails("decompress", body);
  for (const at of [0, 1, 2, 3, coded.length >> 1, coded.length - 5, coded.length - 1]) {
    const changed = Buffer.from(coded);
    changed[at] ^= 0x40;
    await fails("decompress", changed);
    await fails("decompress,buffer", changed);
  }
  assert.equal(await unhandled(), 0);
});

test("a stream that breaks off fails on the other side", async () => {
  const plain = pattern(300_000);
  // `first` with more than there are: the stream fails at its end.
  await fails("compress,decompress,first:300001,compress", plain);
  await fails("compress,first:1000000,decompress", plain);
  assert.equal(await unhandled(), 0);
});

test("no more is decompressed than is read", async () => {
  // A hundred megabytes in a hundred kilobytes, broken behind the first third: who gets there says so.
  const bomb = gzipSync(Buffer.alloc(100_000_000));
  bomb.fill(0xff, 32 << 10);
  await fails("decompress,buffer", bomb, /failed: (?!the body is larger)/);
  await fails("decompress,buffer:1000", bomb, /larger than 1000 bytes/);
  await fails("compress,decompress,decompress,buffer:1000", bomb, /larger than 1000 bytes/);
  const part = await made("decompress,first:1000,buffer", bomb);
  assertSameBytes(part.body, Buffer.alloc(1000));
  assert.equal(await unhandled(), 0);
});

test("a stream that nobody reads is let go", async () => {
  await made("compress,drop", pattern(300_000), Buffer.alloc(0));
  await made("decompress,drop", gzipSync(pattern(300_000)), Buffer.alloc(0));
  await made("decompress,drop", Buffer.from("garbage"), Buffer.alloc(0));
  assert.equal(await unhandled(), 0);
});

test("a stream that Rust feeds comes back as it is", async () => {
  await fails("native,compress", pattern(10), /not compressed/);
  await fails("native,decompress", gzipSync(pattern(10)), /not decompressed/);
});
