// A2: where the lifetime comes from. A3: how old an answer is.
import { ago, ahead, asctime, httpDate, rfc850 } from "../origin.mjs";
import { cc, forwarded, reused, STALE, suite } from "../trial.mjs";

const a2 = suite("A2");
const a3 = suite("A3");
function lifetime({ must, should, may }) {
  const soon = ahead(3600);
  const past = ago(3600);

  may("life-shared", "9111 4.2.1", "s-maxage permits reuse", reused(cc("s-maxage=3600")));
  may("life-shared-over-max-age", "9111 4.2.1", "s-maxage beats max-age", reused(cc("max-age=0, s-maxage=3600")));
  must("life-shared-zero", "9111 4.2.1", "s-maxage=0 beats max-age", forwarded(cc("s-maxage=0, max-age=3600")));
  must("life-shared-zero-expires", "9111 4.2.1", "and Expires", forwarded({ ...cc("s-maxage=0"), expires: soon }));
  may(
    "life-max-age-over-expires",
    "9111 5.3",
    "max-age beats Expires",
    reused({ ...cc("max-age=3600"), expires: past }),
  );
  must(
    "life-zero-over-expires",
    "9111 5.3",
    "max-age=0 beats Expires",
    forwarded({ ...cc("max-age=0"), expires: soon }),
  );
  must(
    "life-ends",
    "9111 4.2",
    "after its lifetime an answer is not reused",
    forwarded(cc("max-age=1"), { wait: STALE }),
  );
  may("life-lasts", "9111 4.2", "until then it is", reused(cc("max-age=4"), { wait: 1000 }));
  must(
    "life-shared-ends",
    "9111 4.2.1",
    "a short s-maxage ends before a long max-age",
    forwarded(cc("max-age=3600, s-maxage=1"), { wait: STALE }),
  );

  may("life-expires", "9111 5.3", "Expires permits reuse", reused({ expires: soon }));
  may(
    "life-expires-with-public",
    "9111 5.3",
    "beside directives without a time, too",
    reused({ expires: soon, ...cc("public") }),
  );
  must("life-expires-past", "9111 5.3", "an Expires in the past is stale", forwarded({ expires: past }));
  must("life-expires-now", "9111 4.2.1", "Expires equal to Date is stale", forwarded({ expires: ahead(0) }));
  must("life-expires-ends", "9111 5.3", "Expires ends the reuse", forwarded({ expires: ahead(1) }, { wait: STALE }));
  must(
    "life-expires-by-origin-clock",
    "9111 4.2.1",
    "Expires counts from Date: an origin whose clock is ahead expires in its own time",
    forwarded({ date: ahead(7200), expires: ahead(3600) }),
  );
  must(
    "life-expires-slow-clock",
    "9111 4.2.1",
    "an Expires before the Date is stale even where both are past",
    forwarded({ date: ago(600), expires: ago(1200) }),
  );

  // The three forms of a date; years with two digits more than 50 years ahead are past.
  const date = httpDate(86_400);
  may("life-expires-rfc850", "9110 5.6.7", "Expires as RFC 850 date", reused({ expires: rfc850(date) }));
  may("life-expires-asctime", "9110 5.6.7", "Expires as asctime date", reused({ expires: asctime(date) }));
  const distant = httpDate(60 * 365.25 * 86_400);
  must(
    "life-expires-two-digit-past",
    "9110 5.6.7",
    "a two-digit year that seems more than 50 years ahead is in the past",
    forwarded({ expires: rfc850(distant) }),
  );

  for (const [id, value] of Object.entries({ zero: "0", minus: "-1", words: "tomorrow", number: "3600", empty: "" })) {
    must(`life-expires-invalid-${id}`, "9111 5.3", `"Expires: ${value}" is in the past`, forwarded({ expires: value }));
  }
  // CORRECTNESS A2: nothing lenient.
  const [weekday, day, month, year, time] = date.replace(",", "").split(" ");
  const lenient = {
    iso: new Date(date).toISOString(),
    utc: date.replace("GMT", "UTC"),
    offset: date.replace("GMT", "+0000"),
    "no-zone": date.replace(" GMT", ""),
    "no-weekday": `${day} ${month} ${year} ${time} GMT`,
    "no-comma": date.replace(",", ""),
    "lower-case": date.toLowerCase(),
    "two-digit-year": `${weekday}, ${day} ${month} ${year.slice(2)} ${time} GMT`,
    "day-32": date.replace(`, ${day}`, ", 32"),
    "hour-25": date.replace(/\d\d:/, "25:"),
    trailing: `${date} or so`,
  };
  for (const [id, value] of Object.entries(lenient)) {
    const law = "9111 5.3, CORRECTNESS";
    should(`life-expires-lenient-${id}`, law, `"${id}" is no HTTP-date`, forwarded({ expires: value }));
  }
  should(
    "life-expires-twice",
    "9111 4.2.1",
    "of two Expires the later one does not win",
    forwarded({ expires: [httpDate(-3600), httpDate(3600)] }),
  );

  const receipt = "a bad Date means the time of receipt";
  should("life-date-bad", "9110 6.6.1, CORRECTNESS", receipt, reused({ date: "yesterday", ...cc("max-age=3600") }));
  should("life-date-bad-expires", "9110 6.6.1, CORRECTNESS", receipt, reused({ date: "yesterday", expires: soon }));
  should("life-date-missing-expires", "9110 6.6.1", "so does a missing one", reused({ date: null, expires: soon }));

  // Heuristics.
  const old = { "last-modified": httpDate(-30 * 86_400) };
  for (const status of [200, 203, 300, 301, 308, 404, 405, 410, 414, 501]) {
    may(
      `life-heuristic-${status}`,
      "9110 15.1",
      `${status} may be kept by heuristic`,
      reused(old, { reply: { status } }),
    );
  }
  for (const status of [201, 202, 299, 302, 303, 307, 400, 403, 422, 500, 502, 503, 504, 599]) {
    must(`life-heuristic-not-${status}`, "9111 4.2.2", `${status} may not`, forwarded(old, { reply: { status } }));
  }
  may(
    "life-heuristic-public",
    "9111 4.2.2",
    "public opens the heuristic to other statuses",
    reused({ ...old, ...cc("public") }, { reply: { status: 403 } }),
  );
  must(
    "life-heuristic-not-explicit",
    "9111 4.2.2",
    "max-age=0 is no case for it",
    forwarded({ ...old, ...cc("max-age=0") }),
  );
  must("life-heuristic-not-expires", "9111 4.2.2", "nor is a bad Expires", forwarded({ ...old, expires: "0" }));
  const tenth = { "last-modified": ago(10_000) };
  should(
    "life-heuristic-tenth",
    "9111 4.2.2, CORRECTNESS",
    "a tenth of its age is fresh",
    reused({ ...tenth, age: "500" }),
  );
  should("life-heuristic-more", "9111 4.2.2, CORRECTNESS", "more is not", forwarded({ ...tenth, age: "2000" }));
  should(
    "life-heuristic-future",
    "CORRECTNESS",
    "a Last-Modified ahead gives nothing",
    forwarded({ "last-modified": soon }),
  );
  should("life-heuristic-bad-date", "CORRECTNESS", "nor does a bad one", forwarded({ "last-modified": "long ago" }));
  should("life-none", "CORRECTNESS", "no lifetime, no Last-Modified: not reused", forwarded({}));
  should("life-public-alone", "CORRECTNESS", "public alone gives no lifetime", forwarded(cc("public")));
}

