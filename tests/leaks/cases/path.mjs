// B6: what is asked for must be the same to the cache and to the origin behind it.
import { alice, aliceByToken, asking, stranger } from "../users.mjs";
import { cc, suite } from "../trial.mjs";

const { cases, must } = suite("B6");
const DECEPTION = "web cache deception";

/** An origin that decodes all it can, and takes whatever has `account` in it for the account page. */
const lenient =
  (headers = {}) =>
  ({ url, user }) =>
    url.includes("account") ? { headers, body: (mark) => `${mark} account for ${user} by GET\n` } : { status: 404 };

/** Alice follows the attacker's link; the attacker then asks for the same. */
const deceived =
  (target, user = alice, headers) =>
  async (t) => {
    t.origin(lenient(headers));
    await t.fillOrRefuse(asking(user, { target: target(t.name) }));
    t.isFor(await t.ask(asking(stranger, { target: target(t.name) })), "a stranger");
  };

for (const [name, target] of [
  ["plain", (t) => `/${t}/account`],
  ["suffix", (t) => `/${t}/account/x.css`],
  ["extension", (t) => `/${t}/account.css`],
  ["encoded-slash", (t) => `/${t}/account%2fx.css`],
  ["parameter", (t) => `/${t}/account;x.css`],
  ["encoded-parameter", (t) => `/${t}/account%3bx.css`],
  ["encoded-query", (t) => `/${t}/account%3fx.css`],
  ["encoded-hash", (t) => `/${t}/account%23x.css`],
  ["null", (t) => `/${t}/account%00x.css`],
  ["newline", (t) => `/${t}/account%0ax.css`],
  ["backslash", (t) => `/${t}/account\\x.css`],
  ["encoded-backslash", (t) => `/${t}/account%5cx.css`],
  ["dots", (t) => `/${t}/static/../account`],
  ["encoded-dots", (t) => `/${t}/static/%2e%2e/account`],
  ["encoded-dots-slash", (t) => `/${t}/static/..%2faccount`],
  ["all-encoded", (t) => `/${t}/static%2f%2e%2e%2faccount`],
  ["twice-encoded", (t) => `/${t}/static/..%252faccount`],
  ["parameter-dots", (t) => `/${t}/static/..;/account`],
  ["backslash-dots", (t) => `/${t}/static/..\\account`],
  ["double-slash", (t) => `/${t}//account//x.css`],
  ["leading-slashes", (t) => `//${t}/account/x.css`],
  ["leading-host", (t) => `//bob.example/${t}/account`],
  ["trailing-dot", (t) => `/${t}/account.`],
  ["query-extension", (t) => `/${t}/account?x.css`],
  ["robots", (t) => `/${t}/account/robots.txt`],
  ["well-known", (t) => `/${t}/.well-known/../account`],
]) {
  must(`deception-${name}`, DECEPTION, `alice's page is not left at ${target("~")}`, deceived(target));
}
for (const [name, target] of [
  ["suffix", (t) => `/${t}/account/x.css`],
  ["encoded-slash", (t) => `/${t}/account%2fx.css`],
  ["encoded-dots", (t) => `/${t}/static/..%2faccount`],
]) {
  must(`deception-${name}-token`, DECEPTION, `the same for a token: ${name}`, deceived(target, aliceByToken));
  must(
    `deception-${name}-max-age`,
    DECEPTION,
    `the same with a lifetime: ${name}`,
    deceived(target, alice, cc("max-age=60").headers),
  );
}

// One resource to the cache, two to the origin.
const DIFFERENCE = "path normalisation differences (RFC 3986 6)";
for (const [name, one, other] of [
  ["trailing-slash", "/page/", "/page"],
  ["case", "/Page", "/page"],
  ["double-slash", "//page", "/page"],
  ["inner-slashes", "/a//page", "/a/page"],
  ["dot", "/./page", "/page"],
  ["dots", "/x/../page", "/page"],
  ["encoded-dots", "/x/%2e%2e/page", "/page"],
  ["encoded-slash", "/a%2fpage", "/a/page"],
  ["encoded-slash-case", "/a%2Fpage", "/a%2fpage"],
  ["encoded-dots-slash", "/x%2f..%2fpage", "/page"],
  ["twice-encoded", "/a%252fpage", "/a%2fpage"],
  ["encoded-letter", "/%70age", "/page"],
  ["backslash", "/a\\page", "/a/page"],
  ["encoded-backslash", "/a%5cpage", "/a/page"],
  ["parameter", "/page;a=1", "/page"],
  ["encoded-query", "/page%3Fa=1", "/page?a=1"],
  ["encoded-hash", "/page%23a", "/page"],
  ["fragment", "/page#a", "/page"],
  ["bare-latin1", "/caf\u00e9", "/caf%e9"],
  ["bare-utf8", "/caf\u00c3\u00a9", "/caf%c3%a9"],
  ["null", "/page%00", "/page"],
  ["newline", "/page%0a", "/page"],
  ["space", "/page%20", "/page"],
  ["plus", "/a+page", "/a%20page"],
  ["trailing-dot", "/page.", "/page"],
  ["pipe", "/a|page", "/a%7cpage"],
  ["not-utf8", "/page%ff", "/page%fe"],
  ["accents", "/caf%c3%a9", "/cafe%cc%81"],
]) {
  must(`path-${name}`, DIFFERENCE, `${one} is not ${other} to an origin that sees the difference`, async (t) => {
    t.origin({});
    const [first, second] = [one, other].map((path) => asking(stranger, { path }));
    if (await t.alike(first, second)) return;
    const earlier = await t.fillOrRefuse(first);
    t.apart(await t.ask(second), earlier, `the answer to ${one}`);
  });
}

export default cases;
