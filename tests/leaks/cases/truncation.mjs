// B12: half an answer is never given for the whole.
import { asking, stranger } from "../users.mjs";
import { suite } from "../trial.mjs";

const { cases, must } = suite("B12");
const SOURCE = "RFC 9111 3.3; incomplete messages";

/** The origin breaks off the first time; then it is well. */
const broken =
  (length, how, headers = {}) =>
  async (t) => {
    const whole = "w".repeat(length);
    t.origin((_, n) => (n === 1 ? { headers, body: whole, ...how } : { headers, body: whole }));
    await t.ask(stranger);
    await t.rest();
    for (let i = 0; i < 2; i++) {
      const answer = await t.ask(stranger);
      const short = answer.status === 200 && answer.text !== whole;
      t.ok(
        !short,
        `${answer.who} got ${answer.body.length} of ${length} bytes, ${answer.complete ? "as the whole" : "cut off"}`,
      );
      t.ok(answer.status === 200, `${answer.who} got a failure that was another's (${answer})`);
    }
  };
for (const [size, length, cut] of [
  ["small", 1000, 400],
  ["large", 300_000, 150_000],
  ["huge", 3_000_000, 1_000_000],
]) {
  must(`cut-length-${size}`, SOURCE, `cut short of its Content-Length (${size})`, broken(length, { cut }));
  must(
    `cut-chunks-${size}`,
    SOURCE,
    `cut in the middle of its chunks (${size})`,
    broken(length, { cut, chunked: true }),
  );
}
must("cut-nothing", SOURCE, "cut before the first byte", broken(1000, { cut: 0 }));
must("cut-max-age", SOURCE, "cut, with a lifetime", broken(1000, { cut: 400 }, { "cache-control": "max-age=60" }));
must("cut-client", SOURCE, "the client goes away in the middle", async (t) => {
  const whole = "w".repeat(300_000);
  t.origin({ body: whole });
  await t.ask(asking(stranger, { leaveAfter: 1000 }));
  await t.rest();
  for (let i = 0; i < 2; i++) {
    const answer = await t.ask(stranger);
    t.ok(answer.text === whole, `${answer.who} got ${answer.body.length} of ${whole.length} bytes (${answer})`);
  }
});

export default cases;
