// A8: conditional requests, of the cache to the origin and of clients to the cache.
import { ago, asctime, httpDate, rfc850, validating } from "../origin.mjs";
import { cc, suite } from "../trial.mjs";

const { cases, must, should, may } = suite("A8");
export default cases;

const SHORT = cc("max-age=1");
const LONG = cc("max-age=3600");
const TAG = { etag: '"a"' };
const MODIFIED = httpDate(-30 * 86_400);
const DATED = { "last-modified": MODIFIED };

// From the cache to the origin.

/** What the second request, with a stale entry, brings to the origin. */
const sends = (validators, expected) => async (t) => {
  t.origin({ headers: { ...SHORT, ...validators } });
  await t.askAndAge();
  await t.ask();
  const { headers } = t.seen[1];
  for (const [name, value] of Object.entries(expected)) t.is(headers[name], value, `${name} at the origin`);
};
should(
  "val-tag",
  "9111 4.3.1",
  "a stale entry with an ETag is validated by it",
  sends(TAG, { "if-none-match": '"a"' }),
);
should("val-weak-tag", "9111 4.3.1", "also a weak one", sends({ etag: 'W/"a"' }, { "if-none-match": 'W/"a"' }));
should("val-date", "9111 4.3.1", "or by its Last-Modified", sends(DATED, { "if-modified-since": MODIFIED }));
should(
  "val-both",
  "9111 4.3.1",
  "with both the ETag goes out",
  sends({ ...TAG, ...DATED }, { "if-none-match": '"a"' }),
);
should(
  "val-odd-tag",
  "9110 8.8.3",
  "an ETag with a comma, as it is",
  sends({ etag: '"a, b\\"' }, { "if-none-match": '"a, b\\"' }),
);

/**
 * A stale entry, validated; the fields of the 304 are `fields`. An unconditional second request gets them in a 200, so
 * that what follows holds for a cache that does not validate, too. `check` gets the answer and one more after it.
 */
const refreshed = (fields, check, { stored = {}, validator = TAG } = {}) => {
  return async (t) => {
    const first = { headers: { ...SHORT, ...validator, "x-thing": "old", ...stored }, body: "the body" };
    t.origin(first, validating({ ...first, headers: { ...first.headers, ...fields } }, fields));
    await t.askAndAge();
    const second = await t.ask();
    await check(t, second, await t.ask());
  };
};
const good = (t, answer) => {
  t.status(answer, 200);
  t.is(answer.text, "the body", "body");
};
for (const [id, validator] of Object.entries({ tag: TAG, weak: { etag: 'W/"a"' }, date: DATED })) {
  must(
    `val-304-${id}`,
    "9111 4.3.3",
    "after a 304 the client gets the stored body",
    refreshed({}, good, { validator }),
  );
}
must(
  "val-304-updates",
  "9111 4.3.4",
  "a 304 updates the stored fields",
  refreshed({ ...LONG, "x-thing": "new", "x-more": "1" }, (t, second, third) => {
    for (const answer of [second, third]) {
      good(t, answer);
      t.is(answer.get("x-thing"), "new", "x-thing");
      t.is(answer.get("x-more"), "1", "x-more");
      t.is(answer.get("cache-control"), "max-age=3600", "Cache-Control");
    }
  }),
);
must(
  "val-304-keeps",
  "9111 3.2",
  "fields that the 304 does not have stay",
  refreshed(
    LONG,
    (t, second, third) => {
      for (const answer of [second, third]) t.is(answer.get("x-kept"), "1, 2", "x-kept");
    },
    { stored: { "x-kept": ["1", "2"] } },
  ),
);
may(
  "val-304-extends",
  "9111 4.3.4",
  "freshness begins anew with the lifetime of the 304",
  refreshed(LONG, (t, second, third) => {
    good(t, third);
    t.requests(2);
  }),
);
may(
  "val-304-extends-own",
  "9111 4.3.4",
  "or with the stored lifetime, when the 304 names none",
  refreshed({}, (t, second, third) => {
    good(t, third);
    t.requests(2);
  }),
);
should(
  "val-304-age",
  "9111 4.2.3",
  "the age begins anew, too",
  refreshed({ ...LONG, age: "0" }, (t, second, third) => t.between(third.number("age"), 0, 3, "Age"), {
    stored: { age: "100", ...cc("max-age=101") },
  }),
);
must("val-304-zero", "9111 4.3.4", "a 304 may also end the freshness", async (t) => {
  const first = { headers: { ...cc("max-age=2"), ...TAG } };
  t.origin(first, validating({ headers: { ...cc("max-age=0"), ...TAG } }, cc("max-age=0")));
  await t.ask();
  await t.sleep(3000);
  await t.ask();
  await t.ask();
  t.requests(3);
});

