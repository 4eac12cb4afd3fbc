// A7: when a stored answer may be used: validation instead of reuse, directives of the request.
import { validating } from "../origin.mjs";
import { cc, forwarded, reused, STALE, suite } from "../trial.mjs";

const { cases, must, should, may } = suite("A7");
export default cases;

const LONG = cc("max-age=3600");
const TAG = { etag: '"a"' };
const LAW = "9111 5.2.1";

must("reuse-no-cache", "9111 5.2.2.4", "no-cache: not reused as it is", forwarded(cc("no-cache, max-age=3600")));
must("reuse-no-cache-tag", "9111 5.2.2.4", "nor with an ETag", forwarded({ ...cc("no-cache, max-age=3600"), ...TAG }));
may("reuse-no-cache-validated", "9111 5.2.2.4, CORRECTNESS", "no-cache is stored and validated", async (t) => {
  t.origin(validating({ headers: { ...cc("no-cache"), ...TAG } }));
  await t.ask();
  const second = await t.ask();
  t.requests(2);
  t.is(t.seen[1].headers["if-none-match"], '"a"', "If-None-Match at the origin");
  t.status(second, 200);
  t.reused(second);
});
may("reuse-expired-validated", "9111 4.3, CORRECTNESS", "expired entries are validated, not forgotten", async (t) => {
  t.origin(validating({ headers: { ...cc("max-age=1"), ...TAG } }));
  await t.askAndAge();
  const second = await t.ask();
  t.is(t.seen[1]?.headers["if-none-match"], '"a"', "If-None-Match at the origin");
  t.reused(second);
});

// Whatever forbids stale answers does so when the origin is gone.
const CLOSED = [{ close: true }];
const never = (control, options = {}) => {
  return async (t) => {
    t.origin({ headers: { ...cc(control), ...TAG } }, ...(options.replies ?? CLOSED));
    await t.askAndAge();
    const answer = await t.ask(options.request);
    t.ok(answer.status >= 500 && answer.served !== 1, "an error", answer);
    if (options.statuses) t.ok(options.statuses.includes(answer.status), `one of ${options.statuses}`, answer);
  };
};
const forbids = {
  "must-revalidate": ["max-age=1, must-revalidate", "9111 5.2.2.2"],
  "proxy-revalidate": ["max-age=1, proxy-revalidate", "9111 5.2.2.8"],
  "s-maxage": ["s-maxage=1", "9111 5.2.2.10"],
  "no-cache": ["max-age=1, no-cache", "9111 5.2.2.4"],
};
for (const [id, [control, law]] of Object.entries(forbids)) {
  must(`reuse-forbids-${id}`, law, `${id}: no stale answer when the origin is gone`, never(control));
  const request = cc("max-stale=1000");
  must(`reuse-forbids-${id}-max-stale`, law, `${id}: nor when the client would take it`, never(control, { request }));
}
must(
  "reuse-must-revalidate-error",
  "9111 5.2.2.2",
  "must-revalidate beats stale-if-error",
  never("max-age=1, must-revalidate, stale-if-error=60", { replies: [{ status: 503 }] }),
);
must(
  "reuse-must-revalidate-while",
  "9111 5.2.2.2",
  "must-revalidate beats stale-while-revalidate",
  forwarded(cc("max-age=1, must-revalidate, stale-while-revalidate=60"), { wait: STALE }),
);
should(
  "reuse-must-revalidate-status",
  "9111 5.2.2.2",
  "with the origin gone the error is 504, or one more fitting",
  never("max-age=1, must-revalidate", { statuses: [502, 504] }),
);
may(
  "reuse-must-revalidate-fresh",
  "9111 5.2.2.2",
  "must-revalidate permits reuse while fresh",
  reused(cc("max-age=3600, must-revalidate")),
);
may(
  "reuse-proxy-revalidate-fresh",
  "9111 5.2.2.8",
  "so does proxy-revalidate",
  reused(cc("max-age=3600, proxy-revalidate")),
);

