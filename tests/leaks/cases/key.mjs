// B3: the key holds scheme, host, path, query and every selecting field.
import { asking, having, stranger } from "../users.mjs";
import { apart, cc, suite } from "../trial.mjs";

const { cases, must, should } = suite("B3");

/** Two targets that the origin tells apart get an answer each. */
const twoTargets = (one, other, script) => async (t) => {
  t.origin(script);
  const request = (path) => asking(stranger, { path });
  if (await t.alike(request(one), request(other))) return;
  const first = await t.fillOrRefuse(request(one));
  t.apart(await t.ask(request(other)), first, `the answer to ${one || "no query"}`);
};

const URI = "RFC 9111 2";
const CLOAK = "parameter cloaking";
for (const [level, name, source, one, other] of [
  [must, "value", URI, "?user=alice", "?user=bob"],
  [must, "some-none", URI, "?user=alice", ""],
  [must, "none-some", URI, "", "?user=alice"],
  [must, "more", URI, "?user=alice", "?user=alice&all=1"],
  [must, "case", URI, "?a=1", "?A=1"],
  [must, "twice", CLOAK, "?a=1&a=2", "?a=2&a=1"],
  [must, "encoded-ampersand", CLOAK, "?a=1&b=2", "?a=1%26b=2"],
  [must, "encoded-equals", CLOAK, "?a=1", "?a%3D1"],
  [must, "semicolon", CLOAK, "?a=1;b=2", "?a=1&b=2"],
  [must, "cloaked", CLOAK, "?a=1&utm_content=x;a=2", "?a=1&utm_content=x"],
  [must, "in-path", CLOAK, "?b=1", "%3Fb=1"],
  [must, "second-mark", CLOAK, "?a=1?b=2", "?a=1&b=2"],
  [must, "encoded-hash", CLOAK, "?a=1%23b", "?a=1"],
  [must, "fragment", CLOAK, "?a=1#b", "?a=1"],
  [must, "null", CLOAK, "?a=1%00", "?a=1"],
  [must, "newline", CLOAK, "?a=1%0d%0ab", "?a=1"],
  [must, "brackets", CLOAK, "?a[]=1", "?a=1"],
  [must, "utm", "unkeyed parameters", "?utm_source=evil", ""],
  [must, "gclid", "unkeyed parameters", "?gclid=evil", ""],
  [must, "fbclid", "unkeyed parameters", "?fbclid=evil", ""],
  [must, "callback", "unkeyed parameters", "?callback=evil", "?callback=good"],
  [must, "underscore", "unkeyed parameters", "?_=evil", "?_=good"],
  [must, "long", URI, `?a=${"x".repeat(4000)}1`, `?a=${"x".repeat(4000)}2`],
  [should, "order", URI, "?a=1&b=2", "?b=2&a=1"],
  [should, "empty", URI, "?", ""],
  [should, "no-value", URI, "?a", "?a="],
  [should, "plus", URI, "?a=x+y", "?a=x%20y"],
  [should, "escape-case", URI, "?a=%c3%a9", "?a=%C3%A9"],
]) {
  level(
    `query-${name}`,
    source,
    `${JSON.stringify(one.slice(0, 40))} is not ${JSON.stringify(other.slice(0, 40))}`,
    twoTargets(one, other, {}),
  );
}
for (const [name, one, other] of [
  ["value", "?user=alice", "?user=bob"],
  ["some-none", "?user=alice", ""],
]) {
  must(`query-${name}-max-age`, URI, `the same with a lifetime: ${name}`, twoTargets(one, other, cc("max-age=60")));
}

// Hosts. One cache in front of many sites, or one site that reads its own name from the request.
const HOST = "RFC 9110 7.2";
const at = (host, rest) => asking(stranger, { headers: { host }, ...rest });
const hosts =
  (one, other, script = {}) =>
  async (t) => {
    t.origin(script);
    if (await t.alike(at(one, { path: "" }), at(other, { path: "" }))) return;
    const first = await t.fillOrRefuse(at(one));
    t.apart(await t.ask(at(other)), first, `the answer of ${one}`);
  };
must("host", HOST, "two hosts", hosts("alice.example", "bob.example"));
must("host-max-age", HOST, "two hosts, with a lifetime", hosts("alice.example", "bob.example", cc("max-age=60")));
must("host-port", HOST, "two ports of a host", hosts("alice.example:8080", "alice.example"));
must("host-sub", HOST, "a host under another", hosts("a.alice.example", "alice.example"));
should("host-dot", HOST, "a host with a trailing dot", hosts("alice.example.", "alice.example"));
should(
  "host-case",
  "host header case poisoning",
  "a host in capitals, to an origin that repeats it",
  hosts("ALICE.example", "alice.example"),
);
should(
  "host-default-port",
  "host header poisoning",
  "a host with its default port, to an origin that repeats it",
  hosts("alice.example:80", "alice.example"),
);
must("host-absolute", "RFC 9112 3.2.2", "a target in absolute form, with another Host beside it", async (t) => {
  t.origin(({ headers }) => ({ body: (mark) => `${mark} links to http://${headers.host}/script.js\n` }));
  // One of the two is evil; whichever the origin takes up must not come back under the other.
  for (const [authority, host] of [
    ["good.example", "evil.example"],
    ["evil.example", "good.example"],
  ]) {
    await t.ask(at(host, { target: `http://${authority}/${t.name}/${authority}` }));
    await t.rest();
    const answer = await t.ask(at("good.example", { path: `/${authority}` }));
    t.lacks(answer, "evil.example", "a page that links to the attacker's host");
  }
});
must("host-twice", "RFC 9112 3.2", "two Host lines, to an origin that takes the last", async (t) => {
  t.origin(({ raw }) => {
    const hosts = raw.filter((_, i) => i % 2 && raw[i - 1].toLowerCase() === "host");
    return { body: (mark) => `${mark} links to http://${hosts.at(-1)}/script.js\n` };
  });
  await t.fillOrRefuse(at(["good.example", "evil.example"]));
  t.lacks(await t.ask(at("good.example")), "evil.example", "a page that links to the attacker's host");
});
must("host-in-path", HOST, "a host in the path is no host", async (t) => {
  t.origin({});
  const first = await t.fillOrRefuse(at("alice.example", { target: `/http://bob.example/${t.name}` }));
  t.apart(await t.ask(at("bob.example")), first);
});
should("scheme", "redirect loops behind TLS", "http and https, where a proxy in front tells them apart", async (t) => {
  t.origin(({ headers }) =>
    headers["x-forwarded-proto"] === "https" ? {} : { status: 301, headers: { location: `https://${headers.host}/` } },
  );
  await t.fill(having({ "x-forwarded-proto": "http" }));
  const answer = await t.ask(having({ "x-forwarded-proto": "https" }));
  t.ok(answer.status === 200, `a visitor by https got the redirection for http (${answer})`);
});

