// What a cache is for. A cache that never keeps anything leaks nothing, and fails these.
import { aliceByToken, asking, having, stranger } from "../users.mjs";
import { cc, suite } from "../trial.mjs";

const { cases, reuse } = suite("reuse");
const SOURCE = "the owner's minute";

const again =
  (script, first = stranger, second = first) =>
  async (t) => {
    t.origin(script);
    const earlier = await t.fill(first);
    t.reused(await t.ask(second), earlier);
  };

reuse("reuse-silent", SOURCE, "an answer of which nothing is said", again({}));
reuse("reuse-max-age", SOURCE, "one with a lifetime", again(cc("max-age=60")));
reuse("reuse-public", SOURCE, "one that is public", again(cc("public, max-age=60")));
reuse("reuse-s-maxage", SOURCE, "one for shared caches", again(cc("s-maxage=60")));
reuse("reuse-query", SOURCE, "one with a query", again({}, asking(stranger, { path: "?a=1" })));
reuse("reuse-validator", SOURCE, "one with a validator", again({ headers: { etag: '"v1"' } }));
reuse("reuse-chunked", SOURCE, "one without a length", again({ chunked: true }));
reuse("reuse-large", SOURCE, "a large one", again({ body: (mark) => mark + "x".repeat(500_000) }));
reuse(
  "reuse-other-visitor",
  SOURCE,
  "another browser",
  again({}, having({ "user-agent": "one" }), having({ "user-agent": "two" })),
);
reuse(
  "reuse-harmless",
  "analytics cookies",
  "browsers with analytics cookies",
  again({}, having({ cookie: "_ga=1" }), having({ cookie: "_ga=2" })),
);
reuse(
  "reuse-vary",
  "RFC 9111 4.1",
  "the variant that is asked for",
  again({ headers: { vary: "accept-language" } }, having({ "accept-language": "en" })),
);
reuse(
  "reuse-cors",
  "Fetch standard, CORS",
  "an answer for all origins",
  again(
    { headers: { "access-control-allow-origin": "*" } },
    having({ origin: "https://a.example" }),
    having({ origin: "https://b.example" }),
  ),
);
reuse(
  "reuse-authorized-public",
  "RFC 9111 3.5",
  "an authorized answer that is public",
  again(cc("public, max-age=60"), aliceByToken, stranger),
);
reuse(
  "reuse-authorized-shared",
  "RFC 9111 3.5",
  "an authorized answer for shared caches",
  again(cc("s-maxage=60"), aliceByToken, stranger),
);
reuse("reuse-301", "RFC 9110 15.1", "a permanent redirection", again({ status: 301, headers: { location: "/there" } }));
reuse("reuse-head", "RFC 9111 4", "HEAD, after GET", again({}, stranger, asking(stranger, { method: "HEAD" })));

export default cases;
