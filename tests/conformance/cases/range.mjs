// A10: HEAD and ranges.
import { httpDate, ranging } from "../origin.mjs";
import { cc, suite } from "../trial.mjs";

const { cases, must, should, may } = suite("A10");
export default cases;

const LONG = cc("max-age=3600");
const TAG = { etag: '"a"' };
const MODIFIED = httpDate(-30 * 86_400);
const TEXT = "0123456789abcdefghij";

// HEAD.
const headed = (check) => async (t) => {
  t.origin({ headers: { ...LONG, ...TAG, "content-type": "text/odd", "x-odd": "1" } });
  const get = await t.ask();
  await check(t, await t.ask({}, { method: "HEAD" }), get);
};
may(
  "head-from-get",
  "9110 9.3.2",
  "HEAD is answered from a stored GET",
  headed((t) => t.requests(1)),
);
must(
  "head-no-body",
  "9110 9.3.2",
  "without a body",
  headed((t, head) => {
    t.status(head, 200);
    t.is(head.body.length, 0, "length of the body");
  }),
);
must(
  "head-fields",
  "9110 9.3.2",
  "with the fields of the GET",
  headed((t, head, get) => {
    for (const name of ["etag", "content-type", "x-odd", "cache-control"]) t.is(head.get(name), get.get(name), name);
    const length = head.get("content-length");
    t.ok(length === undefined || Number(length) === get.body.length, "the right Content-Length or none", length);
  }),
);
should("head-conditional", "9110 13.1.2", "HEAD with the same ETag gets a 304", async (t) => {
  t.origin({ headers: { ...LONG, ...TAG } });
  await t.ask();
  const answer = await t.ask({ "if-none-match": '"a"' }, { method: "HEAD" });
  t.status(answer, 304);
  t.requests(1);
});
must("head-range", "9110 14.2", "Range means nothing to HEAD", async (t) => {
  t.origin(ranging(TEXT, { ...LONG, ...TAG }));
  await t.ask();
  t.status(await t.ask({ range: "bytes=0-4" }, { method: "HEAD" }), 200);
});

// Ranges.

/** A 206 with bytes `first` to `last` of `text`. */
function isPart(t, answer, first, last, text = TEXT) {
  t.status(answer, 206);
  t.is(answer.get("content-range"), `bytes ${first}-${last}/${text.length}`, "Content-Range");
  t.is(answer.text, text.slice(first, last + 1), "body");
  t.ok(answer.complete, "a complete message", answer);
}
function isWhole(t, answer, text = TEXT) {
  t.status(answer, 200);
  t.is(answer.text, text, "body");
  t.is(answer.get("content-range"), undefined, "Content-Range");
}

/** A complete entry with `fields`, then a request with `headers`; `check` sees its answer. */
const ranged = (headers, check, { fields = TAG, requests } = {}) => {
  return async (t) => {
    t.origin(ranging(TEXT, { ...LONG, ...fields }));
    await t.ask();
    const answer = await t.ask(headers);
    check(t, answer);
    if (requests) t.requests(requests);
  };
};
const part = (first, last) => (t, answer) => isPart(t, answer, first, last);
const cached = { requests: 1 };
const range = (spec) => ({ range: `bytes=${spec}` });
const LAW = "9110 14.1.2";

