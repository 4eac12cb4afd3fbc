// What is printed: a line per failure, and tables of what passed.
const POINTS = {
  A4: "what the origin forbids",
  B1: "Set-Cookie",
  B2: "credentials, cookies, crowds",
  B3: "key: query, host, Vary",
  B5: "unkeyed headers, CORS, fat GET",
  B6: "paths",
  B7: "silence about personal answers",
  B8: "methods, parts, conditions",
  B9: "errors",
  B11: "internals in and out",
  B12: "cut answers",
};

const failed = (results) => results.filter(({ passed }) => !passed);
const at = (results, level) => results.filter((result) => result.level === level);

/** What counts as a leak. */
export const leaks = (results) => failed(at(results, "must"));

/** Sums of one cache's results. */
export function score(results) {
  const sum = (list) => ({ passed: list.length - failed(list).length, total: list.length });
  const held = results.filter(({ level }) => level !== "reuse");
  const points = [...new Set(held.map(({ point }) => point))];
  return {
    points: Object.fromEntries(points.map((point) => [point, sum(held.filter((one) => one.point === point))])),
    all: sum(held),
    must: sum(at(results, "must")),
    should: sum(at(results, "should")),
    leaks: leaks(results).length,
    reuse: sum(at(results, "reuse")),
  };
}

export function printFailures(name, results) {
  for (const { point, level, name: id, why, source } of failed(results)) {
    console.log(`${name}: ${point.padEnd(5)} ${level.padEnd(6)} ${id}: ${why} [${source}]`);
  }
  const late = results.filter(({ passed, late }) => passed && late).map(({ name: id }) => id);
  if (late.length)
    console.log(`${name}: reused only when given more time, so that leaks may have been missed: ${late.join(", ")}`);
}

const cell = ({ passed, total } = { total: 0 }) => (total ? `${passed}/${total}` : "");

/** Rows are points, columns are caches. */
export function printTable(scores) {
  const names = Object.keys(scores);
  const points = Object.keys(POINTS).filter((point) => names.some((name) => scores[name].points[point]));
  const rows = [
    ...points.map((point) => [`${point.padEnd(4)} ${POINTS[point]}`, (one) => cell(one.points[point])]),
    ["all", (one) => cell(one.all)],
    ["of these must", (one) => cell(one.must)],
    ["leaks (must, failed)", (one) => String(one.leaks)],
    ["reuse, where it may", (one) => cell(one.reuse)],
  ];
  const heads = names.map((_, i) => `(${i + 1})`);
  const width = Math.max(...rows.map(([title]) => title.length));
  console.log();
  names.forEach((name, i) => console.log(`${heads[i]} ${name}`));
  console.log(`\n${" ".repeat(width)}${heads.map((head) => head.padStart(9)).join("")}`);
  for (const [title, of] of rows) {
    console.log(title.padEnd(width) + names.map((name) => of(scores[name]).padStart(9)).join(""));
  }
}
