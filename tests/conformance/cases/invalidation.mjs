// A11: what an unsafe method does to what is stored.
import { cc, suite } from "../trial.mjs";

const { cases, must, should, may } = suite("A11");
export default cases;

const LONG = cc("max-age=3600");
const LAW = "9111 4.4";

/** The origin answers GET with a lifetime of an hour, and everything else with `reply`. */
const script = (reply) => (request) =>
  ["GET", "HEAD"].includes(request.method) ? { headers: LONG } : { headers: {}, ...reply };
const bodied = (method) => ({ method, body: ["DELETE", "OPTIONS"].includes(method) ? undefined : "x=1" });

/** GET, `method`, GET. */
const around = (method, reply, check) => async (t) => {
  t.origin(script(reply));
  await t.ask();
  const answer = await t.ask({}, bodied(method));
  t.is(t.seen.filter((request) => request.method === method).length, 1, `${method} at the origin`);
  t.status(answer, reply.status ?? 200);
  check(t, await t.ask());
};
const gone = (t, answer) => t.forwarded(answer, 3);
const kept = (t, answer) => t.reused(answer, 1);

for (const method of ["POST", "PUT", "DELETE", "PATCH", "MKCOL", "MERGE", "NOTIFY"]) {
  const known = ["MERGE", "NOTIFY"].includes(method) ? ", a method that few know," : "";
  must(`inv-${method.toLowerCase()}`, LAW, `${method}${known} invalidates the target`, around(method, {}, gone));
}
for (const status of [201, 204, 299, 301, 302, 303]) {
  must(`inv-status-${status}`, LAW, `so it does with a ${status}`, around("POST", { status }, gone));
}
for (const status of [400, 403, 404, 500, 503]) {
  should(`inv-not-${status}`, `${LAW}, CORRECTNESS`, `but not with a ${status}`, around("POST", { status }, kept));
}
may("inv-not-options", "9110 9.2.1", "OPTIONS is safe", around("OPTIONS", {}, kept));
should("inv-gone", `${LAW}, CORRECTNESS`, "a POST that finds no origin invalidates nothing", async (t) => {
  t.origin(({ method }) => (method === "GET" ? { headers: LONG } : { close: true }));
  await t.ask();
  t.ok((await t.ask({}, bodied("POST"))).status >= 500, "an error", "none");
  t.reused(await t.ask());
});
must("inv-variants", LAW, "all variants are invalidated", async (t) => {
  t.origin(({ method }) => ({ headers: method === "GET" ? { ...LONG, vary: "x-lang" } : {} }));
  for (const lang of ["en", "de"]) await t.ask({ "x-lang": lang });
  await t.ask({}, bodied("POST"));
  for (const [i, lang] of ["en", "de"].entries()) t.forwarded(await t.ask({ "x-lang": lang }), 4 + i);
});
must("inv-not-stale", LAW, "what was invalidated is not served stale while it is refreshed", async (t) => {
  t.origin(({ method }) => ({ headers: method === "GET" ? cc("max-age=3600, stale-while-revalidate=3600") : {} }));
  await t.ask();
  await t.ask({}, bodied("POST"));
  t.forwarded(await t.ask(), 3);
});
must("inv-stays", LAW, "nor is it fresh again later", async (t) => {
  t.origin(({ method }) => ({ headers: method === "GET" ? LONG : {} }));
  await t.ask();
  await t.ask();
  const { served } = await t.ask({}, bodied("DELETE"));
  for (let i = 0; i < 2; i++) {
    const answer = await t.ask();
    t.ok(answer.served > served, "no answer from before", answer);
  }
});
must("inv-written-through", "9111 4", "an unsafe request always reaches the origin", async (t) => {
  t.origin({ headers: { ...LONG, "content-location": t.path } });
  await t.ask();
  for (const n of [2, 3]) {
    t.forwarded(await t.ask({}, bodied("POST")), n);
    t.is(t.seen[n - 1].body, "x=1", "body at the origin");
  }
});
may("inv-query", LAW, "another query is another URI", async (t) => {
  t.origin(script({}));
  t.originAt(`${t.path}?a=1`, script({}));
  await t.ask();
  await t.ask({}, { path: `${t.path}?a=1`, ...bodied("POST") });
  t.reused(await t.ask());
});
may("inv-path", LAW, "a path above is another URI", async (t) => {
  t.origin(script({}));
  t.originAt(`${t.path}/sub`, script({}));
  await t.ask();
  await t.ask({}, { path: `${t.path}/sub`, ...bodied("DELETE") });
  t.reused(await t.ask());
});

