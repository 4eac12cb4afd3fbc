// A4: what may be stored, and that it comes back as it was. A5: targeted Cache-Control fields.
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { ago, ahead } from "../origin.mjs";
import { cc, forwarded, reused, suite } from "../trial.mjs";

const LONG = cc("max-age=3600");

function storing({ must, should, may }) {
  const statuses = [
    200, 201, 203, 204, 299, 300, 301, 302, 303, 307, 308, 400, 403, 404, 410, 451, 499, 500, 502, 503, 599,
  ];
  for (const status of statuses) {
    may(`store-${status}`, "9111 3", `${status} with a lifetime is stored`, async (t) => {
      // Said here because a 204 has no number otherwise.
      t.origin((_, n) => ({ status, headers: { ...LONG, "x-served": String(n) } }));
      t.status(await t.ask(), status);
      const second = await t.ask();
      t.status(second, status);
      t.reused(second);
    });
  }
  for (const status of [200, 302, 404]) {
    const reply = { status };
    must(
      `store-no-store-${status}`,
      "9111 5.2.2.5",
      `no-store on ${status}`,
      forwarded(cc("no-store, max-age=3600"), { reply }),
    );
    must(
      `store-private-${status}`,
      "9111 5.2.2.7",
      `private on ${status}`,
      forwarded(cc("max-age=3600, private"), { reply }),
    );
  }
  must("store-request-no-store", "9111 5.2.1.5", "no-store on the request: nothing is stored", async (t) => {
    t.origin({ headers: LONG });
    await t.ask(cc("no-store"));
    t.forwarded(await t.ask());
  });

  // must-understand.
  const status = 299;
  should(
    "store-understood",
    "9111 5.2.2.3",
    "must-understand with a known status overrides no-store",
    reused(cc("must-understand, no-store, max-age=3600")),
  );
  must(
    "store-not-understood",
    "9111 5.2.2.3",
    "must-understand with an unknown status forbids storing",
    forwarded(cc("must-understand, max-age=3600"), { reply: { status } }),
  );
  must(
    "store-not-understood-no-store",
    "9111 5.2.2.3",
    "and no-store stays in force",
    forwarded(cc("must-understand, no-store, max-age=3600"), { reply: { status } }),
  );
  must(
    "store-understood-private",
    "9111 5.2.2.3",
    "must-understand overrides nothing but no-store",
    forwarded(cc("must-understand, no-store, private, max-age=3600")),
  );

  // Authorization.
  const first = { authorization: "Basic YTpi" };
  must(
    "store-authorized",
    "9111 3.5",
    "an authorized answer is not for others",
    forwarded(LONG, { first, second: {} }),
  );
  must("store-authorized-same", "9111 3.5", "nor for the same user again", forwarded(LONG, { first }));
  const expires = { expires: ahead(3600) };
  must("store-authorized-expires", "9111 3.5", "Expires does not permit it", forwarded(expires, { first, second: {} }));
  for (const directive of ["public, max-age=3600", "must-revalidate, max-age=3600", "s-maxage=3600"]) {
    const id = directive.split(/[,=]/)[0];
    may(`store-authorized-${id}`, "9111 3.5", `${id} permits it`, reused(cc(directive), { first, second: {} }));
  }

  // Vary: *.
  must("store-vary-star", "9111 4.1", "Vary: * is never reused", forwarded({ ...LONG, vary: "*" }));
  must("store-vary-star-in-list", "9111 4.1", "nor anywhere in a list", forwarded({ ...LONG, vary: "accept, *" }));
  must(
    "store-vary-star-second-line",
    "9111 4.1",
    "nor in a second line",
    forwarded({ ...LONG, vary: ["accept", "*"] }),
  );
  must(
    "store-vary-star-public",
    "9111 4.1",
    "public changes nothing",
    forwarded({ ...cc("public, s-maxage=60"), vary: "*" }),
  );

  may(
    "store-set-cookie",
    "9111 7.3, CORRECTNESS B1",
    "Set-Cookie does not forbid storing, and is replayed",
    async (t) => {
      t.origin({ headers: { ...LONG, "set-cookie": ["a=1; Path=/", "b=2, with comma"] } });
      await t.ask();
      const second = await t.ask();
      t.reused(second);
      t.is(second.all("set-cookie").join(" | "), "a=1; Path=/ | b=2, with comma", "Set-Cookie lines");
    },
  );

  // Methods and keys.
  for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
    must(`store-not-${method.toLowerCase()}`, "9111 2", `the answer to ${method} is not for GET`, async (t) => {
      t.origin({ headers: LONG });
      await t.ask({}, { method, body: method === "DELETE" ? undefined : "x" });
      t.forwarded(await t.ask());
    });
  }
  must("store-head-no-body", "9111 3", "the answer to HEAD is no body for GET", async (t) => {
    t.origin({ headers: LONG, body: "whole" });
    await t.ask({}, { method: "HEAD" });
    const answer = await t.ask();
    t.status(answer, 200);
    t.is(answer.text, "whole", "body");
  });
  const others = { query: "?a=1", "query-value": "?a=2", case: "/Sub", slash: "/sub/" };
  must("store-key-path", "9111 2", "path and query make the key, byte for byte", async (t) => {
    const paths = [t.path, ...Object.values(others).map((rest) => t.path + rest), `${t.path}/sub`, `${t.path}%2Fsub`];
    for (const path of paths) t.originAt(path, { headers: LONG, body: path });
    for (const path of paths) await t.ask({}, { path });
    for (const path of paths) t.is((await t.send({}, { path })).text, path, `body of ${path}`);
  });
  must("store-key-host", "9111 2", "the host is part of the key", async (t) => {
    t.origin({ headers: LONG });
    await t.ask({ host: "one.example" });
    t.forwarded(await t.ask({ host: "two.example" }));
  });

  // Fields.
  const gone = (name, value) => async (t) => {
    t.origin({ headers: { ...LONG, [name]: value } });
    await t.ask();
    const second = await t.ask();
    if (second.served === 1) t.is(second.get(name), undefined, `${name} in the reused answer`);
  };
  // workerd keeps Connection to itself, so a Worker cannot know which fields it named.
  must(
    "store-connection-named",
    "9111 3.1",
    "fields named by Connection are not stored",
    async (t) => {
      t.origin({ headers: { ...LONG, connection: "x-hop, X-Hop-Too", "x-hop": "1", "x-hop-too": "1", "x-end": "1" } });
      await t.ask();
      const second = await t.ask();
      if (second.served !== 1) return;
      t.is(second.get("x-hop") ?? second.get("x-hop-too"), undefined, "fields named by Connection");
      t.is(second.get("x-end"), "1", "x-end");
    },
    { foreign: "workerd hides Connection from the Worker" },
  );
  for (const [name, value] of Object.entries({
    "proxy-authenticate": "Basic realm=x",
    "proxy-authentication-info": "nextnonce=x",
  })) {
    must(`store-hop-${name}`, "9111 3.1", `${name} is not stored`, gone(name, value));
  }
  for (const [name, value] of Object.entries({
    "proxy-connection": "keep-alive",
    te: "trailers",
    upgrade: "example/1",
  })) {
    should(`store-hop-${name}`, "9110 7.6.1", `${name} is not stored`, gone(name, value));
  }
  should("store-hop-keep-alive", "9111 3.1", "the origin's Keep-Alive is not stored", async (t) => {
    t.origin({ headers: { ...LONG, "keep-alive": "timeout=4711" } });
    await t.ask();
    const second = await t.ask();
    t.ok(!second.get("keep-alive")?.includes("4711"), "no Keep-Alive of the origin's", second.get("keep-alive"));
  });
  must("store-fields-kept", "9111 3.2", "unknown and repeated fields come back, in order", async (t) => {
    const odd = { "x-odd": 'a;b="c, d"; e', "x-many": ["3", "1, 2", "1"], link: ["<a>; rel=b", "<c>; rel=d"] };
    t.origin({ headers: { ...LONG, ...odd, "content-type": "text/odd; charset=x" } });
    await t.ask();
    const second = await t.ask();
    for (const [name, value] of Object.entries({ ...odd, "content-type": "text/odd; charset=x" })) {
      t.is(second.get(name), [value].flat().join(", "), name);
    }
  });

  // Bodies.
  const large = Buffer.alloc(1_000_000, "0123456789abcdef\u0000\u00ff", "latin1").toString("latin1");
  const digest = (text) => createHash("sha256").update(text, "latin1").digest("hex").slice(0, 12);
  const whole = (body, reply) => async (t) => {
    t.origin({ headers: LONG, body, ...reply });
    for (const answer of [await t.ask(), await t.ask()]) {
      t.is(answer.body.length, body.length, "length of the body");
      t.is(digest(answer.text), digest(body), "digest of the body");
    }
  };
  must("store-body-empty", "9110 6.4", "an empty body stays empty", whole("", {}));
  must("store-body-large", "9110 6.4", "a megabyte comes back as it was", whole(large, {}));
  must("store-body-chunked", "9110 6.4", "without a length, too", whole(large, { chunked: true }));
  must("store-body-slow", "9110 6.4", "and in pieces", whole(large.slice(0, 100_000), { pause: 400 }));
  may(
    "store-body-chunked-reused",
    "9111 3",
    "a body without a length is stored",
    reused(LONG, { reply: { chunked: true } }),
  );
  const packed = gzipSync("a text that was packed").toString("latin1");
  must("store-body-coded", "9110 8.4", "a coded body and its Content-Encoding stay together", async (t) => {
    t.origin({ headers: { ...LONG, "content-encoding": "gzip" }, body: packed });
    for (const answer of [await t.ask({ "accept-encoding": "gzip" }), await t.ask({ "accept-encoding": "gzip" })]) {
      const coded = answer.get("content-encoding") === "gzip";
      t.ok((answer.text === packed) === coded, "packed exactly when Content-Encoding says so", answer);
    }
  });
  must("store-early-hints", "9110 15.2", "a 103 is not the answer", async (t) => {
    t.origin({ headers: LONG, early: true });
    t.status(await t.ask(), 200);
    t.status(await t.ask(), 200);
  });

  const incomplete = (reply) => async (t) => {
    t.origin({ headers: LONG, body: "x".repeat(2000), cut: 1000, ...reply }, { headers: LONG, body: "x".repeat(2000) });
    await t.ask().catch(() => undefined);
    const second = await t.ask();
    t.forwarded(second);
    t.is(second.body.length, 2000, "length of the body");
  };
  must("store-cut-length", "9111 3.3", "a body shorter than its Content-Length is not reused", incomplete({}));
  must("store-cut-chunked", "9111 3.3", "nor one whose last chunk is missing", incomplete({ chunked: true }));
  must("store-cut-seen", "9112 8", "the client can tell that a body was cut off", async (t) => {
    t.origin({ headers: LONG, body: "x".repeat(2000), cut: 1000 });
    const answer = await t.send().catch(() => undefined);
    t.ok(!answer?.complete || answer.status >= 500, "an incomplete message or an error", "a complete message");
  });
  const body = "0123456789".repeat(20_000);
  for (const [id, reply] of Object.entries({ ends: { pause: 600 }, "is-cut": { cut: body.length / 2 } })) {
    must(
      `store-client-gone-${id}`,
      "9111 3.3",
      `client gone in the middle of a body that ${id.replace("-", " ")}`,
      async (t) => {
        t.origin({ headers: LONG, body, ...reply }, { headers: LONG, body });
        await t.ask({}, { leaveAfter: 1 }).catch(() => undefined);
        await t.sleep(900);
        const second = await t.ask();
        t.ok(second.complete, "a complete answer", second);
        t.is(second.body.length, body.length, "length of the body");
      },
    );
  }

  must("store-206", "9111 3.3", "a 206 is never used as a whole", async (t) => {
    const part = { status: 206, headers: { ...LONG, "content-range": "bytes 0-4/10", etag: '"a"' }, body: "01234" };
    t.origin((request) => (request.headers.range ? part : { headers: { ...LONG, etag: '"a"' }, body: "0123456789" }));
    await t.ask({ range: "bytes=0-4" });
    const answer = await t.ask();
    t.status(answer, 200);
    t.is(answer.text, "0123456789", "body");
  });
}

