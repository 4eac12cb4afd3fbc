// Values by hand and through layercake; benches/data.sh builds what it needs and describes the settings.

import { compare, fill } from "../rounds.mjs";

const BUILT = "benches/data/build";
const CANDIDATES = {
  // No store: the value is made from its JSON, as with every hit.
  floor: { dir: BUILT },
  // The edge cache, then KV, then the loader, in the types of `worker`.
  hand: { dir: BUILT },
  layercake: { dir: BUILT },
  // Without compression, which is for values of more than 16 KiB: here it makes no difference.
  "layercake-plain": { dir: BUILT, vars: { MODE: "plain" } },
  // With the tier in the isolate's memory.
  "layercake-hot": { dir: BUILT, vars: { MODE: "hot" } },
  // A hundred values: `get_or_fetch` of each, all at once; `get_many`; the same under a policy without L1.
  "hand-each": { dir: BUILT },
  "layercake-each": { dir: BUILT },
  "layercake-many": { dir: BUILT },
  "layercake-many-kv": { dir: BUILT },
};

/** Rows of a value of 10 KB. */
const ROWS = 64;
const ONE = {
  floor: `/floor/${ROWS}/{n}`,
  hand: `/hand/${ROWS}/{n}`,
  layercake: `/cached/${ROWS}/{n}`,
  "layercake-plain": `/cached/${ROWS}/{n}`,
  "layercake-hot": `/cached/${ROWS}/{n}`,
};
/** Each value of 160 bytes. The requests overlap by turns: 101 of them ask for 200 values. */
const HUNDRED = {
  "hand-each": "/hand-each/1/{n}",
  "layercake-each": "/cached-each/1/{n}",
  "layercake-many": "/cached-many/1/{n}",
  "layercake-many-kv": "/cached-many-kv/1/{n}",
};
const FIRST_HUNDRED = { ...HUNDRED, "layercake-many": HUNDRED["layercake-each"], "layercake-many-kv": HUNDRED["layercake-each"] };
const TURNS = 101;

const every = (candidates, field) => Object.fromEntries(candidates.map((name) => [name, field]));
const kept = (candidates) => every(candidates, "x-loaded: 0");
const all = ["floor", "hand", "layercake", "layercake-plain", "layercake-hot"];
const cold = ["hand", "layercake", "layercake-plain"];
const hundred = Object.keys(HUNDRED);

/** Two hundreds that share nothing: what is loaded twice would be put twice, the second time a second later. */
const hundredFilled = ({ raw, candidate }) =>
  fill({ raw, path: FIRST_HUNDRED[candidate].replace("{n}", "{n}00"), keys: 2, role: "kv", entries: 200 });

const SCENARIOS = [
  {
    name: "l1 10KB",
    what: "a value of 10 KB from the edge cache (layercake-hot: from the isolate's memory)",
    reference: "hand",
    candidates: all,
    path: ONE,
    keys: 64,
    seen: kept(all),
    prepare: (cell) => cell.candidate !== "floor" && fill({ ...cell, role: "cache" }),
  },
  {
    name: "l2 10KB",
    what: "L1 finds nothing, the value is in KV and is written back to L1",
    reference: "hand",
    candidates: cold,
    path: ONE,
    keys: 512,
    seen: kept(cold),
    prepare: async (cell) => {
      await fill({ ...cell, role: "kv" });
      await cell.raw.standin.fault({ role: "cache", ops: ["get"], inert: true });
    },
  },
  {
    name: "miss 10KB",
    what: "nothing anywhere: the loader's value, stored in L1 and KV",
    reference: "hand",
    candidates: cold,
    path: ONE,
    unique: true,
    seen: every(cold, "x-loaded: 1"),
    prepare: (cell) => cell.raw.standin.reset(),
  },
  {
    name: "100 of 160 B",
    what: "a hundred values at a time that L1 has (-kv: that only KV is asked for)",
    reference: "hand-each",
    candidates: hundred,
    path: HUNDRED,
    keys: TURNS,
    seen: every(hundred, "x-found: 100"),
    prepare: hundredFilled,
  },
  {
    name: "100 of 160 B, l2",
    what: "the same where L1 finds nothing",
    reference: "hand-each",
    candidates: hundred,
    path: HUNDRED,
    keys: TURNS,
    seen: every(hundred, "x-found: 100"),
    prepare: async (cell) => {
      await hundredFilled(cell);
      await cell.raw.standin.fault({ role: "cache", ops: ["get"], inert: true });
    },
  },
];

await compare("bench-data", CANDIDATES, SCENARIOS);
