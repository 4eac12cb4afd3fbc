// The benchmark itself; benches/run.sh builds what it needs and describes the settings, benches/README.md what is compared.

import { setTimeout as sleep } from "node:timers/promises";

import { compare, fill } from "./rounds.mjs";

const layercake = (MODE) => ({ dir: "benches/worker/build-layercake-scenes", vars: { MODE, TOKEN: "none" } });

export const CANDIDATES = {
  "js-hello": "benches/js/hello.mjs",
  "js-hand": "benches/js/hand.mjs",
  hono: "benches/js/hono.mjs",
  unkey: "benches/js/unkey.mjs",
  bare: "benches/worker/build-bare-scenes",
  "bare-axum": "benches/worker/build-bare-axum",
  hand: "benches/worker/build-hand-scenes",
  "hand-kv": "benches/worker/build-hand-kv-scenes",
  layercake: layercake("cold"),
  "layercake-l1": layercake("l1"),
  "layercake-hot": layercake("hot"),
  "layercake-quick": layercake("cold-quick"),
  "layercake-hot-quick": layercake("hot-quick"),
  "layercake-anonymous": layercake("anonymous"),
  "layercake-full": layercake("full"),
  "layercake-axum": "benches/worker/build-layercake-axum",
};

const each = (candidates, what) => Object.fromEntries(candidates.map((name) => [name, what]));

/** What an answer must carry to count: proof that the tier meant is the tier measured. */
const HIT = {
  ...each(["js-hand", "hono", "unkey", "hand"], "x-cache: HIT"),
  ...each(["layercake", "layercake-quick", "layercake-full", "layercake-axum"], "cache-status: detail=l1"),
  // Now and then an entry of the hot tier ends and is taken from L1 again.
  ...each(["layercake-hot", "layercake-hot-quick"], "cache-status: layercake; hit"),
};
const MISS = {
  unkey: "x-cache: MISS",
  ...each(["layercake", "layercake-quick", "layercake-l1", "layercake-anonymous", "layercake-axum"], "cache-status: fwd=uri-miss"),
};
const BYPASS = each(["layercake", "layercake-quick", "layercake-full", "layercake-axum"], "cache-status: fwd=bypass");

const inL1 = (cell) => fill({ ...cell, role: "cache" });

/** A hit in L1, of which `more` says what is special. */
const hit = (more) => ({ reference: "hand", path: "/item/1024?n={n}", keys: 64, length: 1024, seen: HIT, prepare: inL1, ...more });

/** Twenty request fields, 4 KB, as a browser behind a few proxies and analytics sends them. */
const FIELDS = [...Array(20).keys()].map((i) => `x-request-field-${i}: ${"r".repeat(184)}`);

