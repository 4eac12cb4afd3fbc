// A built Worker as it is, with the test around it: its clock can be set forward, and each query it sends to D1 is noted, where it
// leaves the Worker.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { seedDatabase, start, workerOptions } from "../../tools/local.mjs";
import { exchange } from "./harness.mjs";

const CONTROL = "/__watch";

/** The entry module: it is the Worker's, but for the path of the control and for what `env.DB` is. */
const ENTRY = `
import Worker from "./index.js";

let ahead = 0;
let queries = [];
globalThis.Date = class extends Date {
  constructor(...given) {
    if (given.length) super(...given);
    else super(Date.now());
  }

  static now() {
    return super.now() + ahead;
  }
};

const QUERIES = ["all", "first", "raw", "run"];
const behind = new WeakMap();

/** The same object, but for what \`members\` makes of some of its methods. */
function around(object, members) {
  const get = (_, name) => {
    const member = object[name];
    if (typeof member !== "function" || name === "constructor") return member;
    return (...given) => (members[name] ?? ((...given) => member.apply(object, given)))(...given);
  };
  const proxy = new Proxy(object, { get });
  behind.set(proxy, object);
  return proxy;
}

function statement(real, sql, parameters = []) {
  const members = { bind: (...given) => statement(real.bind(...given), sql, given) };
  for (const name of QUERIES) {
    members[name] = (...given) => {
      queries.push({ sql, parameters });
      return real[name](...given);
    };
  }
  return around(real, members);
}

function database(real) {
  const batch = (statements) => {
    queries.push({ batch: statements.length });
    return real.batch(statements.map((one) => behind.get(one)));
  };
  return around(real, { batch, prepare: (sql) => statement(real.prepare(sql), sql) });
}

export default class extends Worker {
  constructor(ctx, env) {
    super(ctx, { ...env, DB: database(env.DB) });
  }

  async fetch(request) {
    const url = new URL(request.url);
    if (url.pathname !== "${CONTROL}") return super.fetch(request);
    ahead += Number(url.searchParams.get("ahead") ?? 0);
    const answer = Response.json({ now: Date.now(), queries });
    if (url.searchParams.has("forget")) queries = [];
    return answer;
  }
}
`;

/** A running Worker that is watched. */
export class Watched {
  /** `kv: false` leaves the KV binding out. */
  static async start(dir, { kv = true } = {}) {
    const watched = new Watched();
    const options = await workerOptions(dir);
    options.modules.unshift({ type: "ESModule", path: "watch.js", contents: ENTRY });
    if (!kv) options.kvNamespaces = [];
    watched.logs = [];
    watched.mf = start({ ...options, handleStructuredLogs: ({ message }) => watched.logs.push(message) });
    watched.base = (await watched.mf.ready).origin;
    await seedDatabase(watched.mf, dir);
    return watched;
  }

  stop() {
    return this.mf.dispose();
  }

  get(path, options) {
    return exchange(this.base + path, options);
  }

  /** `get`, when what runs behind it is done. */
  async ask(path, options) {
    const answer = await this.get(path, options);
    await this.settled();
    return answer;
  }

  async control(query = "") {
    return JSON.parse((await this.get(CONTROL + query)).text);
  }

  /** The queries since this was asked last. */
  async queries() {
    return (await this.control("?forget")).queries;
  }

  /** The Worker's time, in milliseconds since 1970. */
  async now() {
    return (await this.control()).now;
  }

  /** Sets the Worker's clock forward. That of the stores stays. */
  async later(seconds) {
    await this.control(`?ahead=${seconds * 1000}`);
  }

  /** The counters of values, those that are not zero. */
  async stats() {
    return JSON.parse((await this.get("/stats")).text).routes["(values)"] ?? {};
  }

  /** The names in KV, as far as they are keys of the application. */
  async kept() {
    const { keys } = await (await this.mf.getKVNamespace("CACHE")).list();
    return keys.map(({ name }) => name.slice(name.indexOf("=") + 1)).sort();
  }

  /** Runs SQL past the Worker. */
  async sql(text, ...parameters) {
    return (await this.mf.getD1Database("DB")).prepare(text).bind(...parameters).run();
  }

  /** Forgets what is near: the edge cache, and by the clock the isolate's memory. */
  async emptyL1() {
    await this.mf.purgeCache();
    await this.later(6);
  }

  /** Runs the scheduled handler, and what it has set about. */
  async scheduled() {
    const answer = await this.get("/cdn-cgi/local/scheduled");
    assert.equal(answer.text, "ok");
    await this.settled();
  }

  /** Waits for what runs behind the answers: until a second look at counters, queries and KV shows no change. */
  async settled() {
    const names = Object.keys(await this.mf.getBindings()).includes("CACHE") ? () => this.kept() : () => [];
    const look = async () => JSON.stringify([await this.stats(), (await this.control()).queries, await names()]);
    for (let before = await look(), i = 0; i < 200; i++) {
      await sleep(40);
      const now = await look();
      if (now === before) return;
      before = now;
    }
    assert.fail("the Worker does not come to rest");
  }
}
