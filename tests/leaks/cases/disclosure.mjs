// B11: the cache's own words are not for the public, and the public's are not for the cache.
import { having, stranger } from "../users.mjs";
import { notPoisoned, suite } from "../trial.mjs";

const { cases, must, should } = suite("B11");
const INSIDE = "information disclosure";

/** Fields that a cache or a server may add by the letter of HTTP or by custom. */
const COMMON = new Set(
  `age alt-svc cache-control cache-status cf-cache-status connection content-encoding content-length content-type date etag
   expires keep-alive last-modified server transfer-encoding vary via x-cache x-cache-hits x-cache-lookup x-mark`.split(
    /\s+/,
  ),
);

/** The fields of a hit, or of whatever the second answer is. */
async function secondAnswer(t) {
  t.origin({ headers: { etag: '"v1"', vary: "accept-language" } });
  await t.fill(stranger);
  return t.ask(stranger);
}
const fields = ({ raw }) => raw.flatMap((name, i) => (i % 2 ? [] : [[name.toLowerCase(), raw[i + 1]]]));

should("inside-fields", INSIDE, "no field of the cache's own making is sent out", async (t) => {
  const strange = fields(await secondAnswer(t)).filter(([name]) => !COMMON.has(name));
  t.ok(!strange.length, `everybody gets ${strange.map((field) => field.join(": ")).join(", ")}`);
});
must("inside-keys", INSIDE, "no field tells the key", async (t) => {
  const telling = fields(await secondAnswer(t)).filter(
    ([name, value]) => name !== "x-mark" && (value.includes(t.name) || /[0-9a-f]{32}/i.test(value)),
  );
  t.ok(!telling.length, `everybody gets ${telling.map((field) => field.join(": ")).join(", ")}`);
});

// The cache's own fields, from outside.
const FORGED = "internal headers as input (CVE-2025-29927 and its kin)";
const FIELDS = [
  ["cache-status", "layercake; hit; ttl=60"],
  ["x-layercake", "lc1 evil"],
  ["x-cache", "HIT"],
  ["x-cache-key", "/evil"],
  ["cf-cache-status", "HIT"],
  ["cf-cache-namespace", "evil"],
  ["cf-kv-metadata", "evil"],
  ["cf-worker", "evil.example"],
  ["age", "999999"],
  ["cdn-cache-control", "max-age=99999"],
  ["cache-control", "max-age=99999, only-if-cached"],
  ["surrogate-key", "evil"],
  ["cache-tag", "evil"],
];
for (const [name, value] of FIELDS) {
  must(`forged-${name}`, FORGED, `${name} from a client changes nothing for others`, async (t) => {
    t.origin({});
    await t.ask(having({ [name]: value }));
    await t.rest();
    for (let i = 0; i < 2; i++) {
      const answer = await t.fill(stranger);
      t.ok(answer.status === 200 && answer.complete, `${answer.who} got no page (${answer})`);
      t.lacks(answer, "evil", "what the attacker had sent");
    }
  });
}
for (const [name, value] of FIELDS.slice(1, 8)) {
  should(`forged-by-origin-${name}`, FORGED, `${name} from the origin does not make its answer another`, async (t) => {
    t.origin({ headers: { [name]: value } });
    for (let i = 0; i < 3; i++) {
      const answer = await t.fill(stranger);
      t.ok(answer.status === 200 && answer.text.includes("by GET"), `${answer.who} got no page (${answer})`);
    }
  });
}
must("forged-key", FORGED, "a key that is spelt out is no door", async (t) => {
  t.origin(({ url }) => (url.includes("hono") || url.includes("layercake") ? { status: 404 } : {}));
  const first = await t.fill(having({ host: "bob.example" }));
  for (const target of [
    `/.hono/cache?__hono_cache_key=${encodeURIComponent(`http://bob.example/${t.name}`)}&__hono_cache_method=GET`,
    `/.layercake/lc1:leaks:v1/${t.name}`,
    `/http://bob.example/${t.name}`,
    `/GET%20/${t.name}`,
  ]) {
    t.apart(await t.ask(having({ host: "bob.example" }, { target })), first, "an entry by its key");
  }
});
must(
  "forged-markup",
  FORGED,
  "what a client sends as Cache-Status is not repeated",
  notPoisoned({}, having({ "cache-status": "evil; hit" }), "evil; hit"),
);

export default cases;