may("range-single", LAW, "one range out of a complete entry", ranged(range("2-5"), part(2, 5), cached));
may("range-first-byte", LAW, "one byte", ranged(range("0-0"), part(0, 0), cached));
may("range-suffix", LAW, "the last bytes", ranged(range("-5"), part(15, 19), cached));
may("range-open", LAW, "from somewhere to the end", ranged(range("15-"), part(15, 19), cached));
may("range-whole", LAW, "all bytes", ranged(range("0-"), part(0, 19), cached));
must(
  "range-clipped",
  LAW,
  "a last position beyond the end is clipped",
  ranged(range("15-9999"), (t, answer) => {
    if (answer.status === 206) isPart(t, answer, 15, 19);
    else isWhole(t, answer);
  }),
);
must(
  "range-suffix-long",
  LAW,
  "a suffix longer than everything is everything",
  ranged(range("-9999"), (t, answer) => {
    if (answer.status === 206) isPart(t, answer, 0, 19);
    else isWhole(t, answer);
  }),
);
should("range-unit-case", "9110 14.1", "units have no case", ranged({ range: "Bytes=2-5" }, part(2, 5)));
must(
  "range-several",
  "9110 14.2",
  "several ranges: all of them, or the whole",
  ranged(range("0-1, 4-5"), (t, answer) => {
    if (answer.status === 200) return isWhole(t, answer);
    t.status(answer, 206);
    t.ok(/^multipart\/byteranges/.test(answer.get("content-type")), "multipart/byteranges", answer.get("content-type"));
    for (const piece of ["bytes 0-1/20", "01", "bytes 4-5/20", "45"])
      t.ok(answer.text.includes(piece), piece, answer.text);
  }),
);
should(
  "range-beyond",
  "9110 15.5.17",
  "a range beyond the end gets a 416",
  ranged(range("20-"), (t, answer) => {
    t.status(answer, 416);
    t.is(answer.get("content-range"), "bytes */20", "Content-Range");
  }),
);
should(
  "range-beyond-cached",
  "9111 3.3, CORRECTNESS",
  "out of the cache",
  ranged(range("99-100"), (t, answer) => t.status(answer, 416), cached),
);
should(
  "range-suffix-zero",
  LAW,
  "no byte at all is unsatisfiable",
  ranged(range("-0"), (t, answer) => t.status(answer, 416)),
);
const isWholeAnswer = (t, answer) => isWhole(t, answer);
must(
  "range-other-unit",
  "9110 14.2",
  "a unit that nobody knows is ignored",
  ranged({ range: "lines=1-2" }, isWholeAnswer),
);
for (const [id, spec] of Object.entries({ backwards: "5-2", words: "a-b", nothing: "-" })) {
  const refused = (t, answer) => t.ok([200, 400, 416].includes(answer.status), "no part", answer);
  must(`range-invalid-${id}`, "9110 14.2", `"${spec}" gets no part`, ranged(range(spec), refused));
}
must(
  "range-if-none-match",
  "9110 13.2.2",
  "a condition that gives a 304 comes before Range",
  ranged({ ...range("2-5"), "if-none-match": '"a"' }, (t, answer) => t.status(answer, 304)),
);
must(
  "range-if-none-match-other",
  "9110 13.2.2",
  "one that fails does not disturb it",
  ranged({ ...range("2-5"), "if-none-match": '"b"' }, (t, answer) =>
    answer.status === 206 ? isPart(t, answer, 2, 5) : isWhole(t, answer),
  ),
);
may("range-large", "9110 14", "a range in the middle of a large body", async (t) => {
  const text = Array.from({ length: 60_000 }, (_, i) => String(i).padStart(6, "0")).join("");
  t.origin(ranging(text, { ...LONG, ...TAG }));
  await t.ask();
  isPart(t, await t.ask(range("123450-234567")), 123_450, 234_567, text);
  t.requests(1);
});
may("range-miss-whole", "9111 3", "a 200 to a request with Range is a whole answer, and stored", async (t) => {
  t.origin({ headers: { ...LONG, ...TAG }, body: TEXT });
  await t.ask(range("2-5"));
  isWhole(t, await t.ask());
  t.requests(1);
});

// If-Range.
const ifRange = (value, spec = "2-5") => ({ ...range(spec), "if-range": value });
const DATED = { "last-modified": MODIFIED };
may("if-range-tag", "9110 13.1.5", "the same strong ETag: the range", ranged(ifRange('"a"'), part(2, 5), cached));
must("if-range-other-tag", "9110 13.1.5", "another ETag: the whole", ranged(ifRange('"b"'), isWholeAnswer));
must(
  "if-range-weak",
  "9110 13.1.5",
  "weak ETags never match",
  ranged(ifRange('W/"a"'), isWholeAnswer, { fields: { etag: 'W/"a"' } }),
);
must("if-range-weak-request", "9110 13.1.5", "on neither side", ranged(ifRange('W/"a"'), isWholeAnswer));
must(
  "if-range-weak-stored",
  "9110 13.1.5",
  "nor on the other",
  ranged(ifRange('"a"'), isWholeAnswer, { fields: { etag: 'W/"a"' } }),
);
may(
  "if-range-date",
  "9110 13.1.5",
  "the same date: the range",
  ranged(ifRange(MODIFIED), part(2, 5), { fields: DATED, requests: 1 }),
);
must(
  "if-range-later",
  "9110 13.1.5",
  "a later date: the whole",
  ranged(ifRange(httpDate(-86_400)), isWholeAnswer, { fields: DATED }),
);
must(
  "if-range-no-date",
  "9110 13.1.5",
  "a date without Last-Modified: the whole",
  ranged(ifRange(MODIFIED), isWholeAnswer),
);
must(
  "if-range-beyond",
  "9110 13.1.5",
  "the whole, also for a range beyond the end",
  ranged(ifRange('"b"', "99-"), isWholeAnswer),
);
must(
  "if-range-alone",
  "9110 13.1.5",
  "If-Range without Range means nothing",
  ranged({ "if-range": '"a"' }, isWholeAnswer),
);

// Partial entries.

