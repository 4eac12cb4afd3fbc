// What a case is made of: the trial that a case runs in, and the words in which cases are written.
import { setTimeout as sleep } from "node:timers/promises";
import { exchange } from "./client.mjs";
import { stranger } from "./users.mjs";

/** The case does not hold. */
export class Leak extends Error {}

/** The cache refuses such requests altogether: nobody gets anything. */
export class Refused extends Error {}

/** One run of one case, under a name that no other run has. */
export class Trial {
  /** `settle`: milliseconds that a cache may take for what it does behind an answer; `between`: run after each fill. */
  constructor({ base, origin, settle, between }, name) {
    Object.assign(this, { base, server: origin, settleTime: settle, between, name: `~${name}~` });
  }

  /** The origin's script; see origin.mjs. */
  origin(script) {
    this.server.script(this.name, script);
  }

  /** What the origin was asked. */
  get seen() {
    return this.server.seen(this.name);
  }

  /** One exchange. `target` replaces the path, `path` is appended to it. */
  ask({ path = "", target = `/${this.name}${path}`, ...request }) {
    return exchange(this.base, { ...request, path: target });
  }

  /** One exchange that may fill the cache, and time for it to do so. The origin's answer must come through. */
  async fill(request) {
    const answer = await this.ask(request);
    if (!answer.marks.length) throw new Leak(`the origin's answer did not reach ${answer.who}: ${answer}`);
    await this.rest();
    return answer;
  }

  /** The same for a request that a cache may well refuse. */
  async fillOrRefuse(request) {
    const answer = await this.ask(request);
    if (!answer.marks.length) throw new Refused();
    await this.rest();
    return answer;
  }

  async rest() {
    await sleep(this.settleTime);
    await this.between?.();
  }

  ok(condition, what) {
    if (!condition) throw new Leak(what);
  }

  /** `answer` is not `earlier`, nor has it anything of it. */
  apart(answer, earlier, what = "the answer") {
    const shared = answer.marks.filter((mark) => earlier.marks.includes(mark));
    const other = earlier.who === answer.who ? "another visitor" : earlier.who;
    this.ok(!shared.length, `${answer.who} got ${what} that ${other} had got (${answer})`);
  }

  /** `secret` is nowhere in `answer`. */
  lacks(answer, secret, what) {
    this.ok(!answer.everything.includes(secret), `${answer.who} got ${what} (${answer})`);
  }

  /** `answer` is the origin's, made for `user`. */
  isFor(answer, user) {
    const whose = / for (.*) by /.exec(answer.text)?.[1];
    this.ok(!answer.marks.length || whose === user, `${answer.who} got the answer for ${whose} (${answer})`);
  }

  /** `answer` is `earlier`, out of the cache. */
  reused(answer, earlier) {
    const shared = answer.marks.some((mark) => earlier.marks.includes(mark));
    this.ok(shared, `the origin was asked again for what could have been reused (${answer})`);
  }

  /** Whether the origin is asked the same for both, as far as it can tell. */
  async alike(one, other) {
    const path = async (request, n) => {
      const target = request.target ?? `/${this.name}${request.path}`;
      await this.ask({ ...request, target: `${target}${target.includes("?") ? "&" : "?"}alike=${n}` });
      const seen = this.seen.find(({ url }) => url.includes(`alike=${n}`));
      return seen && `${seen.headers.host}${seen.url.replace(/[?&]alike=\d/, "")}`;
    };
    const [a, b] = [await path(one, 1), await path(other, 2)];
    return a === undefined || a === b;
  }
}

/**
 * The cases of one point. `must`, `should` and `reuse` each add one: name, source, sentence, exchange.
 *
 * - must: failing it, somebody got what was another's, or what was never to be given twice;
 * - should: a cautious cache holds it; failing it, the origin or another cache has to make a mistake too;
 * - reuse: what a cache is for. No leak, but it tells a careful cache from one that does nothing.
 */
export function suite(point) {
  const cases = [];
  const add = (level) => (name, source, says, run) => cases.push({ point, level, name, source, says, run });
  return { cases, must: add("must"), should: add("should"), reuse: add("reuse") };
}

/** The answer to `first` goes to nobody who asks with `second`. */
export const apart =
  (script, first = stranger, second = stranger) =>
  async (t) => {
    t.origin(script);
    const earlier = await t.fill(first);
    t.apart(await t.ask(second), earlier);
  };

/** The same for requests that a cache may refuse. */
export const apartOrRefused =
  (script, first = stranger, second = stranger) =>
  async (t) => {
    t.origin(script);
    const earlier = await t.fillOrRefuse(first);
    t.apart(await t.ask(second), earlier);
  };

/** What the attacker's `request` brings the origin to say is not said to a stranger. */
export const notPoisoned =
  (script, request, evil, victim = stranger) =>
  async (t) => {
    t.origin(script);
    await t.fillOrRefuse(request);
    t.lacks(await t.ask(victim), evil, `what the attacker had brought the origin to say`);
  };

/** Cache-Control alone, for tables. */
export const cc = (value) => ({ headers: { "cache-control": value } });
