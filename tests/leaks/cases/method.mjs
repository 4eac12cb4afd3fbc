// B8: only the whole answer to a GET is an answer to a GET.
import { alice, asking, having, stranger } from "../users.mjs";
import { apart, apartOrRefused, cc, suite } from "../trial.mjs";

const { cases, must } = suite("B8");
const by = (method, rest) => asking(stranger, { method, ...rest });

// HEAD.
const HEAD = "RFC 9110 9.3.2; empty page poisoning";
for (const [name, script] of [
  ["silent", {}],
  ["max-age", cc("max-age=60")],
  ["no-length", { chunked: true }],
]) {
  must(`head-then-get-${name}`, HEAD, `after a HEAD, a GET gets a body (${name})`, async (t) => {
    t.origin(script);
    await t.fill(by("HEAD"));
    const answer = await t.ask(stranger);
    t.ok(answer.text.includes("mark"), `${answer.who} got an empty page, the answer to a HEAD (${answer})`);
  });
}
must("get-then-head", HEAD, "after a GET, a HEAD gets no body", async (t) => {
  t.origin(cc("max-age=60"));
  await t.fill(stranger);
  const answer = await t.ask(by("HEAD"));
  t.ok(!answer.body.length && answer.complete, `a HEAD got ${answer.body.length} bytes of body`);
});
must("head-other", HEAD, "what an origin says to a HEAD alone is not said to a GET", async (t) => {
  t.origin(({ method }) => (method === "HEAD" ? { headers: { "x-only": "head-secret" } } : {}));
  await t.fill(by("HEAD"));
  t.lacks(await t.ask(stranger), "head-secret", "what was said to a HEAD");
});

// Other methods.
const METHOD = "RFC 9111 2, 4";
for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "PROPFIND", "REPORT"]) {
  for (const [name, script] of [
    ["silent", {}],
    ["max-age", cc("max-age=60")],
  ]) {
    must(
      `${method.toLowerCase()}-then-get-${name}`,
      METHOD,
      `the answer to a ${method} is not the page (${name})`,
      apartOrRefused(script, by(method, { body: "name=alice" })),
    );
  }
  must(`get-then-${method.toLowerCase()}`, METHOD, `a ${method} is not answered with the page`, async (t) => {
    t.origin(cc("max-age=60"));
    const first = await t.fill(stranger);
    t.apart(await t.ask(by(method, { body: "name=alice" })), first, "the page");
  });
}
must(
  "post-then-post",
  METHOD,
  "two POSTs get an answer each",
  apart(cc("max-age=60"), by("POST", { body: "name=alice" }), by("POST", { body: "name=bob" })),
);
must(
  "query-then-query",
  "QUERY (draft): content is part of the key",
  "two QUERYs of other content too",
  apartOrRefused(cc("max-age=60"), by("QUERY", { body: "name=alice" }), by("QUERY", { body: "name=bob" })),
);
must(
  "post-alice",
  METHOD,
  "alice's form is not shown to others",
  apart({}, asking(alice, { method: "POST", body: "x" })),
);

// Parts.
const PART = "RFC 9110 14; RFC 9111 3.3";
const WHOLE = "0123456789".repeat(20);
const ranging =
  (extra = {}) =>
  ({ headers }) => {
    const range = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? "");
    const fields = { "accept-ranges": "bytes", etag: '"v1"', ...extra };
    if (!range) return { headers: fields, body: WHOLE };
    const [from, to] = [Number(range[1]), range[2] ? Number(range[2]) : WHOLE.length - 1];
    if (from >= WHOLE.length)
      return { status: 416, headers: { "content-range": `bytes */${WHOLE.length}` }, body: "none" };
    const part = WHOLE.slice(from, to + 1);
    return { status: 206, headers: { ...fields, "content-range": `bytes ${from}-${to}/${WHOLE.length}` }, body: part };
  };
