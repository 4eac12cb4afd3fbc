// B5: request fields that no key holds and that change answers.
import { asking, having, stranger } from "../users.mjs";
import { apart, cc, notPoisoned, suite } from "../trial.mjs";

const { cases, must, should } = suite("B5");
const POISON = "unkeyed headers (web cache poisoning)";

/** The origin builds its page from the field. */
const reflecting =
  (name) =>
  ({ headers }) => ({ body: (mark) => `${mark} <script src="//${headers[name] ?? "good.example"}/a.js">\n` });

for (const [level, name, source] of [
  [must, "x-forwarded-host", POISON],
  [must, "x-host", POISON],
  [must, "x-original-url", "rewrite headers of frameworks"],
  [must, "x-rewrite-url", "rewrite headers of frameworks"],
  [must, "forwarded", "RFC 7239; cache poisoning"],
  [must, "x-http-method-override", "method override, CPDoS"],
  [must, "x-http-method", "method override, CPDoS"],
  [must, "x-method-override", "method override, CPDoS"],
  [must, "x-forwarded-scheme", "redirect poisoning"],
  [should, "x-forwarded-server", POISON],
  [should, "x-forwarded-port", POISON],
  [should, "x-forwarded-prefix", POISON],
  [should, "x-original-host", POISON],
]) {
  level(
    `unkeyed-${name}`,
    source,
    `what ${name} brings the origin to say is not for others`,
    notPoisoned(reflecting(name), having({ [name]: "evil.example" }), "evil.example"),
  );
}
must(
  "unkeyed-max-age",
  POISON,
  "the same with a lifetime",
  notPoisoned(
    ({ headers }) => ({ ...cc("max-age=60"), body: `by ${headers["x-forwarded-host"] ?? "good.example"}` }),
    having({ "x-forwarded-host": "evil.example" }),
    "evil.example",
  ),
);
must(
  "unkeyed-capitals",
  POISON,
  "the same in capitals",
  notPoisoned(reflecting("x-forwarded-host"), having({ "X-FORWARDED-HOST": "evil.example" }), "evil.example"),
);
should(
  "unkeyed-underscores",
  "CGI names",
  "the same with underscores, to an origin that takes them for hyphens",
  notPoisoned(
    ({ headers }) => ({ body: `by ${headers.x_forwarded_host ?? headers["x-forwarded-host"] ?? "good.example"}` }),
    having({ X_Forwarded_Host: "evil.example" }),
    "evil.example",
  ),
);
must(
  "unkeyed-redirect",
  POISON,
  "a redirection to the attacker's host",
  notPoisoned(
    ({ headers }) => ({
      status: 301,
      headers: { location: `https://${headers["x-forwarded-host"] ?? "good.example"}/` },
    }),
    having({ "x-forwarded-host": "evil.example" }),
    "evil.example",
  ),
);
must("unkeyed-victim", POISON, "nor is a visitor's answer from behind a proxy that sets one another's", async (t) => {
  t.origin(reflecting("x-forwarded-host"));
  await t.fill(stranger);
  const answer = await t.ask(having({ "x-forwarded-host": "alice.example" }));
  t.ok(
    answer.text.includes("alice.example") || !answer.marks.length,
    `a visitor of alice.example got another host's page (${answer})`,
  );
});
must("method-override", "method override, CPDoS", "the answer to a DELETE in disguise is not the page", async (t) => {
  t.origin(({ headers }) => (headers["x-http-method-override"] ? { body: "deleted-by-override" } : {}));
  await t.ask(having({ "x-http-method-override": "DELETE" }));
  await t.rest();
  t.lacks(await t.ask(stranger), "deleted-by-override", "the answer to a request in disguise");
});