// Location and Content-Location.

/**
 * GET of another path, a POST whose answer has `fields(other path, host)`, GET of the other path. What is not reused
 * even without the POST says nothing about `kept`.
 */
const elsewhere = (fields, check, { status = 201, method = "POST" } = {}) => {
  return async (t) => {
    const path = `${t.path}/other`;
    const host = new URL(t.base).host;
    t.originAt(path, { headers: LONG });
    t.origin({ status, headers: fields(path, host) });
    await t.ask({}, { path });
    if (check === kept && (await t.ask({}, { path })).served !== 1) return;
    await t.ask({}, bodied(method));
    check(t, await t.ask({}, { path }));
  };
};
const renewed = (t, answer) => t.forwarded(answer, 2);
for (const name of ["location", "content-location"]) {
  const law = `${LAW}, CORRECTNESS`;
  should(
    `inv-${name}-path`,
    law,
    `${name} as a path`,
    elsewhere((path) => ({ [name]: path }), renewed),
  );
  should(
    `inv-${name}-url`,
    law,
    `${name} as a URL of the same host`,
    elsewhere((path, host) => ({ [name]: `http://${host}${path}` }), renewed),
  );
  should(
    `inv-${name}-relative`,
    law,
    `${name} relative to the target`,
    elsewhere((path) => ({ [name]: `${path.split("/").at(-2)}/other` }), renewed),
  );
  must(
    `inv-${name}-port`,
    LAW,
    `not ${name} of another port`,
    elsewhere((path) => ({ [name]: `http://127.0.0.1:1${path}` }), kept),
  );
  must(
    `inv-${name}-host`,
    LAW,
    `not ${name} of another host`,
    elsewhere((path) => ({ [name]: `http://other.example${path}` }), kept),
  );
  should(
    `inv-${name}-error`,
    law,
    `not ${name} of an error`,
    elsewhere((path) => ({ [name]: path }), kept, { status: 404 }),
  );
}
should(
  "inv-location-303",
  `${LAW}, CORRECTNESS`,
  "Location of a redirect",
  elsewhere((path) => ({ location: path }), renewed, { status: 303 }),
);
should(
  "inv-location-put",
  `${LAW}, CORRECTNESS`,
  "Location of the answer to PUT",
  elsewhere((path) => ({ location: path }), renewed, { method: "PUT" }),
);
may("inv-location-safe", LAW, "Content-Location of a GET invalidates nothing", async (t) => {
  const path = `${t.path}/other`;
  t.originAt(path, { headers: LONG });
  t.origin({ headers: { ...LONG, "content-location": path } });
  await t.ask({}, { path });
  await t.ask();
  t.reused(await t.ask({}, { path }));
});
must("inv-other-host", LAW, "Location never reaches into another host", async (t) => {
  const path = `${t.path}/other`;
  const other = { host: "other.example" };
  t.originAt(path, { headers: LONG });
  t.origin({ status: 201, headers: { location: `http://other.example${path}` } });
  await t.ask(other, { path });
  if ((await t.ask(other, { path })).served !== 1) return;
  await t.ask({}, bodied("POST"));
  t.reused(await t.ask(other, { path }));
});

// The answer to a POST may be the new GET.
const posted = (fields, check) => async (t) => {
  t.origin((request) => ({ headers: request.method === "POST" ? fields(t) : LONG }));
  await t.ask({}, bodied("POST"));
  check(t, await t.ask());
};
may(
  "post-stored",
  "9110 9.3.3",
  "a POST answer with a lifetime and Content-Location of the target serves GET",
  posted(
    (t) => ({ ...LONG, "content-location": t.path }),
    (t, answer) => t.reused(answer),
  ),
);
must(
  "post-not-stored-elsewhere",
  "9110 9.3.3",
  "not with another Content-Location",
  posted(
    (t) => ({ ...LONG, "content-location": `${t.path}/other` }),
    (t, answer) => t.forwarded(answer),
  ),
);
must(
  "post-not-stored-no-lifetime",
  "9110 9.3.3",
  "nor without a lifetime",
  posted(
    (t) => ({ "content-location": t.path }),
    (t, answer) => t.forwarded(answer),
  ),
);
must(
  "post-not-stored-no-store",
  "9111 5.2.2.5",
  "nor with no-store",
  posted(
    (t) => ({ ...cc("max-age=3600, no-store"), "content-location": t.path }),
    (t, answer) => t.forwarded(answer),
  ),
);
