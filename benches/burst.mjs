// Many requests for one path at once, and what of them reached the origin.

import { setTimeout as sleep } from "node:timers/promises";

import { cpuSeconds, traffic, until } from "./raw.mjs";

const NOTE = ["cache-status", "x-origin-count"];

/** Waits until Worker and stand-ins have had nothing to do for a while; the stand-ins' counters then. */
export async function quiet({ standin, pid }, forMs = 250, timeoutMs = 60_000) {
  let seen;
  let since = Date.now();
  return until(
    async () => {
      const counters = await standin.counters();
      const now = JSON.stringify([counters, Math.round(20 * cpuSeconds(pid))]);
      if (now !== seen) [seen, since] = [now, Date.now()];
      return Date.now() - since >= forMs && counters;
    },
    "quiet",
    timeoutMs,
  );
}

/** Has a path of `/origin/brief` or `/origin/behind` stored, and waits until its time is up (BRIEF in benches/worker). */
export async function expire(raw, path) {
  const { samples } = await traffic({ port: raw.port, path, burst: 1 });
  if (samples[0].wrong !== null) throw new Error(`${path}: ${samples[0].wrong}`);
  await sleep(2100);
}

/**
 * Sends `size` requests for `path` at once, whose answers have to be `letters` letters under `status` (200). Origin calls are what the origin
 * counted until all was quiet, behind the answers too.
 *
 * @param {{standin: object, port: number, pid: number}} raw as from `startRaw`
 */
export async function burst(raw, { path, size, letters, status, timeout = 60_000 }) {
  await raw.standin.resetCounters();
  const { samples } = await traffic({ port: raw.port, path, burst: size, letters, status, timeout, note: NOTE });
  const { origin, cache, kv } = await quiet(raw);
  const calls = origin.requests ?? 0;
  const runs = new Set(samples.filter(({ wrong }) => wrong === null).map(({ noted }) => noted["x-origin-count"]));
  // An answer made at another time than those of the entry that had expired was made in a call that was counted.
  if (runs.size > calls + 1) throw new Error(`${path}: ${runs.size} different answers of ${calls} origin calls`);
  return {
    samples,
    origin_calls: calls,
    stored: { l1: cache.stored ?? 0, kv: kv.put ?? 0 },
    collapsed: samples.filter(({ noted }) => /; collapsed/.test(noted["cache-status"] ?? "")).length,
    wrong: samples.filter(({ wrong }) => wrong !== null),
  };
}

/**
 * How much later than the leader's the answers of the others end, in ms. The leader is the one that asked the origin; where
 * that is not told, or several asked, the first to have its answer.
 */
export function delays(samples) {
  const asked = ({ noted }) => /; fwd=/.test(noted["cache-status"] ?? "") && !/; collapsed/.test(noted["cache-status"]);
  const leaders = samples.filter(asked);
  const first = samples.reduce((a, b) => (b.took_ms < a.took_ms ? b : a));
  const leader = leaders.length === 1 ? leaders[0] : first;
  return samples.filter((sample) => sample !== leader).map(({ took_ms }) => took_ms - leader.took_ms);
}
