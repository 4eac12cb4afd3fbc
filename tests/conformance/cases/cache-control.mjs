// A1: how Cache-Control is read.
import { cc, forwarded, reused, suite } from "../trial.mjs";

const { cases, must, should, may } = suite("A1");
export default cases;

may("cc-max-age", "9111 5.2.2.1", "max-age permits reuse", reused(cc("max-age=3600")));
may("cc-upper-case", "9111 5.2", "MAX-AGE is max-age", reused(cc("MAX-AGE=3600")));
may("cc-mixed-case", "9111 5.2", "S-MaxAge is s-maxage", reused(cc("S-MaxAge=3600")));
should("cc-quoted-number", "9111 5.2", "a quoted argument is as good as a token", reused(cc('max-age="3600"')));
should("cc-quoted-shared", "9111 5.2", "so it is with s-maxage", reused(cc('s-maxage="3600", max-age=0')));
may("cc-spaces", "9110 5.6.1", "white space around members means nothing", reused(cc("public ,\t max-age=3600 ")));
should("cc-empty-members", "9110 5.6.1", "empty members are skipped", reused(cc(", ,max-age=3600,,")));
should("cc-two-lines", "9110 5.3", "two lines are one list", reused(cc(["public", "max-age=3600"])));
should("cc-unknown", "9111 5.2.3", "unknown directives are ignored", reused(cc("max-age=3600, frobnicate=7, frob")));
should(
  "cc-comma-in-string",
  "9111 5.2",
  "a comma inside a quoted string does not split",
  reused(cc('ext="a, no-store, max-age=0, b", max-age=3600')),
);
should(
  "cc-equals-in-string",
  "9111 5.2",
  "an equals sign inside a quoted string does not split",
  reused(cc('ext="max-age=0", max-age=3600')),
);
should(
  "cc-escape-in-string",
  "9110 5.6.4",
  "an escaped quote does not end a quoted string",
  reused(cc('ext="a\\", no-store, \\"b", max-age=3600')),
);
must(
  "cc-after-string",
  "9111 5.2",
  "what follows a quoted string counts",
  forwarded(cc('max-age=3600, ext="a, b", no-store')),
);
should("cc-leading-zeros", "9111 1.2.2", "leading zeros are fine", reused(cc("max-age=0003600")));

const huge = ["2147483648", "42949672970", "999999999999", "99999999999999999999999999"];
for (const number of huge) {
  should(
    `cc-huge-${number.length}-digits`,
    "9111 1.2.2",
    `max-age=${number} is capped`,
    reused(cc(`max-age=${number}`)),
  );
}

must("cc-zero", "9111 5.2.2.1", "max-age=0 is stale at once", forwarded(cc("max-age=0")));
must("cc-no-store-upper", "9111 5.2", "No-Store is no-store", forwarded(cc("No-Store, max-age=3600")));
must("cc-no-store-second-line", "9110 5.3", "a second line counts", forwarded(cc(["max-age=3600", "no-store"])));
must("cc-private-upper", "9111 5.2", "PRIVATE is private", forwarded(cc("max-age=3600, PRIVATE")));
must("cc-no-cache-upper", "9111 5.2", "NO-CACHE is no-cache", forwarded(cc("max-age=3600, NO-CACHE")));

// CORRECTNESS A1: freshness that cannot be read means stale (the RFC: "encouraged to").
const bad = {
  negative: "max-age=-1",
  fraction: "max-age=3600.5",
  "quoted-junk": 'max-age="36oo"',
  words: "max-age=long",
  unit: "max-age=3600s",
  plus: "max-age=+3600",
  hex: "max-age=0x3600",
  apostrophes: "max-age='3600'",
  empty: "max-age=",
  "no-argument": "max-age",
  shared: "s-maxage=long, max-age=3600",
};
for (const [id, value] of Object.entries(bad)) {
  should(`cc-bad-${id}`, "9111 4.2.1, CORRECTNESS", `${value} means stale`, forwarded(cc(value)));
}
should(
  "cc-bad-beside-expires",
  "9111 4.2.1, CORRECTNESS",
  "an unreadable max-age does not make room for Expires",
  forwarded({ ...cc("max-age=long"), expires: new Date(Date.now() + 3600e3).toUTCString() }),
);

should(
  "cc-duplicate-first-short",
  "9111 4.2.1",
  "of two max-age the longer second does not count",
  forwarded(cc("max-age=0, max-age=3600")),
);
should(
  "cc-duplicate-first-long",
  "9111 4.2.1, CORRECTNESS",
  "of two max-age the first counts",
  reused(cc("max-age=3600, max-age=0")),
);
should(
  "cc-duplicate-lines",
  "9111 4.2.1",
  "the first line of two counts",
  forwarded(cc(["max-age=0", "max-age=3600"])),
);

// private="..." and no-cache="..." are about the named fields.
const fields = { "x-mine": "secret", "x-also": "secret", "x-other": "open" };
const stripped = (value, { whole }) => {
  return async (t) => {
    t.origin({ headers: { ...fields, ...cc(value) } });
    const first = await t.ask();
    t.is(first.get("x-mine"), "secret", "x-mine, from the origin");
    const second = await t.ask();
    if (whole) t.reused(second);
    if (second.served !== 1) return;
    t.is(second.get("x-mine"), undefined, "x-mine in the reused answer");
    if (value.includes("x-also")) t.is(second.get("x-also"), undefined, "x-also in the reused answer");
    if (whole) t.is(second.get("x-other"), "open", "x-other in the reused answer");
  };
};
for (const [directive, law] of [
  ["private", "9111 5.2.2.7"],
  ["no-cache", "9111 5.2.2.4"],
]) {
  const one = `max-age=3600, ${directive}="x-mine"`;
  const two = `${directive}="X-Mine , x-also", max-age=3600`;
  must(`cc-${directive}-field`, law, `fields named by ${directive} are not replayed`, stripped(one, { whole: false }));
  must(`cc-${directive}-fields`, law, `${directive} may name several, in any case`, stripped(two, { whole: false }));
  should(`cc-${directive}-rest`, `${law}, CORRECTNESS`, "the rest may be reused", stripped(two, { whole: true }));
  should(
    `cc-${directive}-token`,
    law,
    "the field name may be a token",
    stripped(`max-age=3600, ${directive}=x-mine`, {}),
  );
}
