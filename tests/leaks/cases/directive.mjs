// A4: what the origin forbids. The owner's minute for everything does not lift it.
import { having, stranger } from "../users.mjs";
import { apart, cc, suite } from "../trial.mjs";

const { cases, must, should } = suite("A4");
const STORE = "RFC 9111 3, 5.2.2";

for (const [name, value] of [
  ["private", "private"],
  ["private-max-age", "private, max-age=60"],
  ["private-last", "max-age=60, private"],
  ["private-s-maxage", "private, s-maxage=60"],
  ["private-public", "public, private"],
  ["private-capitals", "PRIVATE"],
  ["private-mixed", "max-age=60,Private"],
  ["private-tabs", "max-age=60\t,\tprivate"],
  ["private-commas", ", ,private,"],
  ["private-quoted-neighbour", 'x="a, b", private'],
  ["private-two-lines", ["max-age=60", "private"]],
  ["private-first-line", ["private", "max-age=60"]],
  ["no-store", "no-store"],
  ["no-store-max-age", "no-store, max-age=60"],
  ["no-store-public", "public, no-store, max-age=60"],
  ["no-store-capitals", "No-Store"],
  ["no-store-two-lines", ["public, max-age=60", "no-store"]],
  ["no-cache", "no-cache"],
  ["no-cache-max-age", "no-cache, max-age=60"],
  ["no-cache-capitals", "NO-CACHE"],
  ["not-understood", "must-understand, max-age=60, no-store"],
]) {
  const status = name === "not-understood" ? 299 : 200;
  must(`said-${name}`, STORE, `Cache-Control: ${[value].flat().join(" | ")}`, apart({ ...cc(value), status }));
}
should(
  "said-not-understood-max-age",
  "RFC 9111 5.2.2.3",
  "Cache-Control: must-understand, max-age=60 on a status that nobody knows",
  apart({ ...cc("must-understand, max-age=60"), status: 299 }),
);
for (const [name, value] of [
  ["zero", "max-age=0"],
  ["zero-revalidate", "max-age=0, must-revalidate"],
  ["zero-quoted", 'max-age="0"'],
  ["zero-shared", "s-maxage=0"],
  ["zero-shared-over", "max-age=60, s-maxage=0"],
  ["zero-public", "public, max-age=0"],
  ["negative", "max-age=-1"],
]) {
  should(`said-${name}`, "RFC 9111 4.2", `Cache-Control: ${value}`, apart(cc(value)));
}
for (const [name, headers] of [
  ["expired", { expires: new Date(Date.now() - 60_000).toUTCString() }],
  ["expires-zero", { expires: "0" }],
  ["targeted-private", { "cache-control": "max-age=60", "cdn-cache-control": "private" }],
  ["targeted-no-store", { "cache-control": "max-age=60", "cdn-cache-control": "no-store" }],
]) {
  should(
    `said-${name}`,
    "RFC 9111 5.3; RFC 9213",
    Object.entries(headers)
      .map((field) => field.join(": "))
      .join(", "),
    apart({ headers }),
  );
}
for (const [name, value] of [
  ["private-field", 'private="x-secret"'],
  ["private-fields", 'max-age=60, private="x-other, x-secret"'],
  ["private-field-capitals", 'Private="X-SECRET", max-age=60'],
  ["no-cache-field", 'no-cache="x-secret", max-age=60'],
]) {
  must(`said-${name}`, "RFC 9111 5.2.2.4, 5.2.2.7", `Cache-Control: ${value}`, async (t) => {
    t.origin((_, n) => ({ headers: { ...cc(value).headers, "x-secret": `secret-${n}.` } }));
    await t.fill(stranger);
    t.lacks(await t.ask(stranger), "secret-1.", "the field that was another's alone");
  });
}
must(
  "asked-no-store",
  "RFC 9111 5.2.1.5",
  "what was asked for with no-store is not kept",
  apart({}, having({ "cache-control": "no-store" })),
);
must(
  "asked-no-store-max-age",
  "RFC 9111 5.2.1.5",
  "the same with a lifetime",
  apart(cc("max-age=60"), having({ "cache-control": "no-store" })),
);
// The proxying handler behind the cache ought to take it off already.
should("hop-by-hop", "RFC 9111 3.1", "a field of one connection is not kept", async (t) => {
  t.origin((_, n) => ({ headers: { connection: "x-hop", "x-hop": `secret-${n}.` } }));
  await t.fill(stranger);
  t.lacks(await t.ask(stranger), "secret-1.", "a field that was meant for one connection");
});

export default cases;
