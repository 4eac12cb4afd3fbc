// The benchmark itself; benches/run.sh builds what it needs and describes the settings.

import { compare, fill } from "./rounds.mjs";

const CANDIDATES = {
  "js-hello": "benches/js/hello.mjs",
  "js-hand": "benches/js/hand.mjs",
  bare: "benches/worker/build-bare",
  hand: "benches/worker/build-hand",
  "hand-kv": "benches/worker/build-hand-kv",
  layercake: "benches/worker/build-layercake",
  "layercake-hot": "benches/worker/build-layercake-hot",
  "layercake-anonymous": "benches/worker/build-layercake-anonymous",
};

/** What an answer must carry to count: proof that the tier meant is the tier measured. */
const SEEN = {
  l1: {
    "js-hand": "x-cache: HIT",
    hand: "x-cache: HIT",
    layercake: "cache-status: detail=l1",
    // Now and then an entry of the hot tier ends and is taken from L1 again.
    "layercake-hot": "cache-status: layercake; hit",
  },
  l2: { "hand-kv": "x-cache: KV", layercake: "cache-status: detail=l2" },
  miss: { layercake: "cache-status: fwd=uri-miss", "layercake-anonymous": "cache-status: fwd=uri-miss" },
  bypass: { layercake: "cache-status: fwd=bypass" },
};

const SCENARIOS = [
  {
    name: "hello",
    what: "a plain route, no cache asked: the floor",
    reference: "bare",
    candidates: ["js-hello", "bare"],
    path: "/",
    length: 5,
  },
  {
    name: "bypass",
    what: "1 KB from the handler; the policy says bypass",
    reference: "bare",
    candidates: ["js-hand", "bare", "layercake"],
    path: "/bypass/1024",
    length: 1024,
    seen: SEEN.bypass,
  },
  {
    name: "l1 1KB",
    what: "hit in the Cache API (or in memory: layercake-hot)",
    reference: "hand",
    candidates: ["js-hand", "hand", "layercake", "layercake-hot"],
    path: "/item/1024?n={n}",
    length: 1024,
    keys: 64,
    seen: SEEN.l1,
    prepare: (cell) => fill({ ...cell, role: "cache" }),
  },
  {
    name: "l1 100KB",
    what: "the same with 100 KB",
    reference: "hand",
    candidates: ["js-hand", "hand", "layercake", "layercake-hot"],
    path: "/item/102400?n={n}",
    length: 102400,
    keys: 16,
    seen: SEEN.l1,
    prepare: (cell) => fill({ ...cell, role: "cache" }),
  },
  {
    name: "l2 1KB",
    what: "L1 finds nothing, hit in KV, written back to L1",
    reference: "hand-kv",
    candidates: ["hand-kv", "layercake"],
    path: "/item/1024?n={n}",
    length: 1024,
    keys: 512,
    seen: SEEN.l2,
    prepare: async (cell) => {
      await fill({ ...cell, role: "kv" });
      await cell.raw.standin.fault({ role: "cache", ops: ["get"], inert: true });
    },
  },
  {
    name: "miss 1KB",
    what: "nothing anywhere: 1 KB from the handler, stored (hand: L1; hand-kv and layercake: L1 and KV; -anonymous: masked)",
    reference: "hand-kv",
    candidates: ["js-hand", "hand", "hand-kv", "layercake", "layercake-anonymous"],
    path: "/item/1024?n={n}",
    length: 1024,
    unique: true,
    seen: SEEN.miss,
    prepare: (cell) => cell.raw.standin.reset(),
  },
];

await compare("bench", CANDIDATES, SCENARIOS);
