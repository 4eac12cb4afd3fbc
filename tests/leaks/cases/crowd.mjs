// B2, at once: requests that are under way together may share a run of the handler, and no more than may be shared.
import { asking, having, stranger } from "../users.mjs";
import { cc, suite } from "../trial.mjs";

const { cases, must } = suite("B2");
const SOURCE = "request collapsing";
const CROWD = Array.from({ length: 20 }, (_, i) => i);

/** All ask at once while the origin takes its time. */
const together = (t, requests) => Promise.all(requests.map((request) => t.ask(request)));

/** Everybody, known by `fields`, gets his own answer; nobody gets two people's. */
const eachHisOwn =
  (fields, script = {}) =>
  async (t) => {
    t.origin(({ user }) => ({ delay: 150, ...script, body: (mark) => `${mark} for ${user} by GET\n` }));
    const users = CROWD.map((i) => (i % 4 === 3 ? stranger : { who: `user${i}`, headers: fields(`user${i}`) }));
    for (const answer of await together(t, users)) {
      t.ok(answer.marks.length, `no answer for ${answer.who}: ${answer}`);
      t.isFor(answer, answer.who === stranger.who ? "a stranger" : answer.who);
    }
  };

must(
  "crowd-cookies",
  SOURCE,
  "twenty at once with cookies of their own",
  eachHisOwn((user) => ({ cookie: `session=${user}` })),
);
must(
  "crowd-tokens",
  SOURCE,
  "twenty at once with tokens of their own",
  eachHisOwn((user) => ({ authorization: `Bearer ${user}` })),
);
must(
  "crowd-tokens-lifetime",
  SOURCE,
  "the same, with a lifetime",
  eachHisOwn((user) => ({ authorization: `Bearer ${user}` }), cc("max-age=60")),
);

/** Twenty strangers; no two get the same answer. */
const noTwoAlike = (reply) => async (t) => {
  t.origin((_, n) => ({ delay: 150, ...reply(n) }));
  const answers = await together(
    t,
    CROWD.map(() => stranger),
  );
  const marks = answers.flatMap((answer) => answer.marks);
  const twice = marks.find((mark, i) => marks.indexOf(mark) !== i);
  t.ok(!twice, `${marks.filter((mark) => mark === twice).length} visitors got one visitor's answer`);
};
must(
  "crowd-set-cookie",
  SOURCE,
  "each new visitor gets a cookie of his own",
  noTwoAlike((n) => ({ headers: { "set-cookie": `session=${n}` } })),
);
must(
  "crowd-private",
  SOURCE,
  "private answers are not shared while they are made",
  noTwoAlike(() => cc("private")),
);
must(
  "crowd-no-store",
  SOURCE,
  "nor are those with no-store",
  noTwoAlike(() => cc("no-store")),
);
must(
  "crowd-vary-all",
  SOURCE,
  "nor those that vary on everything",
  noTwoAlike(() => ({ headers: { vary: "*" } })),
);

must("crowd-vary", SOURCE, "each gets his own language", async (t) => {
  t.origin(({ headers }) => ({
    delay: 150,
    headers: { vary: "accept-language" },
    body: (mark) => `${mark} for ${headers["accept-language"]} by GET\n`,
  }));
  const tongues = ["en", "it", "de", "fr"];
  const requests = CROWD.map((i) =>
    asking(having({ "accept-language": tongues[i % 4] }), { who: `a reader of ${tongues[i % 4]}` }),
  );
  for (const answer of await together(t, requests)) t.isFor(answer, answer.who.slice(-2));
});
must("crowd-queries", SOURCE, "each gets his own query", async (t) => {
  t.origin(({ url }) => ({ delay: 150, body: (mark) => `${mark} for ${/u=(\w+)/.exec(url)?.[1]} by GET\n` }));
  const requests = CROWD.map((i) => asking(stranger, { who: `user${i % 5}`, path: `?u=user${i % 5}` }));
  for (const answer of await together(t, requests)) t.isFor(answer, answer.who);
});
must("crowd-leader-gone", SOURCE, "nobody gets half an answer because another went away", async (t) => {
  const whole = "x".repeat(200_000);
  t.origin({ delay: 100, body: whole });
  const first = t.ask(asking(stranger, { leaveAfter: 1 }));
  const others = await together(
    t,
    CROWD.slice(0, 5).map(() => stranger),
  );
  await first;
  for (const answer of [...others, await t.ask(stranger)]) {
    t.ok(
      answer.status !== 200 || !answer.complete || answer.text === whole,
      `${answer.who} got ${answer.body.length} bytes for the whole`,
    );
  }
});

export default cases;