function age({ must, should, may }) {
  const long = cc("max-age=3600");

  /** The Age of the second answer, which is out of the cache; without `reuse` it need not be. */
  const aged = (headers, low, high, { wait = 0, reply = {}, reuse = true } = {}) => {
    return async (t) => {
      t.origin({ ...reply, headers: { ...long, ...headers } });
      await t.ask();
      if (wait) await t.sleep(wait);
      const answer = await t.ask();
      if (reuse) t.reused(answer);
      if (answer.served !== 1) return;
      t.is(answer.all("age").length, 1, "Age lines");
      t.between(answer.number("age"), low, high, "Age");
    };
  };
  const any = { reuse: false };
  must("age-there", "9111 5.1", "every reuse carries one Age, a number", aged({}, 0, 2, any));
  must("age-grows", "9111 4.2.3", "it grows with the time in the cache", aged({}, 2, 4, { wait: STALE, ...any }));
  must("age-adds", "9111 4.2.3", "the Age at arrival counts", aged({ age: "100" }, 100, 103, any));
  must("age-adds-and-grows", "9111 4.2.3", "both add up", aged({ age: "100" }, 102, 104, { wait: STALE, ...any }));
  should("age-from-date", "9111 4.2.3, CORRECTNESS", "an old Date is an age", aged({ date: ago(100) }, 100, 103));
  should(
    "age-max",
    "9111 4.2.3, CORRECTNESS",
    "the larger counts, not the sum",
    aged({ date: ago(100), age: "200" }, 200, 203),
  );
  should(
    "age-max-date",
    "9111 4.2.3, CORRECTNESS",
    "so it does from Date",
    aged({ date: ago(200), age: "100" }, 200, 203),
  );
  should("age-future-date", "9111 4.2.3", "a Date ahead is no negative age", aged({ date: ahead(100) }, 0, 3));
  must(
    "age-delay",
    "9111 4.2.3",
    "the delay of the response counts",
    aged({}, 2, 5, { reply: { delay: 2300 }, ...any }),
  );
  should("age-list", "9111 5.1", "of a list the first counts", aged({ age: "100, 5" }, 100, 103));
  should("age-lines", "9111 5.1", "of several lines, too", aged({ age: ["100", "5"] }, 100, 103));
  for (const [id, value] of Object.entries({ negative: "-5", words: "old", fraction: "7200.5", junk: "7200x" })) {
    should(`age-ignored-${id}`, "9111 5.1", `"Age: ${value}" is ignored`, aged({ age: value }, 0, 3));
  }

  must("age-too-old", "9111 4.2", "what arrives too old is not reused", forwarded({ ...long, age: "7200" }));
  must("age-just-too-old", "9111 4.2", "nor what arrives as old as it may get", forwarded({ ...long, age: "3600" }));
  must(
    "age-too-old-shared",
    "9111 4.2",
    "s-maxage is measured alike",
    forwarded({ ...cc("s-maxage=3600"), age: "7200" }),
  );
  must("age-too-old-expires", "9111 4.2", "and Expires", forwarded({ expires: ahead(3600), age: "7200" }));
  must("age-huge", "9111 1.2.2", "a huge Age is old, not zero", forwarded({ ...long, age: "99999999999999999999" }));
  must(
    "age-runs-out",
    "9111 4.2",
    "3599 of 3600 s are soon over",
    forwarded({ ...long, age: "3599" }, { wait: STALE }),
  );
  may("age-not-yet", "9111 4.2", "3590 of 3600 s are not", reused({ ...long, age: "3590" }, { wait: 1000 }));
  should(
    "age-date-too-old",
    "9111 4.2.3, CORRECTNESS",
    "a Date too old is stale",
    forwarded({ ...long, date: ago(7200) }),
  );
  should("age-list-too-old", "9111 5.1", "first of a list, too old", forwarded({ ...long, age: "7200, 0" }));
  must(
    "age-delay-too-long",
    "9111 4.2.3",
    "an answer that took longer than its lifetime arrives stale",
    forwarded(cc("max-age=1"), { reply: { delay: 2300 } }),
  );
  must("age-on-head", "9111 5.1", "a HEAD answered out of the cache carries Age", async (t) => {
    t.origin({ headers: { ...long, age: "100" } });
    await t.ask();
    const answer = await t.ask({}, { method: "HEAD" });
    if (t.seen.length === 1) t.between(answer.number("age"), 100, 103, "Age");
  });
}

lifetime(a2);
age(a3);
export default [...a2.cases, ...a3.cases];
