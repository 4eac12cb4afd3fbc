// What a case is made of: the trial that a case runs in, and the words in which cases are written.
import { setTimeout as sleep } from "node:timers/promises";
import { exchange } from "./client.mjs";

/** A response with `max-age=1` is stale after this many milliseconds, however its age is rounded. */
export const STALE = 2200;

/** The case does not hold. */
export class Broken extends Error {
  constructor(expected, seen) {
    super(`expected ${expected}; saw ${seen}`);
  }
}

function outline(answer) {
  const parts = [`${answer.status}`];
  if (!Number.isNaN(answer.served)) parts.push(`answer ${answer.served}`);
  for (const name of ["age", "cache-status"]) if (answer.get(name)) parts.push(`${name}: ${answer.get(name)}`);
  return parts.join(", ");
}

/** One run of one case, on a URL of its own. */
export class Trial {
  /** `settle`: milliseconds that a cache may take for what it does behind a response. */
  constructor({ base, origin, settle }, path) {
    Object.assign(this, { base, server: origin, settleTime: settle, path });
  }

  /** The script of the origin; see origin.mjs. `originAt` is for another path than that of the case. */
  origin(...replies) {
    this.originAt(this.path, ...replies);
  }

  originAt(path, ...replies) {
    this.server.script(path, replies);
  }

  /** The requests that have reached the origin. */
  get seen() {
    return this.seenAt(this.path);
  }

  seenAt(path) {
    return this.server.seen(path);
  }

  /** One exchange. `options`: path, method, body, leaveAfter. */
  send(headers = {}, { path = this.path, ...options } = {}) {
    return exchange(this.base + path, { headers, ...options });
  }

  /** One exchange, and time for what the cache does behind it. */
  async ask(headers, options) {
    const answer = await this.send(headers, options);
    await sleep(this.settleTime);
    return answer;
  }

  sleep(milliseconds) {
    return sleep(milliseconds);
  }

  /** Fills the cache and lets the entry (`max-age=1`) become stale. */
  async askAndAge(headers, options) {
    const answer = await this.ask(headers, options);
    await sleep(STALE);
    return answer;
  }

  ok(condition, expected, seen) {
    if (!condition) throw new Broken(expected, seen instanceof Object && "raw" in seen ? outline(seen) : String(seen));
  }

  is(seen, expected, what) {
    this.ok(Object.is(seen, expected), `${what}: ${expected}`, seen);
  }

  between(seen, low, high, what) {
    this.ok(seen >= low && seen <= high, `${what} from ${low} to ${high}`, seen);
  }

  status(answer, expected) {
    this.ok(answer.status === expected, `status ${expected}`, answer);
  }

  /** The origin's answer `n`, out of the cache. */
  reused(answer, n = 1) {
    this.ok(answer.served === n, `answer ${n} out of the cache`, answer);
  }

  /** The origin's answer `n`, which it has just given. */
  forwarded(answer, n = 2) {
    this.ok(answer.served === n, `answer ${n} from the origin`, answer);
  }

  /** How many requests have reached the origin. */
  requests(n) {
    this.is(this.seen.length, n, "requests at the origin");
  }
}

/**
 * The cases of one chapter. `must`, `should` and `may` each add one: id, section of the law, sentence, exchange.
 *
 * - must: failing it breaks a MUST of the RFC;
 * - should: a SHOULD, a MUST that shows only in reuse (which is never obligatory), or a choice that CORRECTNESS makes
 *   where the RFC leaves one;
 * - may: reuse that the RFC permits and a good cache makes use of.
 */
export function suite(chapter) {
  const cases = [];
  const add = (level) => (id, law, says, run, options) =>
    cases.push({ chapter, level, id, law, says, run, ...options });
  return { cases, must: add("must"), should: add("should"), may: add("may") };
}

/** Two requests for a reply with these headers: `first` and `second` are the headers of the requests. */
const twice =
  (verdict) =>
  (headers, { reply = {}, first = {}, second = first, wait = 0, method } = {}) => {
    return async (t) => {
      t.origin({ ...reply, headers: { ...headers, ...reply.headers } });
      const fill = await t.ask(first);
      t.ok(fill.served === 1, "the origin's first answer", fill);
      if (wait) await t.sleep(wait);
      t[verdict](await t.ask(second, { method }));
    };
  };

/** The second request is answered with the first answer, or goes to the origin. */
export const reused = twice("reused");
export const forwarded = twice("forwarded");

/** Cache-Control alone, for tables. */
export const cc = (value) => ({ "cache-control": value });