// A 304 describes no body of its own.
const harmless = (level, id, fields) => {
  level(`val-304-${id}`, "9111 3.2", `${id} of a 304 changes nothing`, async (t) => {
    const full = { headers: { ...SHORT, ...TAG, "content-type": "text/plain" }, body: "the body" };
    t.origin(full, validating(full, { ...LONG, ...fields }));
    await t.askAndAge();
    for (const answer of [await t.ask(), await t.ask()]) {
      good(t, answer);
      t.ok(answer.complete, "a complete message", answer);
      for (const name of Object.keys(fields))
        t.ok(answer.get(name) !== fields[name], `not ${name} of the 304`, answer.get(name));
    }
  });
};
harmless(must, "content-length", { "content-length": "3" });
harmless(should, "content-encoding", { "content-encoding": "gzip" });
harmless(should, "content-range", { "content-range": "bytes 0-3/9" });

must("val-304-other-tag", "9111 4.3.4", "a 304 with another strong ETag refreshes nothing", async (t) => {
  const other = { status: 304, headers: { ...LONG, etag: '"other"' } };
  t.origin(
    { headers: { ...SHORT, ...TAG }, body: "old" },
    ({ headers }) => (headers["if-none-match"] ? other : { headers: { ...LONG, etag: '"other"' }, body: "new" }),
    { headers: { ...LONG, etag: '"other"' }, body: "new" },
  );
  await t.askAndAge();
  await t.ask();
  t.is((await t.ask()).text, "new", "body afterwards");
});
must("val-200-replaces", "9111 4.3.3", "a 200 is the answer, and replaces what was stored", async (t) => {
  t.origin({ headers: { ...SHORT, ...TAG } }, { headers: { ...LONG, etag: '"b"', "x-new": "1" } });
  await t.askAndAge();
  const second = await t.ask();
  t.forwarded(second);
  t.is(second.get("etag"), '"b"', "ETag");
  const third = await t.ask();
  t.ok(third.served !== 1, "not the first answer", third);
});
must("val-404-passes", "9111 4.3.3", "so is a 404", async (t) => {
  t.origin({ headers: { ...SHORT, ...TAG } }, { status: 404 });
  await t.askAndAge();
  t.status(await t.ask(), 404);
});
may("val-500-keeps", "9111 4.3.3", "a 500 leaves the entry to be validated later", async (t) => {
  const full = { headers: { ...SHORT, ...TAG } };
  t.origin(full, { status: 500 }, validating(full));
  await t.askAndAge();
  await t.ask();
  t.reused(await t.ask());
  t.is(t.seen[2].headers["if-none-match"], '"a"', "If-None-Match at the origin");
});

// The right variant.
const variants = () => {
  const full = (lang, control) => ({ headers: { ...control, vary: "x-lang", etag: `"${lang}"` }, body: lang });
  return ({ headers }, n) => validating(full(headers["x-lang"], n <= 2 ? SHORT : LONG), LONG)({ headers });
};
must("val-variants", "9111 4.3.4", "each variant is validated as itself", async (t) => {
  t.origin(variants());
  await t.ask({ "x-lang": "en" });
  await t.askAndAge({ "x-lang": "de" });
  for (const lang of ["en", "de", "en", "de"]) {
    const answer = await t.ask({ "x-lang": lang });
    t.status(answer, 200);
    t.is(answer.text, lang, "body");
    t.is(answer.get("etag"), `"${lang}"`, "ETag");
  }
});
must("val-variants-alone", "9111 4.3.4", "a 304 refreshes no other variant", async (t) => {
  t.origin(variants());
  await t.ask({ "x-lang": "en" });
  await t.askAndAge({ "x-lang": "de" });
  await t.ask({ "x-lang": "en" });
  t.requests(3);
  await t.ask({ "x-lang": "de" });
  t.requests(4);
});