function targeted({ must, should, may }) {
  const CDN = "cdn-cache-control";
  const OWN = "cloudflare-cdn-cache-control";
  const cdn = (value, more) => ({ [CDN]: value, ...more });
  const none = cc("no-store");
  const zero = cc("max-age=0");

  should("target-permits", "9213 2.2", "CDN-Cache-Control beats no-store", reused(cdn("max-age=3600", none)));
  should("target-longer", "9213 2.2", "and max-age=0", reused(cdn("max-age=3600", zero)));
  should("target-over-private", "9213 2.2", "and private", reused(cdn("max-age=3600", cc("private"))));
  should(
    "target-over-expires",
    "9213 2.2",
    "and an Expires in the past",
    reused(cdn("max-age=3600", { expires: ago(60) })),
  );
  must("target-forbids", "9213 2.2", "its no-store beats max-age", forwarded(cdn("no-store", LONG)));
  must("target-private", "9213 2.2", "so does its private", forwarded(cdn("private, max-age=3600", LONG)));
  must("target-zero", "9213 2.2", "so does its max-age=0", forwarded(cdn("max-age=0", LONG)));
  must("target-no-cache", "9213 2.2", "so does its no-cache", forwarded(cdn("no-cache", LONG)));
  must(
    "target-replaces",
    "9213 2.2",
    "no lifetime is borrowed from Cache-Control",
    forwarded(cdn("must-revalidate", LONG)),
  );
  must("target-replaces-expires", "9213 2.2", "nor from Expires", forwarded(cdn("public", { expires: ahead(3600) })));
  should("target-shared", "9213 2.1", "s-maxage works there, too", reused(cdn("s-maxage=3600, max-age=0", none)));

  const first = "Cloudflare-CDN-Cache-Control comes first";
  should("target-order", "9213 2.2, CORRECTNESS", first, reused({ [OWN]: "max-age=3600", [CDN]: "no-store", ...none }));
  must(
    "target-order-forbids",
    "9213 2.2, CORRECTNESS",
    first,
    forwarded({ [OWN]: "no-store", [CDN]: "max-age=3600", ...LONG }),
  );
  should("target-own-alone", "9213 2.2, CORRECTNESS", "it works alone", reused({ [OWN]: "max-age=3600", ...none }));
  may(
    "target-others",
    "9213 2.2",
    "targets that are not ours mean nothing",
    reused({ "other-cache-control": "no-store", ...LONG }),
  );

  // What is not a structured dictionary is ignored whole.
  const invalid = {
    "trailing-comma": "max-age=3600,",
    "upper-case-key": "MAX-AGE=3600",
    "quoted-key": '"max-age"=3600',
    space: "max-age=3600 public",
    "space-around-equals": "max-age = 3600",
    "too-many-digits": "max-age=3600000000000000",
    "no-value": "max-age=3600, ext=",
    "open-string": 'max-age=3600, ext="open',
    semicolons: "max-age=3600; ; public",
    empty: "",
  };
  for (const [id, value] of Object.entries(invalid)) {
    must(`target-invalid-${id}`, "9213 2.1", `"${value}" does not count`, forwarded(cdn(value, zero)));
  }
  may("target-invalid-falls-back", "9213 2.1", "Cache-Control takes over", reused(cdn("no-store,", LONG)));
  may("target-empty-falls-back", "9213 2.1", "also for an empty field", reused(cdn("", LONG)));
  should(
    "target-invalid-next",
    "9213 2.2",
    "after an invalid field comes the next target",
    reused({ [OWN]: "no-store, =", [CDN]: "max-age=3600", ...none }),
  );

  // What is one, is read as one.
  must("target-decimal", "9213 2.1", "a decimal is no lifetime", forwarded(cdn("max-age=3600.0", zero)));
  must("target-string", "9213 2.1", "a string is no lifetime", forwarded(cdn('max-age="3600"', zero)));
  should("target-parameters", "9213 2.1", "parameters are ignored", reused(cdn("max-age=3600;ext=1;no-store", none)));
  must(
    "target-last-wins",
    "9651 3.2",
    "of duplicate keys the last counts",
    forwarded(cdn("max-age=3600, max-age=0", LONG)),
  );
  should("target-last-wins-long", "9651 3.2", "also when it is longer", reused(cdn("max-age=0, max-age=3600", none)));
  should(
    "target-unknown",
    "9213 2.1",
    "unknown members of any type are ignored",
    reused(cdn("ext=(1 2);a, max-age=3600, b=:YQ==:", none)),
  );
  should(
    "target-string-comma",
    "9651 3.3.3",
    "a comma in a string does not split",
    reused(cdn('ext="no-store, x", max-age=3600', none)),
  );
  should(
    "target-lines",
    "9651 3.2",
    "two lines are one dictionary",
    reused({ [CDN]: ["public", "max-age=3600"], ...none }),
  );
  must("target-true", "9651 3.3.6", "?1 is the same as bare", forwarded(cdn("no-store=?1, max-age=3600", LONG)));

  should(
    "target-passed-on",
    "9213 2.2, CORRECTNESS",
    "targeted fields are passed on, and Cache-Control beside them",
    async (t) => {
      t.origin({ headers: { [OWN]: "max-age=3600", [CDN]: "max-age=60, ext=(1 2)", ...cc("max-age=5") } });
      for (const answer of [await t.ask(), await t.ask()]) {
        t.is(answer.get(OWN), "max-age=3600", OWN);
        t.is(answer.get(CDN), "max-age=60, ext=(1 2)", CDN);
        t.is(answer.get("cache-control"), "max-age=5", "cache-control");
      }
    },
  );
}

const a4 = suite("A4");
const a5 = suite("A5");
storing(a4);
targeted(a5);
export default [...a4.cases, ...a5.cases];
