// B9: an error is nobody else's, nor tomorrow's.
import { having, stranger } from "../users.mjs";
import { apart, apartOrRefused, suite } from "../trial.mjs";

const { cases, must, should } = suite("B9");
const CPDOS = "CPDoS; RFC 9111 4.2.2";

/** The first request fails; the page is there for the second. */
const failing =
  (status, headers = {}) =>
  (_, n) =>
    n === 1 ? { status, headers } : {};

for (const [level, status] of [
  [must, 400],
  [must, 401],
  [must, 403],
  [must, 408],
  [must, 429],
  [must, 431],
  [must, 500],
  [must, 502],
  [must, 503],
  [must, 504],
  [should, 404],
  [should, 405],
  [should, 410],
  [should, 414],
  [should, 501],
  [should, 302],
  [should, 307],
]) {
  const headers = status < 400 ? { location: "/login" } : {};
  level(`error-${status}`, CPDOS, `a ${status} is not replayed`, apart(failing(status, headers)));
}
for (const status of [500, 503, 404]) {
  should(
    `error-${status}-lifetime`,
    "a bug outlives its mend",
    `not even with a lifetime: ${status}`,
    apart(failing(status, { "cache-control": "max-age=60" })),
  );
}
must(
  "error-retry-after",
  CPDOS,
  "one visitor's rate limit is not everybody's",
  apart(failing(429, { "retry-after": "60" })),
);
must(
  "error-oversized",
  "CPDoS: header oversize",
  "an attacker's too large header does not close the page",
  async (t) => {
    t.origin(({ headers }) => (headers["x-large"] ? { status: 400 } : {}));
    const first = await t.fillOrRefuse(having({ "x-large": "x".repeat(6000) }));
    t.apart(await t.ask(stranger), first, "the error");
  },
);
must("error-closed", CPDOS, "an origin that gave no answer is asked again", async (t) => {
  t.origin((_, n) => (n === 1 ? { close: true } : {}));
  await t.ask(stranger);
  await t.rest();
  const answer = await t.ask(stranger);
  t.ok(answer.status === 200 && answer.marks.length, `${answer.who} got the failure of an earlier request (${answer})`);
});
must(
  "error-login",
  "login walls",
  "a stranger's 401 is not alice's answer",
  apartOrRefused(failing(401, { "www-authenticate": "Bearer" }), stranger, having({ authorization: "Bearer alice" })),
);

export default cases;
