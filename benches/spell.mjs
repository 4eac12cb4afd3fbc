// A spell of trouble under traffic: what fails, when, and what clients get before, during and after it.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { quantile } from "./figures.mjs";
import { traffic } from "./raw.mjs";

/** Kinds of trouble: faults of the stand-ins (`standin --help`). */
export const KINDS = [
  { name: "origin answers 503", faults: [{ role: "origin", status: 503 }] },
  { name: "origin closes connections", faults: [{ role: "origin", close: true }] },
  { name: "origin hangs", faults: [{ role: "origin", hang: true }] },
  { name: "KV hangs", faults: [{ role: "kv", hang: true }] },
  { name: "KV answers 429 to writes", faults: [{ role: "kv", ops: ["put"], status: 429 }] },
  { name: "Cache API fails", faults: [{ role: "cache", close: true }] },
  {
    name: "KV and origin down",
    faults: [
      { role: "kv", close: true },
      { role: "origin", close: true },
    ],
  },
];

/** What is asked for: the origin's answer names its path, and says when it was made. */
const PATH = "/origin/page/{n}?body=this+is+page+{n}&delay=20&stamp=1";
const BODY = "this is page {n}";

/** Lifetime of a page (benches/worker/src/cached.rs). */
const TTL_MS = 5000;

/** No client waits for longer. */
const TIMEOUT_MS = 5000;

/**
 * Traffic by Zipf's law for `warm + bad + after` seconds, with the faults of `kind` during `bad`.
 *
 * @param {{standin: object, port: number, pid: number}} raw as from `startRaw`
 */
export async function spell(raw, kind, { warm, bad, after, rate, paths, early = Math.min(5, after) }) {
  await raw.standin.reset();
  const calls = async () => (await raw.standin.counters()).origin.requests ?? 0;
  const load = traffic({
    port: raw.port,
    path: PATH,
    body: BODY,
    rate,
    paths,
    seconds: warm + bad + after,
    timeout: TIMEOUT_MS,
    note: ["x-origin-time", "cache-status"],
  });
  const script = async () => {
    const marks = {};
    await sleep(warm * 1000);
    await raw.standin.fault(kind.faults);
    marks.from = Date.now();
    const before = await calls();
    await sleep(bad * 1000);
    const during = await calls();
    marks.to = Date.now();
    await raw.standin.fault(kind.faults.map(({ role }) => ({ role })));
    await sleep(early * 1000);
    marks.calls = { during: (during - before) / bad, early: ((await calls()) - during) / early };
    return marks;
  };
  const [{ samples, started_ms: started, late_us: late }, marks] = await Promise.all([load, script()]);
  const figures = summarise(samples, { ...marks, started });
  if (!kind.faults.some(({ role }) => role === "origin")) delete figures.fresh_s;
  return { ...figures, late_ms: late / 1000, peak_mb: peakMb(raw.pid) };
}

/** The most memory that a process ever had. */
function peakMb(pid) {
  return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
}

function summarise(samples, { from, to, calls, started }) {
  const all = samples.map(({ n, sent_ms, took_ms, wrong, noted }) => {
    const sent = started + sent_ms;
    const made = Number(noted["x-origin-time"]);
    const good = wrong === null;
    const age = good ? sent - made : 0;
    // Its cache's word for it; rounded up it may be a second out.
    const said = Number(/; ttl=(-?\d+)/.exec(noted["cache-status"] ?? "")?.[1] ?? 0);
    return { n, sent, took: took_ms, done: sent + took_ms, wrong, good, made, age, stale: age > TTL_MS, said };
  });
  const known = new Set(all.filter(({ good, done }) => good && done < from).map(({ n }) => n));
  const before = all.filter(({ sent }) => sent < from);
  const after = all.filter(({ sent }) => sent >= to);
  const during = all.filter(({ sent }) => sent >= from && sent < to);
  const share = (list, test) => (list.length ? (100 * list.filter(test).length) / list.length : undefined);
  const took = during.map(({ took }) => took);
  const good = ({ good }) => good;
  const wrong = {};
  for (const { wrong: what } of during.filter((one) => !one.good)) wrong[what] = (wrong[what] ?? 0) + 1;
  const perSecond = [];
  for (const { sent, good, stale } of all) {
    const second = (perSecond[Math.floor((sent - started) / 1000)] ??= { requests: 0, good: 0, stale: 0 });
    second.requests += 1;
    second.good += good ? 1 : 0;
    second.stale += stale ? 1 : 0;
  }
  return {
    requests: during.length,
    availability: share(during, good),
    // Nobody can answer from what was never there: requests for pages that had not been answered before.
    unknown: share(during, ({ n }) => !known.has(n)),
    availability_known: share(during.filter(({ n }) => known.has(n)), good),
    stale: share(during, ({ stale }) => stale),
    oldest_s: Math.max(0, ...during.map(({ age }) => age)) / 1000,
    // Answers that are stale by more than the clocks' grain and say they are not.
    false_fresh: all.filter(({ stale, age, said }) => stale && age > TTL_MS + 1000 && said > 0).length,
    p50_ms: quantile(took, 0.5),
    p99_ms: quantile(took, 0.99),
    origin_rps: calls.during,
    origin_rps_early: calls.early,
    fresh_s: { half: fresh(all, to, 0.5), most: fresh(all, to, 0.9) },
    before: { availability: share(before, good), stale: share(before, ({ stale }) => stale) },
    after: { availability: share(after, good), stale: share(after, ({ stale }) => stale) },
    wrong,
    per_second: Array.from(perSecond, (second) => second ?? null),
  };
}

/** Seconds from `to` until, of the last 100 requests, this share was answered with what was made after it; null for never. */
function fresh(all, to, share) {
  const ended = all.filter(({ sent }) => sent >= to).sort((a, b) => a.done - b.done);
  const hits = ended.map(({ good, made }) => (good && made >= to ? 1 : 0));
  let within = 0;
  for (const [i, hit] of hits.entries()) {
    within += hit - (hits[i - 100] ?? 0);
    if (within >= share * Math.min(100, ended.length)) return Math.max(0, ended[i].done - to) / 1000;
  }
  return null;
}
