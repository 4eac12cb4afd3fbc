// Bodies that are the same at each place every time, made and checked as they stream.

// Every pattern repeats after so many bytes.
const PERIOD = 64256;

const KINDS = {
  binary: (i) => (i * 31 + (i >> 8)) % 251,
  text: (i) => 97 + ((i * 31 + (i >> 8)) % 251) % 26,
  accents: (i) => [0xc3, 0xa9][i % 2],
  // No UTF-8; as text it has as many bytes.
  sly: (i) => [0xf0, 0x9f, 0x98, 0x61][i % 4],
  marked: (i) => [0xef, 0xbb, 0xbf][i] ?? 97,
};

const patterns = {};

function pattern(kind) {
  return (patterns[kind] ??= Uint8Array.from({ length: PERIOD }, (_, i) => KINDS[kind](i)));
}

/** So many bytes; where `cut` is less, the stream fails there. */
export function generate(kind, n, cut) {
  let at = 0;
  return new ReadableStream(
    {
      pull(controller) {
        if (at >= cut && cut < n) return controller.error(new Error("broken on purpose"));
        if (at >= n) return controller.close();
        const chunk = pattern(kind).slice(0, n - at);
        at += chunk.length;
        controller.enqueue(chunk);
      },
    },
    { highWaterMark: 0 },
  );
}

/** The length of a body; what is wrong with it behind. */
export async function check(kind, stream) {
  let at = 0;
  try {
    for await (const chunk of stream ?? []) {
      for (let done = 0; done < chunk.length; ) {
        const from = (at + done) % PERIOD;
        const size = Math.min(chunk.length - done, PERIOD - from);
        const expected = pattern(kind);
        for (let i = 0; i < size; i++) if (chunk[done + i] !== expected[from + i]) return `${at} other at ${at + done + i}`;
        done += size;
      }
      at += chunk.length;
    }
  } catch (error) {
    return `${at} broken: ${error.message}`;
  }
  return String(at);
}