/** An origin with ranges; then requests one after the other; `check` gets the answers. */
const sequence = (fields, requests, check) => async (t) => {
  t.origin(ranging(TEXT, { ...LONG, ...fields }));
  const got = [];
  for (const headers of requests) got.push(await t.ask(headers));
  check(t, ...got);
};
may(
  "part-same",
  "9111 3.3",
  "a stored part answers the same range",
  sequence(TAG, [range("0-9"), range("0-9")], (t, _, again) => {
    isPart(t, again, 0, 9);
    t.requests(1);
  }),
);
may(
  "part-inside",
  "9111 3.3",
  "and a range inside it",
  sequence(TAG, [range("0-9"), range("2-5")], (t, _, inside) => {
    isPart(t, inside, 2, 5);
    t.requests(1);
  }),
);
must(
  "part-inside-right",
  "9111 3.3",
  "with the right bytes",
  sequence(TAG, [range("5-9"), range("7-8")], (t, _, inside) => {
    isPart(t, inside, 7, 8);
  }),
);
must(
  "part-outside",
  "9111 3.3",
  "but no range outside it",
  sequence(TAG, [range("0-9"), range("5-14")], (t, _, outside) => {
    isPart(t, outside, 5, 14);
  }),
);
must(
  "part-suffix",
  "9111 3.3",
  "a suffix is counted from the end of the whole",
  sequence(TAG, [range("0-9"), range("-5")], (t, _, end) => {
    isPart(t, end, 15, 19);
  }),
);
must(
  "part-not-whole",
  "9111 3.3",
  "a part is no whole",
  sequence(TAG, [range("0-9"), {}], (t, _, whole) => isWhole(t, whole)),
);
must("part-not-head", "9111 3.3", "nor the answer to a HEAD", async (t) => {
  t.origin(ranging(TEXT, { ...LONG, ...TAG }));
  await t.ask(range("0-9"));
  const head = await t.ask({}, { method: "HEAD" });
  t.status(head, 200);
  t.is(head.get("content-range"), undefined, "Content-Range");
});
const halves = [range("0-9"), range("10-19"), {}];
may(
  "part-combined",
  "9111 3.4",
  "parts with the same strong ETag combine to a whole",
  sequence(TAG, halves, (t, _, __, whole) => {
    isWhole(t, whole);
    t.requests(2);
  }),
);
must(
  "part-combined-right",
  "9111 3.4",
  "with the right bytes",
  sequence(TAG, halves, (t, _, __, whole) => isWhole(t, whole)),
);
may(
  "part-overlap",
  "9111 3.4",
  "parts that overlap, too",
  sequence(TAG, [range("0-12"), range("8-"), range("5-15")], (t, _, __, middle) => {
    isPart(t, middle, 5, 15);
    t.requests(2);
  }),
);
must(
  "part-gap",
  "9111 3.4",
  "what lies between two parts is not there",
  sequence(TAG, [range("0-4"), range("15-19"), range("2-17")], (t, _, __, gap) => {
    isPart(t, gap, 2, 17);
  }),
);

/** The second half comes from another version; the third request must see one version. */
const mixed = (first, second) => async (t) => {
  const upper = TEXT.toUpperCase();
  t.origin(ranging(TEXT, { ...LONG, ...first }), ranging(upper, { ...LONG, ...second }));
  await t.ask(range("0-14"));
  await t.ask(range("10-19"));
  isWhole(t, await t.ask(), upper);
};
must("part-other-tag", "9111 3.4", "parts with different ETags never combine", mixed(TAG, { etag: '"b"' }));
must("part-weak-tag", "9111 3.4", "nor do parts with weak ones", mixed({ etag: 'W/"a"' }, { etag: 'W/"a"' }));
must("part-no-validator", "9111 3.4", "nor do parts without any", mixed({}, {}));
must("part-private", "9111 5.2.2.7", "private parts are not stored", async (t) => {
  t.origin(ranging(TEXT, { ...cc("max-age=3600, private"), ...TAG }));
  await t.ask(range("0-9"));
  t.forwarded(await t.ask(range("0-9")));
});
must("part-stale", "9111 4.2", "nor are stale parts reused", async (t) => {
  t.origin(ranging(TEXT, { ...cc("max-age=1"), ...TAG }));
  await t.askAndAge(range("0-9"));
  await t.ask(range("0-9"));
  t.requests(2);
});
must("part-vary", "9111 4.1", "parts are variants, too", async (t) => {
  t.origin(ranging(TEXT, { ...LONG, ...TAG, vary: "x-lang" }));
  await t.ask({ ...range("0-9"), "x-lang": "en" });
  await t.ask({ ...range("0-9"), "x-lang": "de" });
  t.requests(2);
});
