// B7: a personal answer whose origin was silent tells the caches in front that it is personal.
import { alice, aliceByToken, asking, stranger } from "../users.mjs";
import { suite } from "../trial.mjs";

const { cases, should } = suite("B7");
const SOURCE = "silence is permission (RFC 9111 4.2.2)";

const directives = (answer) =>
  (answer.get("cache-control") ?? "")
    .toLowerCase()
    .split(/\s*,\s*/)
    .filter(Boolean);

/** Nothing in the answer lets a shared cache in front keep it. */
const marked = (script, request) => async (t) => {
  t.origin(script);
  for (let i = 0; i < 2; i++) {
    const answer = await t.fill(request);
    const said = directives(answer);
    t.ok(
      said.includes("private") && said.includes("no-store"),
      `${answer.who}'s answer left with ${said.length ? said.join(", ") : "no Cache-Control"}: a cache in front may give it to others`,
    );
  }
};
should("silence-cookie", SOURCE, "an answer to a session cookie", marked({}, alice));
should("silence-token", SOURCE, "an answer to Authorization", marked({}, aliceByToken));
should(
  "silence-set-cookie",
  SOURCE,
  "an answer that sets a cookie",
  marked({ headers: { "set-cookie": "session=1" } }, stranger),
);
should("silence-404", SOURCE, "a 404 for alice", marked({ status: 404 }, alice));
should("silence-head", SOURCE, "an answer to her HEAD", marked({}, asking(alice, { method: "HEAD" })));

/** The origin's own words stay, and nothing is added that allows more. */
const kept = (said, request) => async (t) => {
  t.origin({ headers: { "cache-control": said } });
  const answer = await t.fill(request);
  const extra = directives(answer).filter((one) => one !== said && one !== "private" && one !== "no-store");
  t.ok(!extra.length, `${answer.who}'s answer left with ${extra.join(", ")}, which the origin had not said`);
};
should("silence-private", SOURCE, "private stays all that is said", kept("private", alice));
should("silence-no-store", SOURCE, "and so does no-store", kept("no-store", stranger));
should("silence-no-cache", SOURCE, "and so does no-cache", kept("no-cache", stranger));
should("silence-personal-public", SOURCE, "alice's page is not called public", async (t) => {
  t.origin({});
  const answer = await t.fill(alice);
  const bad = directives(answer).filter((one) => one === "public" || /^(s-maxage|max-age)=[1-9]/.test(one));
  t.ok(!bad.length, `${answer.who}'s answer left with ${bad.join(", ")}, which the origin had not said`);
});

export default cases;