// From the client to the cache.

/** A fresh entry with `stored`, and what a request with `headers` gets without the origin. */
const answers = (stored, headers, status) => async (t) => {
  t.origin({ headers: { ...LONG, ...stored } });
  await t.ask();
  const answer = await t.ask(headers);
  t.status(answer, status);
  if (status === 304) t.is(answer.body.length, 0, "length of the body");
  t.requests(1);
};
/** The same without a word on who answers. */
const must200 = (stored, headers) => async (t) => {
  t.origin({ headers: { ...LONG, ...stored } });
  await t.ask();
  t.status(await t.ask(headers), 200);
};
const inm = (value, more) => ({ "if-none-match": value, ...more });
const ims = (value) => ({ "if-modified-since": value });

should("cond-tag", "9111 4.3.2", "the same ETag gets a 304", answers(TAG, inm('"a"'), 304));
should("cond-weak-request", "9110 13.1.2", "compared weakly", answers(TAG, inm('W/"a"'), 304));
should("cond-weak-stored", "9110 13.1.2", "both ways", answers({ etag: 'W/"a"' }, inm('"a"'), 304));
should("cond-list", "9110 13.1.2", "one of a list suffices", answers(TAG, inm('"x", W/"y" ,"a"'), 304));
should("cond-lines", "9110 13.1.2", "or one of several lines", answers(TAG, inm(['"x"', '"a"']), 304));
should(
  "cond-comma",
  "9110 8.8.3",
  "a comma in an ETag does not split",
  answers({ etag: '"a,b"' }, inm('"x", "a,b"'), 304),
);
must("cond-comma-not", "9110 8.8.3", "nor does it match a part", must200({ etag: '"b"' }, inm('"a,b"')));
should("cond-star", "9110 13.1.2", "* matches anything stored", answers(TAG, inm("*"), 304));
must("cond-other", "9110 13.1.2", "another ETag gets the answer", must200(TAG, inm('"b"')));
may("cond-other-reused", "9111 4.3.2", "out of the cache", answers(TAG, inm('"b"'), 200));
must("cond-case", "9110 8.8.3.2", "ETags have case", must200(TAG, inm('"A"')));
must("cond-no-tag", "9110 13.1.2", "without a stored ETag nothing matches", must200(DATED, inm('"a"')));
must(
  "cond-tag-over-date",
  "9110 13.2.2",
  "If-None-Match beats If-Modified-Since",
  must200({ ...TAG, ...DATED }, inm('"b"', ims(MODIFIED))),
);
const earlier = httpDate(-60 * 86_400);
should(
  "cond-tag-over-old-date",
  "9110 13.2.2",
  "both ways",
  answers({ ...TAG, ...DATED }, inm('"a"', ims(earlier)), 304),
);

should("cond-date", "9111 4.3.2", "the same Last-Modified gets a 304", answers(DATED, ims(MODIFIED), 304));
should("cond-date-later", "9110 13.1.3", "a later date, too", answers(DATED, ims(httpDate(-86_400)), 304));
must("cond-date-earlier", "9110 13.1.3", "an earlier one gets the answer", must200(DATED, ims(earlier)));
should("cond-date-rfc850", "9110 5.6.7", "a date as in RFC 850", answers(DATED, ims(rfc850(MODIFIED)), 304));
should("cond-date-asctime", "9110 5.6.7", "a date as of asctime", answers(DATED, ims(asctime(MODIFIED)), 304));
must("cond-date-earlier-rfc850", "9110 5.6.7", "the old forms are compared, too", must200(DATED, ims(rfc850(earlier))));
must("cond-date-invalid", "9110 13.1.3", "what is no date is ignored", must200(DATED, ims("soon")));
should(
  "cond-date-from-date",
  "9111 4.3.2",
  "without Last-Modified Date serves",
  answers({ date: ago(100) }, ims(httpDate(-10)), 304),
);
must("cond-date-before-date", "9111 4.3.2", "both ways", must200({ date: ago(100) }, ims(httpDate(-1000))));