// Selecting fields.
const VARY = "RFC 9111 4.1";
/** `fields` are the request fields of two visitors. */
const varying = (vary, first, second, extra = {}) =>
  apart({ headers: { vary, ...extra } }, having(first), having(second));
for (const [name, vary, first, second] of [
  ["language", "Accept-Language", { "accept-language": "en" }, { "accept-language": "it" }],
  ["missing", "Accept-Language", { "accept-language": "en" }, {}],
  ["present", "Accept-Language", {}, { "accept-language": "en" }],
  ["empty", "X-Tenant", { "x-tenant": "alice" }, { "x-tenant": "" }],
  ["custom", "X-Tenant", { "x-tenant": "alice" }, { "x-tenant": "bob" }],
  ["case", "x-TENANT", { "X-Tenant": "alice" }, { "x-tenant": "bob" }],
  ["value-case", "X-Tenant", { "x-tenant": "Alice" }, { "x-tenant": "alice" }],
  ["last-of-several", "Accept, X-Mode, X-Tenant", { "x-tenant": "alice" }, { "x-tenant": "bob" }],
  ["two-lines", ["Accept", "X-Tenant"], { "x-tenant": "alice" }, { "x-tenant": "bob" }],
  ["untidy", " ,Accept ,, X-Tenant,", { "x-tenant": "alice" }, { "x-tenant": "bob" }],
  ["swapped", "X-One, X-Two", { "x-one": "a", "x-two": "b" }, { "x-one": "b", "x-two": "a" }],
  ["joined", "X-One, X-Two", { "x-one": "a, x-two: b" }, { "x-one": "a", "x-two": "b" }],
  ["more-members", "X-Tenant", { "x-tenant": ["alice", "bob"] }, { "x-tenant": "alice" }],
  ["user-agent", "User-Agent", { "user-agent": "phone" }, { "user-agent": "desk" }],
  ["origin", "Origin", { origin: "https://alice.example" }, { origin: "https://bob.example" }],
  ["harmless-cookie", "Cookie", { cookie: "_ga=alice" }, { cookie: "lang=it" }],
]) {
  must(`vary-${name}`, VARY, `Vary: ${[vary].flat().join(" | ")} is honoured (${name})`, varying(vary, first, second));
}
must(
  "vary-max-age",
  VARY,
  "Vary with a lifetime",
  varying(
    "Accept-Language",
    { "accept-language": "en" },
    { "accept-language": "it" },
    { "cache-control": "max-age=60" },
  ),
);
for (const [name, vary] of [
  ["all", "*"],
  ["all-among", "Accept, *"],
  ["all-lines", ["Accept", "*"]],
]) {
  must(`vary-${name}`, VARY, `Vary: ${[vary].flat().join(" | ")} is never matched`, varying(vary, {}, {}));
}
must("vary-many", VARY, "of many variants each reader gets his own", async (t) => {
  t.origin(({ headers }) => ({
    headers: { vary: "accept-language" },
    body: (mark) => `${mark} for ${headers["accept-language"]} by GET\n`,
  }));
  const tongues = ["en", "it", "de", "fr", "es"];
  for (const tongue of tongues) await t.fill(having({ "accept-language": tongue }));
  for (const tongue of tongues) t.isFor(await t.ask(having({ "accept-language": tongue })), tongue);
});
should("vary-hop-by-hop", "hop-by-hop header abuse", "a selecting field that a proxy takes off", async (t) => {
  t.origin(({ headers }) => ({
    headers: { vary: "x-tenant" },
    body: (mark) => `${mark} for ${headers["x-tenant"] ?? "nobody"} by GET\n`,
  }));
  await t.fill(having({ "x-tenant": "bob", connection: "close, x-tenant" }));
  t.isFor(await t.ask({ who: "bob", headers: { "x-tenant": "bob" } }), "bob");
});
must("vary-later", VARY, "an origin that says so only of its second variant", async (t) => {
  t.origin(({ headers }) => ({
    headers: headers["x-tenant"] && { vary: "x-tenant" },
    body: (mark) => `${mark} for ${headers["x-tenant"] ?? "nobody"} by GET\n`,
  }));
  await t.fill(having({ "x-tenant": "alice" }));
  t.isFor(await t.ask(stranger), "nobody");
});

export default cases;
