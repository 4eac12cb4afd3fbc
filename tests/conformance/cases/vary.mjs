// A6: Vary.
import { cc, STALE, suite } from "../trial.mjs";

const { cases, must, should, may } = suite("A6");
export default cases;

const varying = (vary, control = "max-age=3600") => ({ headers: { ...cc(control), vary } });
const en = { "x-lang": "en" };
const de = { "x-lang": "de" };

/** The second request is, or is not, answered with the answer to the first. */
const pair = (first, second, reuse, vary = "x-lang") => {
  return async (t) => {
    t.origin(varying(vary));
    t.ok((await t.ask(first)).served === 1, "the origin's first answer", "another");
    const answer = await t.ask(second);
    if (reuse) t.reused(answer);
    else t.forwarded(answer);
  };
};
const law = "9111 4.1";

may("vary-same", law, "the same value is a match", pair(en, en, true));
must("vary-different", law, "another value is none", pair(en, de, false));
must("vary-missing", law, "missing does not match a value", pair(en, {}, false));
must("vary-missing-first", law, "a value does not match missing", pair({}, en, false));
may("vary-both-missing", law, "missing matches missing", pair({}, {}, true));
must("vary-empty", law, "missing does not match an empty value", pair({ "x-lang": "" }, {}, false));
may("vary-others", law, "fields that are not named do not matter", pair(en, { ...en, "x-other": "1" }, true));
may("vary-name-case", law, "names have no case", pair(en, en, true, "X-LANG"));
must("vary-name-case-different", law, "nor have they for the mismatch", pair(en, de, false, "X-LANG"));
must("vary-value-case", law, "values have case", pair(en, { "x-lang": "EN" }, false));
must("vary-list-second", law, "every name of a list counts", pair(en, { ...en, "x-b": "1" }, false, "x-lang, x-b"));
must("vary-lines-second", law, "every line counts", pair(en, { ...en, "x-b": "1" }, false, ["x-lang", "x-b"]));
may(
  "vary-list-same",
  law,
  "a list matches when all match",
  pair({ ...en, "x-b": "1" }, { ...en, "x-b": "1" }, true, "x-lang, x-b"),
);
must(
  "vary-no-splice",
  law,
  "values do not run into each other",
  pair({ "x-a": "1, 2" }, { "x-a": "1", "x-b": "2" }, false, "x-a, x-b"),
);

// Normalising.
const list = (value) => ({ "x-lang": value });
may(
  "vary-space-in-list",
  law,
  "white space around commas means nothing in a field that is a list",
  pair({ "accept-language": "de,en" }, { "accept-language": "de ,  en" }, true, "accept-language"),
);
may("vary-lines", law, "two lines are one list", pair(list(["de", "en"]), list("de, en"), true));
must("vary-order", law, "the order of a list counts", pair(list("de, en"), list("en, de"), false));
must("vary-item-added", law, "so does every item", pair(list("de"), list("de, en"), false));
must(
  "vary-language",
  law,
  "Accept-Language selects",
  pair({ "accept-language": "de" }, { "accept-language": "fr" }, false, "accept-language"),
);
must("vary-cookie", law, "Cookie selects", pair({ cookie: "a=1" }, { cookie: "a=2" }, false, "cookie"));
must(
  "vary-origin",
  law,
  "Origin selects",
  pair({ origin: "https://a.example" }, { origin: "https://b.example" }, false, "origin"),
);

// Several variants of one key.
may("vary-two-variants", law, "two variants live side by side", async (t) => {
  t.origin(varying("x-lang"));
  await t.ask(en);
  await t.ask(de);
  t.reused(await t.ask(en), 1);
  t.reused(await t.ask(de), 2);
});
must("vary-many-right", law, "of many variants everybody gets the right one", async (t) => {
  t.origin(({ headers }) => ({ ...varying("x-lang"), body: headers["x-lang"] }));
  const names = Array.from({ length: 12 }, (_, i) => `lang-${i}`);
  for (const round of [1, 2]) {
    const answers = await Promise.all(names.map((name) => t.ask(list(name))));
    answers.forEach((answer, i) => t.is(answer.text, names[i], `body of ${names[i]}, round ${round}`));
  }
});
may("vary-four-variants", law, "four variants are reused", async (t) => {
  t.origin(varying("x-lang"));
  const names = ["a", "b", "c", "d"];
  for (const name of names) await t.ask(list(name));
  for (const name of names) t.reused(await t.ask(list(name)), names.indexOf(name) + 1);
});
must("vary-own-lifetime", law, "each variant has its own lifetime: the short one ends", async (t) => {
  t.origin(varying("x-lang", "max-age=1"), varying("x-lang"));
  await t.ask(en);
  await t.ask(de);
  await t.sleep(STALE);
  t.forwarded(await t.ask(en), 3);
});
may("vary-own-lifetime-long", law, "each variant has its own lifetime: the long one lasts", async (t) => {
  t.origin(varying("x-lang", "max-age=1"), varying("x-lang"));
  await t.ask(en);
  await t.ask(de);
  await t.sleep(STALE);
  t.reused(await t.ask(de), 2);
});
must("vary-added-later", law, "a later answer may vary by more", async (t) => {
  const both = { ...en, "x-b": "1" };
  t.origin(varying("x-lang", "max-age=1"), varying("x-lang, x-b"));
  await t.ask(both);
  await t.sleep(STALE);
  t.forwarded(await t.ask(both), 2);
  t.forwarded(await t.ask({ ...en, "x-b": "2" }), 3);
});
// Where the runtime sets Accept-Encoding itself, as workerd does, both requests get the plain variant.
must("vary-coding", "9110 12.5.3", "a coded variant is not for those who refuse it", async (t) => {
  t.origin(({ headers }) => {
    const coded = /x-rot/.test(headers["accept-encoding"]);
    return { headers: { ...varying("accept-encoding").headers, ...(coded && { "x-coded": "1" }) } };
  });
  const accepting = await t.ask({ "accept-encoding": "x-rot" });
  const refusing = await t.ask({ "accept-encoding": "identity" });
  t.ok(accepting.get("x-coded") !== "1" || refusing.get("x-coded") === undefined, "the plain variant", "the coded one");
});
must("vary-header-kept", "9110 12.5.5", "a reused answer still says Vary", async (t) => {
  t.origin(varying(["x-lang", "X-B"]));
  await t.ask(en);
  t.is((await t.ask(en)).get("vary")?.replace(/ /g, "").toLowerCase(), "x-lang,x-b", "Vary");
});