must("cond-304-fields", "9110 15.4.5", "a 304 has the fields that the 200 would have", async (t) => {
  const kept = { ...TAG, vary: "x-lang", "content-location": "/elsewhere", expires: httpDate(3600) };
  t.origin({ headers: { ...LONG, ...kept } });
  const first = await t.ask();
  const answer = await t.ask(inm('"a"'));
  if (answer.status !== 304) return;
  for (const name of [...Object.keys(kept), "cache-control", "date"]) t.is(answer.get(name), first.get(name), name);
  t.ok(
    answer.get("content-length") === undefined || answer.number("content-length") === first.body.length,
    "the right length",
    answer,
  );
});
must("cond-304-age", "9111 5.1", "and an Age", async (t) => {
  t.origin({ headers: { ...LONG, ...TAG, age: "100" } });
  await t.ask();
  const answer = await t.ask(inm('"a"'));
  if (answer.status === 304) t.between(answer.number("age"), 100, 103, "Age");
});

// A client's condition and a stale entry.
const staleFor = (headers, status) => async (t) => {
  t.origin(validating({ headers: { ...SHORT, ...TAG }, body: "the body" }, LONG));
  await t.askAndAge();
  const answer = await t.ask(headers);
  t.status(answer, status);
  if (status === 200) t.is(answer.text, "the body", "body");
};
should(
  "cond-stale-same",
  "9111 4.3.2",
  "stale, validated, and the client has the same: 304",
  staleFor(inm('"a"'), 304),
);
must("cond-stale-other", "9111 4.3.3", "stale, validated, and the client has another: 200", staleFor(inm('"b"'), 200));
must("cond-stale-date", "9111 4.3.3", "so it is with dates", staleFor(ims(earlier), 200));
must("cond-miss-304", "9111 3", "a 304 on a miss goes to its client, and is no answer for others", async (t) => {
  t.origin(validating({ headers: { ...LONG, ...TAG }, body: "the body" }, LONG));
  const first = await t.ask(inm('"a"'));
  t.ok(first.status === 304 || first.status === 200, "304 or 200", first);
  good(t, await t.ask());
});
for (const [name, value] of Object.entries({ "if-match": '"b"', "if-unmodified-since": earlier })) {
  must(`cond-${name}`, "9111 4.3.2", `${name} is for the origin to judge`, async (t) => {
    t.origin({ headers: { ...LONG, ...TAG, ...DATED } }, { headers: { ...LONG, ...TAG, ...DATED, "x-judged": "1" } });
    await t.ask();
    const answer = await t.ask({ [name]: value });
    t.ok(answer.status === 200, "no 412 of the cache's own", answer);
  });
}

// HEAD.
const head = (fields, check) => async (t) => {
  const first = { headers: { ...SHORT, ...TAG, ...DATED }, body: "the body" };
  // A length is only that of the answer to HEAD.
  const { "content-length": length, ...rest } = fields;
  const next = { headers: { ...first.headers, ...LONG, ...rest }, body: "new body" };
  const headed = { ...next, headers: { ...next.headers, ...(length && { "content-length": length }) } };
  t.origin(first, ({ method }) => (method === "HEAD" ? headed : next));
  await t.askAndAge();
  await t.ask({}, { method: "HEAD" });
  await check(t, await t.ask());
};
may(
  "val-head-refreshes",
  "9111 4.3.5",
  "a 200 to HEAD refreshes the entry when validators and length agree",
  head({ "x-thing": "new" }, (t, answer) => {
    t.requests(2);
    t.is(answer.get("x-thing"), "new", "x-thing");
  }),
);
for (const [id, fields] of Object.entries({
  tag: { etag: '"b"' },
  date: { "last-modified": httpDate(-86_400) },
  length: { "content-length": "5" },
})) {
  const check = (t, answer) => t.is(answer.text, "new body", "body");
  should(`val-head-other-${id}`, "9111 4.3.5", `a HEAD with another ${id} refreshes nothing`, head(fields, check));
}
should("val-head-invalidates", "9111 4.3.5", "a HEAD with another ETag makes a fresh entry stale", async (t) => {
  t.origin({ headers: { ...LONG, ...TAG } }, { headers: { ...LONG, etag: '"b"' } });
  await t.ask();
  await t.ask(cc("no-cache"), { method: "HEAD" });
  t.requests(2);
  t.forwarded(await t.ask(), 3);
});