// Directives of the request. That they are obeyed is what CORRECTNESS asks of the rfc9111 preset.
const obeyed = `${LAW}, CORRECTNESS`;
const asked = (control) => ({ first: {}, second: cc(control) });
const aged = { ...LONG, age: "100" };
should("ask-max-age-zero", obeyed, "max-age=0 goes to the origin", forwarded(LONG, asked("max-age=0")));
should("ask-max-age", obeyed, "what is older than max-age goes to the origin", forwarded(aged, asked("max-age=50")));
may("ask-max-age-younger", LAW, "what is younger is reused", reused(aged, asked("max-age=500")));
should(
  "ask-min-fresh",
  obeyed,
  "what is fresh for less than min-fresh goes to the origin",
  forwarded(aged, asked("min-fresh=3550")),
);
may("ask-min-fresh-enough", LAW, "what is fresh for longer is reused", reused(aged, asked("min-fresh=3000")));
should("ask-no-cache", obeyed, "no-cache goes to the origin", forwarded(LONG, asked("no-cache")));
should("ask-no-cache-upper", obeyed, "in any case", forwarded(LONG, asked("No-Cache")));
should("ask-quoted", obeyed, "and arguments may be quoted", forwarded(LONG, asked('max-age="0"')));
const late = { wait: STALE, first: {} };
should(
  "ask-max-stale",
  obeyed,
  "max-stale takes stale",
  reused(cc("max-age=1"), { ...late, second: cc("max-stale=60") }),
);
should(
  "ask-max-stale-any",
  obeyed,
  "without an argument of any age",
  reused(cc("max-age=1"), { ...late, second: cc("max-stale") }),
);
must(
  "ask-max-stale-too-long",
  LAW,
  "but no staler than it says",
  forwarded(cc("max-age=1"), { ...late, second: cc("max-stale=0") }),
);
may("ask-unknown", "9111 5.2.3", "unknown directives are ignored", reused(LONG, asked("frobnicate, x=1")));
should(
  "ask-pragma",
  "9111 5.4, CORRECTNESS",
  "Pragma is ignored",
  reused(LONG, { first: {}, second: { pragma: "no-cache" } }),
);
may("ask-pragma-response", "9111 5.4", "in answers, too", reused({ ...LONG, pragma: "no-cache" }));
should("ask-no-cache-conditional", "9111 5.2.1.4", "no-cache may be answered by validation", async (t) => {
  t.origin(validating({ headers: { ...LONG, ...TAG } }));
  await t.ask();
  const second = await t.ask(cc("no-cache"));
  t.requests(2);
  t.status(second, 200);
  t.is(t.seen[1].headers["if-none-match"], '"a"', "If-None-Match at the origin");
});
may("ask-no-cache-replaces", LAW, "its answer replaces what was stored", async (t) => {
  t.origin({ headers: LONG });
  await t.ask();
  t.forwarded(await t.ask(cc("no-cache")));
  t.reused(await t.ask(), 2);
});
must("ask-no-store", "9111 5.2.1.5", "no-store: the answer is not stored", async (t) => {
  t.origin({ headers: LONG });
  await t.ask(cc("no-store"));
  await t.ask(cc("no-store"));
  t.forwarded(await t.ask(), 3);
});

// only-if-cached.
const only = (control, says) => async (t) => {
  t.origin({ headers: LONG });
  const answer = await t.ask(cc(control));
  t.status(answer, 504);
  t.requests(0);
  t.ok(answer.served !== 1, says, answer);
};
should(
  "ask-only-if-cached",
  "9111 5.2.1.7",
  "only-if-cached with nothing stored: 504",
  only("only-if-cached", "no answer"),
);
may("ask-only-if-cached-hit", "9111 5.2.1.7", "with something stored: that", reused(LONG, asked("only-if-cached")));
should("ask-only-if-cached-stale", "9111 5.2.1.7", "with something stale: 504", async (t) => {
  t.origin({ headers: cc("max-age=1") });
  await t.askAndAge();
  t.status(await t.ask(cc("only-if-cached")), 504);
  t.requests(1);
});
may(
  "ask-only-if-cached-max-stale",
  "9111 5.2.1.7",
  "unless the client takes stale",
  reused(cc("max-age=1"), { ...late, second: cc("only-if-cached, max-stale=60") }),
);
should("ask-only-if-cached-head", "9111 5.2.1.7", "HEAD alike: 504", async (t) => {
  t.origin({ headers: LONG });
  t.status(await t.ask(cc("only-if-cached"), { method: "HEAD" }), 504);
  t.requests(0);
});
