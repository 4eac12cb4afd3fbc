// B2: who shows who he is gets his own answer, and his answer goes to nobody else.
import { alice, aliceByToken, asking, bob, bobByToken, having, stranger } from "../users.mjs";
import { apart, cc, suite } from "../trial.mjs";

const { cases, must } = suite("B2");
const RFC = "RFC 9111 3.5";
const COOKIE = "session cookies are no cache keys";

/** `first` fills; `second`, who is known to the origin as `name`, gets the answer for that name. */
const own = (script, first, second, name) => async (t) => {
  t.origin(script);
  await t.fill(first);
  t.isFor(await t.ask(second), name);
};

const NAMES = new Map([
  [alice, "alice"],
  [aliceByToken, "alice"],
  [bob, "bob"],
  [bobByToken, "bob"],
  [stranger, "a stranger"],
]);
const short = (user) => NAMES.get(user).replace("a ", "");

for (const [what, source, users] of [
  ["token", RFC, [aliceByToken, bobByToken]],
  ["cookie", COOKIE, [alice, bob]],
]) {
  const [a, b] = users;
  for (const [first, second] of [
    [a, stranger],
    [a, b],
    [stranger, a],
  ]) {
    for (const [how, script] of [
      ["silent", {}],
      ["max-age", cc("max-age=60")],
    ]) {
      must(
        `${what}-${short(first)}-to-${short(second)}-${how}`,
        source,
        `what ${NAMES.get(first)} was answered is not for ${NAMES.get(second)} (known by ${what}, ${how})`,
        own(script, first, second, NAMES.get(second)),
      );
    }
  }
}

must("token-basic", RFC, "the same for the scheme Basic", async (t) => {
  t.origin(({ headers }) => ({ body: (mark) => `${mark} saw ${headers.authorization ?? "nobody"}\n` }));
  await t.fill(having({ authorization: "Basic YWxpY2U6c2VjcmV0" }));
  t.lacks(await t.ask(having({ authorization: "Basic Ym9iOnNlY3JldA==" })), "YWxpY2U6", "alice's password");
});
must(
  "token-etag",
  RFC,
  "a validator does not make a personal answer common",
  apart({ headers: { etag: '"v1"' } }, aliceByToken),
);
must(
  "token-head",
  RFC,
  "nor does the HEAD of one",
  apart(cc("max-age=60"), aliceByToken, asking(stranger, { method: "HEAD" })),
);

// Cookies that stand among others, or in a form that some origins read and some caches do not.
for (const [name, cookie] of [
  ["harmless-first", "_ga=GA1.1.1; session=alice"],
  ["harmless-last", "session=alice; _ga=GA1.1.1"],
  ["harmless-around", "_gid=1; session=alice; _fbp=fb.1"],
  ["two-lines", ["_ga=GA1.1.1", "session=alice"]],
  ["no-space", "_ga=GA1.1.1;session=alice"],
  ["comma", "_ga=GA1.1.1, session=alice"],
  ["quoted", '_ga="1; session=alice"'],
  ["in-value", "_ga=session=alice"],
  ["empty-first", "; session=alice"],
  ["spaced-name", "_ga session=alice"],
  ["prefixed", "__Host-session=alice"],
  ["harmless-prefix", "_gasession=alice"],
  ["nameless", "=session=alice"],
]) {
  must(
    `cookie-${name}`,
    "cookie parser differentials",
    `a session cookie is found in ${JSON.stringify(cookie)}`,
    own({}, { who: "alice", headers: { cookie } }, stranger, "a stranger"),
  );
}
for (const name of [
  "PHPSESSID",
  "JSESSIONID",
  "connect.sid",
  "remember_me",
  "wordpress_logged_in_1",
  "token",
  "id",
  "cart",
  "CF_Authorization",
]) {
  must(
    `cookie-named-${name.toLowerCase().replace(/_/g, "-")}`,
    COOKIE,
    `the cookie ${name} tells who is asking`,
    async (t) => {
      t.origin(({ headers }) => ({ body: (mark) => `${mark} saw ${headers.cookie ?? "nobody"}\n` }));
      await t.fill({ who: "alice", headers: { cookie: `${name}=alice` } });
      t.lacks(await t.ask(stranger), "=alice", "alice's page");
    },
  );
}
for (const name of ["_ga", "_gid", "_fbp", "_hjSession_1", "_pk_id.1", "__utma", "CookieConsent"]) {
  must(
    `cookie-reflected-${name.toLowerCase().replace(/_/g, "-")}`,
    "reflected cookies (cache poisoning)",
    `what an origin makes of the cookie ${name} is not for others`,
    async (t) => {
      t.origin(({ headers }) => ({ body: (mark) => `${mark} saw ${headers.cookie ?? "nothing"}\n` }));
      await t.fill(having({ cookie: `${name}=evil` }));
      for (const cookie of [[], `${name}=good`]) {
        t.lacks(await t.ask(having({ cookie })), "=evil", "what the attacker's cookie had brought the origin to say");
      }
    },
  );
}
for (const [to, second] of [
  ["bob", bobByToken],
  ["stranger", stranger],
]) {
  const script = { headers: { "cache-control": "public, max-age=60", vary: "Authorization" } };
  must(
    `token-vary-to-${to}`,
    RFC,
    "public, with Vary: Authorization",
    own(script, aliceByToken, second, NAMES.get(second)),
  );
}
must("cookie-reflected-with-token", RFC, "not even where a token and public stand beside it", async (t) => {
  t.origin(({ headers }) => ({
    ...cc("public, max-age=60"),
    body: (mark) => `${mark} saw ${headers.cookie ?? "nothing"}\n`,
  }));
  await t.fill(having({ authorization: "Bearer evil", cookie: "_ga=evil" }));
  t.lacks(await t.ask(stranger), "_ga=evil", "what the attacker's cookie had brought the origin to say");
});
must("cookie-vary", "RFC 9111 4.1", "and with Vary: Cookie", own({ headers: { vary: "Cookie" } }, alice, bob, "bob"));
must(
  "cookie-both",
  RFC,
  "cookie of one, token of the other",
  own({}, asking(alice, { headers: { authorization: "Basic eA==" } }), bobByToken, "bob"),
);
must("cookie-head-first", COOKIE, "nor what a HEAD of alice brought", apart({}, asking(alice, { method: "HEAD" })));
must("cookie-large", COOKIE, "a personal answer of a megabyte", async (t) => {
  t.origin(({ user }) => ({ body: (mark) => `${mark} for ${user} by GET\n${"x".repeat(1 << 20)}` }));
  await t.fill(alice);
  t.isFor(await t.ask(stranger), "a stranger");
});

export default cases;
