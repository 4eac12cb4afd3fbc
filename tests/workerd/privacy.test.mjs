// Nobody gets what was made for somebody else, and what must not be kept is not.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertForwarded, assertHit, Fixture } from "./harness.mjs";

let worker;
before(async () => (worker = await Fixture.start()));
after(() => worker.stop());

const people = [
  { name: "cookies", alice: { cookie: "session=alice" }, bob: { cookie: "session=bob" } },
  { name: "Authorization", alice: { authorization: "Bearer alice" }, bob: { authorization: "Bearer bob" } },
];

for (const { name, alice, bob } of people) {
  const [field] = Object.keys(alice);

  test(`${name}: each gets their own answer, and strangers get neither`, async () => {
    const path = `/whoami?by=${field}`;
    for (const headers of [alice, bob, alice]) {
      const answer = await worker.ask(path, { headers });
      assertForwarded(answer);
      assert.equal(JSON.parse(answer.text).headers[field], headers[field]);
    }
    const stranger = await worker.ask(path);
    assert.equal(JSON.parse(stranger.text).headers[field], undefined);
  });

  test(`${name}: an entry made for strangers is not given to people who are logged in`, async () => {
    const path = `/whoami?strangers-first=${field}`;
    await worker.ask(path);
    const answer = await worker.ask(path, { headers: alice });
    assertForwarded(answer);
    assert.equal(JSON.parse(answer.text).headers[field], alice[field]);
  });

  test(`${name}: an anonymous route is shared, and its handler does not see who asks`, async () => {
    const path = `/anonymous/whoami?by=${field}`;
    const first = await worker.ask(path, { headers: alice });
    assert.equal(JSON.parse(first.text).headers[field], undefined);
    const second = await worker.ask(path, { headers: bob });
    assertHit(second, "l1");
    assert.equal(second.text, first.text);
  });
}

test("an answer that sets a cookie is not stored", async () => {
  for (const run of ["1", "2"]) {
    const answer = await worker.ask("/setcookie");
    assertForwarded(answer);
    assert.deepEqual(answer.headers["set-cookie"], [`visitor=${run}`]);
  }
});

test("an answer that varies is given only to those it was made for", async () => {
  for (const language of ["en", "it", "en"]) {
    const answer = await worker.ask("/vary", { headers: { "accept-language": language } });
    assert.equal(answer.text, language);
  }
});

for (const path of ["/private", "/nostore"]) {
  test(`${path} is obeyed, whatever the policy says`, async () => {
    for (const run of ["1", "2"]) {
      const answer = await worker.ask(path);
      assertForwarded(answer);
      assert.equal(answer.text, run);
    }
  });
}

test("an answer without a lifetime is not stored on a route without a policy", async () => {
  for (const run of ["1", "2"]) assert.equal((await worker.ask("/silent/a")).text, run);
});

for (const status of [500, 502, 503, 404, 302]) {
  test(`a ${status} is not stored`, async () => {
    for (const run of ["1", "2"]) {
      const answer = await worker.ask(`/error/${status}`);
      assert.equal(answer.status, status);
      assert.equal(answer.text, run);
      assertForwarded(answer);
    }
  });
}

test("a 404 is stored where the policy gives it a lifetime, and keeps its status", async () => {
  await worker.ask("/kept/404");
  for (const prepare of [() => {}, () => worker.emptyL1()]) {
    await prepare();
    const answer = await worker.ask("/kept/404");
    assert.equal(answer.status, 404);
    assert.equal(answer.text, "1");
    assertHit(answer);
  }
});

test("a 204 comes back as a 204", async () => {
  await worker.ask("/empty/204");
  for (const prepare of [() => {}, () => worker.emptyL1()]) {
    await prepare();
    const answer = await worker.ask("/empty/204");
    assert.equal(answer.status, 204);
    assert.equal(answer.body.length, 0);
  }
});

test("a bypassed route always runs, sees who asks, and says private, no-store where it was silent", async () => {
  for (const run of [1, 2]) {
    const answer = await worker.ask("/bypass/whoami", { headers: { cookie: "session=alice" } });
    assertForwarded(answer, "bypass");
    assert.equal(answer.headers["cache-control"], "private, no-store");
    const seen = JSON.parse(answer.text);
    assert.equal(seen.run, run);
    assert.equal(seen.headers.cookie, "session=alice");
  }
});

test("... and keeps its own Cache-Control where it had one", async () => {
  assert.equal((await worker.ask("/bypass/loud")).headers["cache-control"], "public, max-age=60");
});

test("POST goes through with its body", async () => {
  await worker.ask("/count/post");
  const answer = await worker.ask("/count/post", { method: "POST", body: "hello" });
  assertForwarded(answer, "method");
  assert.equal(answer.text, "hello");
});
