// B1: an answer that sets a cookie is nobody else's.
import { asking, bob, having, stranger } from "../users.mjs";
import { suite } from "../trial.mjs";

const { cases, must, should } = suite("B1");
const SOURCE = "RFC 9111 7.3; session fixation";

/** Each visitor is given a cookie of his own, and a form token that goes with it. */
const welcome =
  ({ status = 200, headers = {}, cookies = (n) => [`session=secret-${n}; Path=/; HttpOnly`] } = {}) =>
  (_, n) => ({
    status,
    headers: { "set-cookie": cookies(n), ...headers },
    body: (mark) => `${mark} token secret-${n}\n`,
  });

const kept =
  (script, first = stranger, second = stranger) =>
  async (t) => {
    t.origin(script);
    await t.fill(first);
    t.lacks(await t.ask(second), "secret-1", "the cookie that was set for the first visitor, or its form token");
  };

for (const [name, says, what] of [
  ["silent", "nothing is said of caching", {}],
  ["max-age", "with a lifetime", { headers: { "cache-control": "max-age=60" } }],
  ["public", "with public and a lifetime", { headers: { "cache-control": "public, max-age=60" } }],
  ["s-maxage", "with a lifetime for shared caches", { headers: { "cache-control": "s-maxage=60" } }],
  ["expires", "with Expires", { headers: { expires: new Date(Date.now() + 60_000).toUTCString() } }],
  ["cdn", "with a targeted lifetime", { headers: { "cdn-cache-control": "max-age=60" } }],
  ["etag", "with a validator", { headers: { etag: '"v1"' } }],
  ["several", "among others", { cookies: (n) => ["theme=dark", `session=secret-${n}`, "lang=en"] }],
  ["harmless-name", "under an analytics name", { cookies: (n) => [`_ga=secret-${n}`] }],
  ["deleted", "that deletes one", { cookies: (n) => [`session=secret-${n}; Max-Age=0`] }],
  ["203", "on a 203", { status: 203 }],
  ["301", "on a 301", { status: 301, headers: { location: "/there" } }],
  [
    "301-max-age",
    "on a 301 with a lifetime",
    { status: 301, headers: { location: "/there", "cache-control": "max-age=60" } },
  ],
  [
    "302-max-age",
    "on a 302 with a lifetime",
    { status: 302, headers: { location: "/there", "cache-control": "max-age=60" } },
  ],
  ["404", "on a 404", { status: 404 }],
  ["404-max-age", "on a 404 with a lifetime", { status: 404, headers: { "cache-control": "max-age=60" } }],
]) {
  must(`set-cookie-${name}`, SOURCE, `Set-Cookie is not replayed: ${says}`, kept(welcome(what)));
}

must("set-cookie-to-user", SOURCE, "a visitor's new cookie does not replace a user's", kept(welcome(), stranger, bob));
must(
  "set-cookie-harmless-sent",
  SOURCE,
  "nor is it replayed to browsers with analytics cookies",
  kept(welcome(), having({ cookie: "_ga=GA1.1.1" }), having({ cookie: "_ga=GA1.1.2" })),
);
must(
  "set-cookie-head",
  "RFC 9110 9.3.2",
  "nor to a HEAD",
  kept(welcome(), stranger, asking(stranger, { method: "HEAD" })),
);
must("set-cookie-sometimes", "load balancer affinity", "a cookie that only some answers set", async (t) => {
  t.origin((_, n) => (n === 1 ? { headers: { "set-cookie": "server=secret-1" } } : {}));
  await t.fill(stranger);
  for (let i = 0; i < 3; i++) t.lacks(await t.ask(stranger), "secret-1", "the first visitor's server cookie");
});
should("set-cookie2", "RFC 2965", "nor is the obsolete Set-Cookie2", async (t) => {
  t.origin((_, n) => ({ headers: { "set-cookie2": `session=secret-${n}` } }));
  await t.fill(stranger);
  t.lacks(await t.ask(stranger), "secret-1", "the cookie that was set for the first visitor");
});

export default cases;
