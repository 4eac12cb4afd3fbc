// A9: stale answers.
import { validating } from "../origin.mjs";
import { cc, STALE, suite } from "../trial.mjs";

const { cases, must, should, may } = suite("A9");
export default cases;

const WHILE = cc("max-age=1, stale-while-revalidate=60");
const ERROR = cc("max-age=1, stale-if-error=60");
const TAG = { etag: '"a"' };

// stale-while-revalidate.
should("swr-serves", "5861 3", "within the window the stale answer goes out, and the origin is asked", async (t) => {
  t.origin({ headers: WHILE });
  await t.askAndAge();
  t.reused(await t.ask());
  t.requests(2);
});
should("swr-refreshes", "5861 3", "the refresh is what is served next", async (t) => {
  t.origin({ headers: WHILE });
  await t.askAndAge();
  await t.ask();
  t.reused(await t.ask(), 2);
  t.requests(2);
});
should("swr-at-once", "5861 3", "nobody waits for a slow refresh", async (t) => {
  t.origin({ headers: WHILE }, { headers: WHILE, delay: 2000 });
  await t.askAndAge();
  for (const answer of [await t.send(), await t.send()]) {
    t.reused(answer);
    t.between(answer.took, 0, 1500, "milliseconds");
  }
});
should("swr-once", "CORRECTNESS", "one refresh for everybody", async (t) => {
  t.origin({ headers: WHILE }, { headers: WHILE, delay: 1000 });
  await t.askAndAge();
  const answers = await Promise.all(Array.from({ length: 6 }, () => t.send()));
  for (const answer of answers) t.reused(answer);
  await t.sleep(500);
  t.requests(2);
});
should("swr-validates", "9111 4.3.1", "the refresh is conditional", async (t) => {
  t.origin(validating({ headers: { ...WHILE, ...TAG } }, cc("max-age=3600")));
  await t.askAndAge();
  t.reused(await t.ask());
  t.is(t.seen[1]?.headers["if-none-match"], '"a"', "If-None-Match at the origin");
  t.reused(await t.ask());
  t.requests(2);
});
must("swr-ends", "9111 4.2.4", "after the window the origin is asked first", async (t) => {
  t.origin({ headers: cc("max-age=1, stale-while-revalidate=1") });
  await t.ask();
  await t.sleep(3600);
  t.forwarded(await t.ask());
});
should("swr-failed", "5861 3", "a refresh that fails leaves the entry within its window", async (t) => {
  t.origin({ headers: WHILE }, { status: 500 });
  await t.askAndAge();
  t.reused(await t.ask());
  t.reused(await t.ask());
});
should("swr-gone", "5861 3", "a refresh that finds no origin, too", async (t) => {
  t.origin({ headers: WHILE }, { close: true });
  await t.askAndAge();
  t.reused(await t.ask());
  t.reused(await t.ask());
});
must("swr-no-extension", "9111 4.2.4", "serving stale does not make it fresh, or the window longer", async (t) => {
  t.origin({ headers: cc("max-age=1, stale-while-revalidate=2") }, { status: 503 });
  await t.ask();
  await t.sleep(1900);
  await t.ask();
  await t.sleep(2600);
  t.status(await t.ask(), 503);
});
must("swr-age", "9111 5.1", "a stale answer says how old it is", async (t) => {
  t.origin({ headers: WHILE });
  await t.askAndAge();
  const answer = await t.ask();
  if (answer.served === 1) t.between(answer.number("age"), 2, 5, "Age");
});
should("swr-shared-forbids", "9111 4.2.4, CORRECTNESS A7", "s-maxage forbids it", async (t) => {
  t.origin({ headers: cc("s-maxage=1, stale-while-revalidate=60") });
  await t.askAndAge();
  t.forwarded(await t.ask());
});

// stale-if-error.
const instead = (headers, reply) => async (t) => {
  t.origin({ headers }, reply);
  await t.askAndAge();
  const answer = await t.ask();
  t.status(answer, 200);
  t.reused(answer);
  t.ok(t.seen.length >= 2, "a request at the origin", `${t.seen.length} in all`);
};
const passes = (headers, status) => async (t) => {
  t.origin({ headers }, { status });
  await t.askAndAge();
  t.status(await t.ask(), status);
};
for (const status of [500, 502, 503, 504]) {
  should(`sie-${status}`, "5861 4", `stale instead of a ${status}`, instead(ERROR, { status }));
}
should("sie-closed", "5861 4", "stale instead of a broken connection", instead(ERROR, { close: true }));
should(
  "sie-validating",
  "9111 4.3.3",
  "also when the entry has an ETag",
  instead({ ...ERROR, ...TAG }, { status: 503 }),
);
for (const status of [404, 410, 501, 429]) {
  must(`sie-not-${status}`, "9111 4.2.4", `but not instead of a ${status}`, passes(ERROR, status));
}
must("sie-ends", "9111 4.2.4", "after the window the error goes out", async (t) => {
  t.origin({ headers: cc("max-age=1, stale-if-error=1") }, { status: 503 });
  await t.ask();
  await t.sleep(3600);
  t.status(await t.ask(), 503);
});
must("sie-no-extension", "9111 4.2.4", "serving stale does not make the window longer", async (t) => {
  t.origin({ headers: cc("max-age=1, stale-if-error=2") }, { status: 503 });
  await t.ask();
  await t.sleep(1900);
  await t.ask();
  await t.sleep(2600);
  t.status(await t.ask(), 503);
});
must("sie-not-fresh", "9111 4.2.4", "the origin is asked again after an error", async (t) => {
  t.origin({ headers: ERROR }, { status: 503 }, { headers: cc("max-age=60") });
  await t.askAndAge();
  await t.ask();
  await t.sleep(STALE);
  t.forwarded(await t.ask(), 3);
});
must(
  "sie-must-revalidate",
  "9111 5.2.2.2",
  "must-revalidate forbids it",
  passes(cc("max-age=1, must-revalidate, stale-if-error=60"), 503),
);
must("sie-no-cache", "9111 5.2.2.4", "so does no-cache", passes(cc("no-cache, stale-if-error=60"), 503));
should(
  "sie-shared-forbids",
  "9111 4.2.4, CORRECTNESS A7",
  "so does s-maxage",
  passes(cc("s-maxage=1, stale-if-error=60"), 503),
);

// Disconnected.
should(
  "gone-stale",
  "9111 4.2.4, CORRECTNESS A9",
  "with the origin gone stale is better than nothing",
  instead(cc("max-age=1"), { close: true }),
);
should(
  "gone-stale-tag",
  "9111 4.2.4, CORRECTNESS A9",
  "with an ETag, too",
  instead({ ...cc("max-age=1"), ...TAG }, { close: true }),
);
should("gone-nothing", "9110 15.6.3", "with the origin gone and nothing stored there is an error", async (t) => {
  t.origin({ close: true });
  const answer = await t.ask();
  t.ok([502, 504].includes(answer.status), "502 or 504", answer);
});
must("gone-error-not-stored", "9111 3", "that error is not kept", async (t) => {
  t.origin({ close: true }, { close: true }, { close: true }, { close: true }, { headers: cc("max-age=60") });
  for (let i = 0; i < 8 && t.seen.length < 5; i++) await t.ask();
  t.ok(t.seen.length >= 5, "requests at the origin again", `${t.seen.length} in all`);
});
