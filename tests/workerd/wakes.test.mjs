// What stands in for `queueMicrotask` does what that does.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { wakeByPromises } from "../../src/worker/glue.js";

const [native, reported] = [globalThis.queueMicrotask, []];
before(() => {
  globalThis.reportError = (error) => reported.push(error);
  wakeByPromises();
});
after(() => {
  globalThis.queueMicrotask = native;
  delete globalThis.reportError;
});

test("tasks run behind the caller, in order, among other microtasks", async () => {
  assert.notEqual(globalThis.queueMicrotask, native);
  const seen = [];
  queueMicrotask(() => {
    seen.push(1);
    queueMicrotask(() => seen.push(4));
  });
  Promise.resolve().then(() => seen.push(2));
  queueMicrotask(() => seen.push(3));
  seen.push(0);
  await new Promise((done) => setTimeout(done));
  assert.deepEqual(seen, [0, 1, 2, 3, 4]);
});

test("an error is reported, and the next task runs", async () => {
  const [error, seen] = [new Error("a bug"), []];
  queueMicrotask(() => {
    throw error;
  });
  queueMicrotask(() => seen.push("next"));
  await new Promise((done) => setTimeout(done));
  assert.deepEqual([reported, seen], [[error], ["next"]]);
});

test("what is no function is refused at once", () => {
  for (const task of [undefined, null, {}, "task"]) assert.throws(() => queueMicrotask(task), TypeError);
});