const SCENARIOS = [
  {
    name: "hello",
    what: "a plain route, no cache asked: the floor",
    reference: "bare",
    candidates: ["js-hello", "hono", "bare", "bare-axum"],
    path: "/",
    length: 5,
  },
  {
    name: "bypass",
    what: "1 KB from the handler; the policy says bypass, by hand nothing is asked",
    reference: "bare",
    candidates: ["js-hand", "hono", "bare", "layercake", "layercake-quick", "layercake-full", "bare-axum", "layercake-axum"],
    path: "/bypass/1024",
    length: 1024,
    seen: BYPASS,
    counted: each(["layercake", "layercake-quick", "layercake-full", "layercake-axum"], { l1_get: 0, kv_get: 0 }),
  },
  hit({
    name: "l1 1KB",
    what: "hit in the Cache API (layercake-hot: in the isolate's memory)",
    candidates: ["js-hand", "hono", "unkey", "hand", "layercake", "layercake-quick", "layercake-hot", "layercake-hot-quick", "layercake-full", "layercake-axum"],
  }),
  hit({
    name: "l1 100KB",
    what: "the same with 100 KB (the hot tier keeps nothing of that size)",
    candidates: ["js-hand", "hono", "unkey", "hand", "layercake"],
    path: "/item/102400?n={n}",
    length: 102400,
    keys: 16,
  }),
  hit({
    name: "l1 2MB",
    what: "the same with 2 MB",
    candidates: ["js-hand", "hono", "unkey", "hand", "layercake"],
    path: "/item/2097152?n={n}",
    length: 2097152,
    keys: 2,
  }),
  {
    name: "l2 1KB",
    what: "L1 finds nothing, hit in KV, written back to L1 (hono and unkey have no KV)",
    reference: "hand-kv",
    candidates: ["hand-kv", "layercake", "layercake-quick"],
    path: "/item/1024?n={n}",
    length: 1024,
    keys: 128,
    seen: { "hand-kv": "x-cache: KV", ...each(["layercake", "layercake-quick"], "cache-status: detail=l2") },
    needs: "standin",
    prepare: async (cell) => {
      await fill({ ...cell, role: "kv" });
      await cell.raw.standin.fault({ role: "cache", ops: ["get"], inert: true });
    },
  },
  {
    name: "miss 1KB",
    what: "nothing anywhere: 1 KB from the handler, stored in L1",
    reference: "hand",
    candidates: ["js-hand", "hono", "unkey", "hand", "layercake-l1"],
    path: "/item/1024?new={n}",
    length: 1024,
    unique: true,
    seen: MISS,
    counted: each(["js-hand", "hono", "unkey", "hand", "layercake-l1"], { l1_put: 1 }),
    prepare: ({ raw }) => raw.standin?.reset(),
  },
  {
    name: "miss 1KB kv",
    what: "the same, stored in L1 and KV (-anonymous: what the handler sees is masked)",
    reference: "hand-kv",
    candidates: ["hand-kv", "layercake", "layercake-quick", "layercake-anonymous"],
    path: "/item/1024?new={n}",
    length: 1024,
    unique: true,
    seen: MISS,
    counted: each(["hand-kv", "layercake", "layercake-quick", "layercake-anonymous"], { l1_put: 1, kv_put: 1 }),
    prepare: ({ raw }) => raw.standin?.reset(),
  },
  {
    name: "stale 1KB",
    what: "stale in L1: answered at once, refreshed behind; each key once (hono has no stale windows)",
    reference: "hand",
    candidates: ["js-hand", "unkey", "hand", "layercake-l1"],
    path: "/stale/1024?n={n}",
    length: 1024,
    unique: true,
    keys: 200,
    seen: { ...each(["js-hand", "unkey", "hand"], "x-cache: STALE"), "layercake-l1": "cache-status: ttl=-" },
    prepareAll: async (cells) => {
      await Promise.all(cells.map(inL1));
      // Fresh for a second; after two, Cache-Status says so in whole seconds.
      await sleep(2100);
    },
  },
  hit({
    name: "304",
    what: "If-None-Match names what L1 has (unkey keeps values, not responses)",
    candidates: ["js-hand", "hono", "hand", "layercake"],
    path: { hono: "/tagged/1024?n={n}", ...each(["js-hand", "hand", "layercake"], "/item/1024?n={n}") },
    status: 304,
    length: 0,
    headers: ['if-none-match: "1024"'],
  }),
  hit({
    name: "range",
    what: "bytes=0-1023 of 100 KB in L1 (hono and unkey answer no ranges)",
    candidates: ["js-hand", "hand", "layercake"],
    path: "/item/102400?n={n}",
    keys: 16,
    status: 206,
    headers: ["range: bytes=0-1023"],
  }),
  hit({
    name: "50 routes, l1 1KB",
    what: "a router of fifty routes: one that L1 has",
    candidates: ["hono", "hand", "layercake"],
    path: "/wide/item/1024?n={n}",
  }),
  {
    name: "50 routes, bypass",
    what: "the same: one that is not cached",
    reference: "bare",
    candidates: ["hono", "bare", "layercake"],
    path: "/wide/bypass/1024",
    length: 1024,
    seen: BYPASS,
  },
  {
    name: "64 misses at once",
    what: "of one cold key, the origin takes 5 ms; CPU per request, a 64th of a burst's (layercake: KV besides L1)",
    reference: "hand",
    candidates: ["js-hand", "hono", "unkey", "hand", "layercake-l1", "layercake"],
    path: "/origin/day/{n}?size=1024&delay=5&header=cache-control:public%2Cmax-age%3D86400",
    length: 1024,
    unique: true,
    connections: 64,
    together: true,
    needs: "standin",
    prepare: ({ raw }) => raw.standin?.reset(),
  },
  hit({
    name: "4KB of request headers",
    what: "hit in L1; the request has 4 KB in twenty fields",
    candidates: ["js-hand", "hono", "unkey", "hand", "layercake"],
    headers: FIELDS,
  }),
  hit({
    name: "4KB of stored headers",
    what: "hit in L1; the stored response has 4 KB in twenty fields",
    candidates: ["js-hand", "hono", "unkey", "hand", "layercake"],
    path: "/heads/1024?n={n}",
  }),
];

await compare("bench", CANDIDATES, SCENARIOS);