// Fields by which an application may know its users, unknown to HTTP.
for (const name of ["x-api-key", "x-auth-token", "x-access-token", "cf-access-jwt-assertion", "x-forwarded-user"]) {
  should(`identity-${name}`, "API keys; an origin without Vary", `${name} may tell who is asking`, async (t) => {
    t.origin(({ headers }) => ({ body: (mark) => `${mark} for ${headers[name] ?? "nobody"} by GET\n` }));
    await t.fill({ who: "alice", headers: { [name]: "alice" } });
    t.isFor(await t.ask({ who: "bob", headers: { [name]: "bob" } }), "bob");
  });
}
// Fields by which frameworks choose another representation of the same page.
for (const [name, value] of [
  ["rsc", "1"],
  ["x-nextjs-data", "1"],
  ["x-inertia", "true"],
  ["hx-request", "true"],
  ["x-requested-with", "XMLHttpRequest"],
]) {
  should(
    `representation-${name}`,
    "CVE-2024-46982 and its kin",
    `the answer to ${name} is not the page`,
    apart({}, having({ [name]: value })),
  );
}
should("representation-accept", "an origin without Vary", "an answer in JSON is not the page", async (t) => {
  t.origin(({ headers }) => ({ headers: { "content-type": headers.accept ?? "text/html" } }));
  const first = await t.fill(having({ accept: "application/json" }));
  t.apart(await t.ask(having({ accept: "text/html" })), first, "the answer in JSON");
});

should(
  "representation-coding",
  "an origin without Vary",
  "a coded answer is not for who did not ask for the coding",
  async (t) => {
    t.origin(({ headers }) =>
      headers["accept-encoding"]?.includes("br")
        ? { headers: { "content-encoding": "br" }, body: "\x0b\x01\x80hey\x03" }
        : {},
    );
    await t.fill(having({ "accept-encoding": "br" }));
    const answer = await t.ask(having({ "accept-encoding": "identity" }));
    t.ok(!answer.get("content-encoding"), `${answer.who} got an answer in a coding that he cannot read (${answer})`);
  },
);

// CORS.
const CORS = "Fetch standard, CORS and caches";
const welcoming =
  (extra = {}) =>
  ({ headers }) => ({
    headers: { ...(headers.origin && { "access-control-allow-origin": headers.origin }), ...extra },
  });
const A = "https://alice.example";
const from = (origin) => having({ origin });
for (const [name, script, first, second, evil] of [
  ["other", welcoming(), from(A), from("https://bob.example"), A],
  ["none", welcoming(), from(A), stranger, A],
  ["null", welcoming(), from("null"), from(A), "\nnull"],
  ["credentials", welcoming({ "access-control-allow-credentials": "true" }), from(A), from("https://bob.example"), A],
  ["max-age", welcoming({ "cache-control": "max-age=60" }), from(A), from("https://bob.example"), A],
  ["wrong-vary", welcoming({ vary: "Accept" }), from(A), from("https://bob.example"), A],
]) {
  must(`cors-${name}`, CORS, `an answer that lets one origin in is for that origin (${name})`, async (t) => {
    t.origin(script);
    await t.fill(first);
    t.lacks(await t.ask(second), evil, "an answer that lets another origin in");
  });
}
should(
  "cors-fixed",
  CORS,
  "even when it always names the same one",
  apart({ headers: { "access-control-allow-origin": A } }, from(A), from("https://bob.example")),
);

// Content in a GET.
const FAT = "fat GET (web cache poisoning)";
const parrot = ({ body }) => ({ body: (mark) => `${mark} said ${body || "nothing"}\n` });
const fat = (headers = {}, body = "say=evil") => asking(stranger, { headers, body });
for (const [name, request] of [
  ["length", fat()],
  ["form", fat({ "content-type": "application/x-www-form-urlencoded" })],
  ["json", fat({ "content-type": "application/json" }, '{"say":"evil"}')],
  ["chunked", fat({ "transfer-encoding": "chunked", "content-length": [] })],
]) {
  must(
    `fat-get-${name}`,
    FAT,
    `what the content of a GET brings the origin to say is not for others (${name})`,
    notPoisoned(parrot, request, "evil"),
  );
}
must(
  "fat-get-max-age",
  FAT,
  "the same with a lifetime",
  notPoisoned((request) => ({ ...cc("max-age=60"), ...parrot(request) }), fat(), "evil"),
);
must(
  "fat-head",
  FAT,
  "nor that of a HEAD",
  notPoisoned(
    (request) => ({ headers: { "x-said": request.body || "nothing" } }),
    asking(fat(), { method: "HEAD" }),
    "evil",
  ),
);

export default cases;