const ranges = (range) => having({ range });
for (const [name, range, extra] of [
  ["silent", "bytes=5-9", {}],
  ["max-age", "bytes=5-9", { "cache-control": "max-age=60" }],
  ["to-end", "bytes=150-", { "cache-control": "max-age=60" }],
  ["unsatisfiable", "bytes=900-", { "cache-control": "max-age=60" }],
]) {
  must(`part-${name}`, PART, `after the part ${range}, a GET gets the whole`, async (t) => {
    t.origin(ranging(extra));
    await t.fill(ranges(range));
    const answer = await t.ask(stranger);
    t.ok(
      answer.status === 200 && answer.text === WHOLE,
      `${answer.who} got ${answer.body.length} of ${WHOLE.length} bytes (${answer})`,
    );
  });
}
must("part-other", PART, "nor does one part answer for another", async (t) => {
  t.origin(ranging({ "cache-control": "max-age=60" }));
  await t.fill(ranges("bytes=0-9"));
  const answer = await t.ask(ranges("bytes=15-18"));
  t.ok(
    answer.text === (answer.status === 206 ? "5678" : WHOLE),
    `${answer.who} got the wrong part: ${answer.text.slice(0, 20)} (${answer})`,
  );
});
must("part-unasked", PART, "a 206 to who asked for the whole is not kept for others", async (t) => {
  t.origin((_, n) =>
    n === 1
      ? { status: 206, headers: { "content-range": "bytes 0-3/200" }, body: "0123" }
      : { headers: {}, body: WHOLE },
  );
  const first = await t.fill(stranger);
  t.apart(await t.ask(stranger), first, "a part");
});

// Conditions.
const CONDITION = "RFC 9110 13; RFC 9111 4.3";
const validated =
  (extra = {}) =>
  ({ headers }) => {
    const fields = { etag: '"v1"', "last-modified": "Mon, 05 Oct 2026 10:00:00 GMT", ...extra };
    if (headers["if-match"] && headers["if-match"] !== '"v1"') return { status: 412, body: "no" };
    const same = headers["if-none-match"] === '"v1"' || headers["if-modified-since"] === fields["last-modified"];
    return same ? { status: 304, headers: fields } : { headers: fields, body: WHOLE };
  };
for (const [name, fields] of [
  ["etag", { "if-none-match": '"v1"' }],
  ["date", { "if-modified-since": "Mon, 05 Oct 2026 10:00:00 GMT" }],
  ["failed", { "if-match": '"v2"' }],
]) {
  for (const [how, extra] of [
    ["silent", {}],
    ["max-age", { "cache-control": "max-age=60" }],
  ]) {
    must(
      `condition-${name}-${how}`,
      CONDITION,
      `after ${Object.keys(fields)[0]}, others get the whole (${how})`,
      async (t) => {
        t.origin(validated(extra));
        await t.fill(having(fields));
        for (let i = 0; i < 2; i++) {
          const answer = await t.ask(stranger);
          t.ok(
            answer.status === 200 && answer.text === WHOLE,
            `${answer.who} got a ${answer.status} that he had not asked for (${answer})`,
          );
        }
      },
    );
  }
}
must("condition-alice", CONDITION, "alice's 304 is not for a stranger", async (t) => {
  t.origin(validated());
  await t.fill(asking(alice, { headers: { "if-none-match": '"v1"' } }));
  const answer = await t.ask(stranger);
  t.ok(answer.status === 200, `${answer.who} got a ${answer.status} that he had not asked for`);
});
must("condition-unasked", CONDITION, "a 304 to who did not ask is not kept for others", async (t) => {
  t.origin((_, n) => (n === 1 ? { status: 304, headers: { etag: '"v1"' } } : { body: WHOLE }));
  await t.ask(stranger);
  await t.rest();
  const answer = await t.ask(stranger);
  t.ok(answer.status !== 304, `${answer.who} got a 304 that he had not asked for`);
});

export default cases;
