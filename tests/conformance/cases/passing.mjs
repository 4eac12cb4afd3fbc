// A12: what passes through. A13: Cache-Status.
import { ago, validating } from "../origin.mjs";
import { parseList } from "../structured.mjs";
import { Broken, cc, forwarded, STALE, suite } from "../trial.mjs";

const LONG = cc("max-age=3600");
const TAG = { etag: '"a"' };

function passing({ must, should }) {
  /** `name: value` of the origin, on its way through and out of the cache. */
  const same =
    (name, value, more = LONG) =>
    async (t) => {
      t.origin({ headers: { ...more, [name]: value } });
      const expected = typeof value === "function" ? undefined : [value].flat().join(", ");
      const first = await t.ask();
      const second = await t.ask();
      t.is(first.get(name), expected ?? first.get(name), `${name} at first`);
      t.is(second.get(name), expected ?? first.get(name), `${name} again`);
    };
  const control = 'max-age=3600, s-maxage=60, Ext="a, b", public, stale-if-error=5';
  must("pass-cache-control", "9111 5.2", "Cache-Control passes as the origin said", same("cache-control", control));
  must("pass-no-store", "9111 5.2", "also when nothing is stored", same("cache-control", "no-store, ext=1"));
  should("pass-silence", "CORRECTNESS", "where the origin says nothing, nothing is said", async (t) => {
    t.origin({});
    t.is((await t.ask()).get("cache-control"), undefined, "Cache-Control");
  });
  const past = "Tue, 03 Jan 2017 05:06:07 GMT";
  must("pass-expires", "9111 5.3", "Expires passes", same("expires", past));
  must("pass-expires-invalid", "9111 5.3", "also an invalid one", same("expires", "0"));
  should("pass-pragma", "9111 5.4", "Pragma of an answer passes", same("pragma", "x"));
  should("pass-date", "9110 6.6.1, CORRECTNESS", "Date is never rewritten", async (t) => {
    t.origin({ headers: { ...LONG, date: ago(100) } });
    const before = Date.now() - 100_000;
    const first = await t.ask();
    t.between(Date.parse(first.get("date")), before - 2000, before + 2000, "Date at first");
    await t.sleep(STALE);
    t.is((await t.ask()).get("date"), first.get("date"), "Date again");
  });
  must("pass-date-missing", "9110 6.6.1", "a missing Date is added, and stays", async (t) => {
    t.origin({ headers: { ...LONG, date: null } });
    const first = Date.parse((await t.ask()).get("date"));
    t.between(first, Date.now() - 5000, Date.now() + 2000, "Date at first");
    await t.sleep(STALE);
    const again = await t.ask();
    if (again.served === 1) t.between(Date.parse(again.get("date")), first - 1000, first + 1000, "Date again");
  });
  must("pass-etag", "9110 7.7", "an ETag passes as it is", same("etag", 'W/"a, b"'));
  must("pass-unknown", "9110 5.1", "unknown fields pass", same("x-odd", 'a;b="c, d" ;  e'));
  must("pass-content-type", "9110 7.7", "Content-Type passes", same("content-type", "Text/Odd;charset=X"));
  must("pass-status", "9110 15", "statuses that nobody knows pass", async (t) => {
    t.origin({ status: 499, headers: cc("no-store") });
    t.status(await t.ask(), 499);
  });
  must("pass-redirect", "9110 15.4", "redirects are the client's", async (t) => {
    t.origin({ status: 302, headers: { location: `${t.path}/there` } });
    const answer = await t.ask();
    t.status(answer, 302);
    t.is(answer.get("location"), `${t.path}/there`, "Location");
  });

  // Towards the origin.
  const INVENTED = [
    "if-none-match",
    "if-modified-since",
    "if-match",
    "if-unmodified-since",
    "if-range",
    "range",
    "cache-control",
    "pragma",
  ];
  must("onward-plain", "9111 4.3.1", "a miss goes on without conditions of the cache's own", async (t) => {
    t.origin({ headers: LONG });
    await t.ask();
    for (const name of INVENTED) t.is(t.seen[0].headers[name], undefined, `${name} at the origin`);
  });
  must("onward-plain-stale", "9111 4.3.1", "so does one with a stale entry without validators", async (t) => {
    t.origin({ headers: cc("max-age=1") });
    await t.askAndAge();
    await t.ask();
    for (const name of ["if-none-match", "if-match", "if-range", "range"]) {
      t.is(t.seen[1]?.headers[name], undefined, `${name} at the origin`);
    }
  });
  must("onward-fields", "9110 7.6", "the fields of the request go on", async (t) => {
    t.origin({ headers: LONG });
    const sent = {
      "x-odd": "1, 2",
      accept: "text/odd",
      cookie: "a=1; b=2",
      "accept-language": "de",
      authorization: "Basic YTpi",
    };
    await t.ask(sent);
    for (const [name, value] of Object.entries(sent)) t.is(t.seen[0].headers[name], value, `${name} at the origin`);
  });
  must("onward-directives", "9111 5.2", "directives of the request go on", async (t) => {
    t.origin({ headers: LONG });
    await t.ask(cc("max-age=0, ext=1"));
    t.is(t.seen[0].headers["cache-control"], "max-age=0, ext=1", "Cache-Control at the origin");
  });
  must("onward-path", "9110 4.2.3", "path and query go on byte for byte", async (t) => {
    const path = `${t.path}/%2Fa//b%20c;d=1?x=%26&y=+&x=1&&`;
    t.originAt(path, { headers: LONG });
    await t.ask({}, { path });
    t.is(t.seenAt(path).length, 1, "requests at the origin");
  });
  must("onward-body", "9110 9.3.3", "bodies go on", async (t) => {
    t.origin({ headers: {} });
    await t.ask({ "content-type": "text/odd" }, { method: "POST", body: "a body" });
    t.is(t.seen[0].body, "a body", "body at the origin");
    t.is(t.seen[0].headers["content-type"], "text/odd", "Content-Type at the origin");
  });
  should("onward-hop", "9110 7.6.1", "fields that concern one connection do not", async (t) => {
    t.origin({ headers: LONG });
    await t.ask({ "proxy-connection": "keep-alive", "keep-alive": "timeout=4711" });
    t.is(t.seen[0].headers["proxy-connection"], undefined, "Proxy-Connection at the origin");
    t.ok(
      !t.seen[0].headers["keep-alive"]?.includes("4711"),
      "no Keep-Alive of the client's",
      t.seen[0].headers["keep-alive"],
    );
  });
  should("onward-head", "9110 9.3.2", "a HEAD goes on as HEAD or GET, and its answer has no body", async (t) => {
    t.origin({ headers: LONG });
    const answer = await t.ask({}, { method: "HEAD" });
    t.status(answer, 200);
    t.is(answer.body.length, 0, "length of the body");
    t.ok(["HEAD", "GET"].includes(t.seen[0].method), "HEAD or GET", t.seen[0].method);
  });
}

function status({ must, should, may }) {
  /** The members of an answer's Cache-Status. */
  const members = (answer) => {
    const field = answer.get("cache-status");
    if (field === undefined) throw new Broken("Cache-Status", "none");
    try {
      return parseList(field);
    } catch (error) {
      throw new Broken("Cache-Status as a structured list", `${field} (${error.message})`);
    }
  };
  /** What the cache under test says: it is nearest to the client, and so last. */
  const own = (answer) => members(answer).at(-1).params;

  /** Two requests for `headers`; `check` gets what is said about each, and both answers. */
  const says = (headers, check, { second = {}, wait = 0, reply = {}, method } = {}) => {
    return async (t) => {
      t.origin({ ...reply, headers });
      const first = await t.ask();
      if (wait) await t.sleep(wait);
      const answer = await t.ask(second, { method });
      check(t, own(first), own(answer), first, answer);
    };
  };

  should(
    "status-hit",
    "9211 2.1",
    "a hit says hit",
    says(LONG, (t, _, hit) => t.is(hit.hit, true, "hit")),
  );
  should(
    "status-miss",
    "9211 2.2",
    "a miss says fwd=uri-miss",
    says(LONG, (t, miss) => {
      t.ok(["uri-miss", "miss"].includes(miss.fwd?.token), "fwd=uri-miss or fwd=miss", miss.fwd?.token);
    }),
  );
  should(
    "status-either",
    "9211 2",
    "hit and fwd exclude each other",
    says(LONG, (t, ...both) => {
      for (const params of both.slice(0, 2))
        t.ok((params.hit === true) !== (params.fwd !== undefined), "one of hit and fwd", JSON.stringify(params));
    }),
  );
  const TYPES = {
    hit: (value) => typeof value === "boolean",
    fwd: (value) => /^(bypass|method|uri-miss|vary-miss|miss|request|stale|partial)$/.test(value.token),
    "fwd-status": Number.isInteger,
    ttl: Number.isInteger,
    stored: (value) => typeof value === "boolean",
    collapsed: (value) => typeof value === "boolean",
    key: (value) => typeof value === "string",
    detail: (value) => typeof value === "string" || value.token !== undefined,
  };
  must("status-types", "9211 2", "parameters have their types, forwards their registered names", async (t) => {
    t.origin({ headers: { ...cc("max-age=1, stale-while-revalidate=60"), ...TAG } });
    const answers = [
      await t.askAndAge(),
      await t.ask(),
      await t.ask(cc("no-cache")),
      await t.ask({}, { method: "POST" }),
    ];
    for (const answer of answers) {
      for (const [key, value] of Object.entries(own(answer))) {
        t.ok(TYPES[key]?.(value) ?? true, `a ${key} of its type`, JSON.stringify(value));
      }
    }
  });
  must(
    "status-name",
    "9211 2",
    "members are named by a token or a string, always the same",
    says(LONG, (t, _, __, first, second) => {
      const names = [first, second].map((answer) => JSON.stringify(members(answer).at(-1).value));
      t.ok(/^("|\{"token")/.test(names[0]), "a token or a string", names[0]);
      t.is(names[1], names[0], "name");
    }),
  );
  should(
    "status-stored",
    "9211 2.5",
    "what is stored says so",
    says(LONG, (t, miss) => t.is(miss.stored, true, "stored")),
  );
  must(
    "status-not-stored",
    "9211 2.5",
    "what is not stored does not",
    says(cc("no-store"), (t, miss) => {
      t.ok(miss.stored !== true, "no stored", "stored");
    }),
  );
  should(
    "status-ttl",
    "9211 2.4",
    "a hit says for how long it is fresh",
    says({ ...LONG, age: "100" }, (t, _, hit) => {
      t.between(hit.ttl, 3496, 3500, "ttl");
    }),
  );
  should(
    "status-ttl-miss",
    "9211 2.4",
    "so does what has been stored",
    says({ ...LONG, age: "100" }, (t, miss) => {
      t.between(miss.ttl, 3496, 3500, "ttl");
    }),
  );
  should(
    "status-ttl-stale",
    "9211 2.4",
    "the ttl of a stale answer is negative",
    says(cc("max-age=1, stale-while-revalidate=60"), (t, _, stale) => t.between(stale.ttl, -4, -1, "ttl"), {
      wait: STALE,
    }),
  );
  should(
    "status-stale",
    "9211 2.2",
    "a stale entry is why the request went on",
    says(cc("max-age=1"), (t, _, forward) => t.is(forward.fwd?.token, "stale", "fwd"), { wait: STALE }),
  );
  should(
    "status-vary",
    "9211 2.2",
    "another variant, too",
    says({ ...LONG, vary: "x-lang" }, (t, _, forward) => t.is(forward.fwd?.token, "vary-miss", "fwd"), {
      second: { "x-lang": "de" },
    }),
  );
  should(
    "status-method",
    "9211 2.2",
    "or the method",
    says(LONG, (t, _, forward) => t.is(forward.fwd?.token, "method", "fwd"), { method: "POST" }),
  );
  should(
    "status-request",
    "9211 2.2",
    "or a directive of the request",
    says(LONG, (t, _, forward) => t.is(forward.fwd?.token, "request", "fwd"), { second: cc("no-cache") }),
  );
  should("status-partial", "9211 2.2", "or that only another part is stored", async (t) => {
    const part = (range, body) => ({
      status: 206,
      headers: { ...LONG, ...TAG, "content-range": `bytes ${range}/10` },
      body,
    });
    t.origin(part("0-4", "01234"), part("5-9", "56789"));
    await t.ask({ range: "bytes=0-4" });
    t.is(own(await t.ask({ range: "bytes=5-9" })).fwd?.token, "partial", "fwd");
  });
  should("status-validated", "9211 2.3", "a validated entry says fwd=stale; fwd-status=304", async (t) => {
    t.origin(validating({ headers: { ...cc("max-age=1"), ...TAG } }));
    await t.askAndAge();
    const said = own(await t.ask());
    t.is(said.fwd?.token, "stale", "fwd");
    t.is(said["fwd-status"], 304, "fwd-status");
  });
  should("status-forwarded", "9211 2.3", "where it is said, fwd-status is the origin's", async (t) => {
    t.origin({ status: 404, headers: cc("no-store") });
    const said = own(await t.ask());
    t.ok([404, undefined].includes(said["fwd-status"]), "fwd-status=404 or none", said["fwd-status"]);
  });
  should("status-error", "9211 2.3", "stale instead of an error: fwd-status is that of the error", async (t) => {
    t.origin({ headers: cc("max-age=1, stale-if-error=60") }, { status: 503 });
    await t.askAndAge();
    const answer = await t.ask();
    t.reused(answer);
    t.is(own(answer)["fwd-status"], 503, "fwd-status");
  });
  may("status-collapsed", "9211 2.6", "where requests were collapsed, that is said", async (t) => {
    t.origin({ headers: LONG, delay: 600 });
    const answers = await Promise.all(Array.from({ length: 4 }, () => t.send()));
    const waiting = answers.map(own).filter((said) => said.fwd !== undefined && said.collapsed === true).length;
    t.is(waiting, answers.length - t.seen.length, "answers with collapsed");
  });

  // Caches further up.
  const up = ['Up; hit; ttl=30; detail="a, b"', '"Up 2"; fwd=miss; stored'];
  for (const [id, field] of Object.entries({ one: up[0], list: up.join(", "), lines: up })) {
    must(`status-upstream-${id}`, "9211 2", `members of upstream caches stay in front (${id})`, async (t) => {
      t.origin({ headers: { ...LONG, "cache-status": field } });
      const first = await t.ask();
      const before = parseList([field].flat().join(", "));
      const list = members(first);
      t.is(JSON.stringify(list.slice(0, -1)), JSON.stringify(before), "members in front");
      t.ok(list.at(-1).params.fwd !== undefined, "fwd at the end", first);
    });
  }
  should("status-upstream-hit", "9211 2, CORRECTNESS", "also on a hit", async (t) => {
    t.origin({ headers: { ...LONG, "cache-status": up[0] } });
    await t.ask();
    const list = members(await t.ask());
    t.is(list[0].value.token, "Up", "first member");
    t.is(list.at(-1).params.hit, true, "hit at the end");
    t.is(list.length, 2, "members");
  });
  must(
    "status-not-believed",
    "9211 2",
    "what upstream caches say does not matter for storing",
    forwarded({ ...cc("no-store"), "cache-status": up[0] }),
  );
}

const a12 = suite("A12");
const a13 = suite("A13");
passing(a12);
status(a13);
export default [...a12.cases, ...a13.cases];
