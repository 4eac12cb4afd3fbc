// node tests/leaks/sieve.mjs ORIGIN_PORT
// The worst cache there is. One run of the origin, whatever comes of it, answers all requests of a case, and tells
// everybody who had asked first. It shows which cases can fail.
import http from "node:http";

const port = Number(process.argv[2]);
const kept = new Map();

/** The case's name in the path: to a sieve all else is the same. */
function key(target) {
  let path = target.replace(/^http:\/\/[^/]*/, "").replace(/\?.*/, "");
  for (let i = 0; i < 3; i++)
    path = path.replace(/%[0-9a-f]{2}/gi, (escape) => String.fromCharCode(parseInt(escape.slice(1), 16)));
  return /~[a-z0-9.-]+~/.exec(path.toLowerCase())?.[0] ?? path;
}

/** What the origin says, as far as it gets. */
function ask({ method, url, headers }, body) {
  return new Promise((resolve) => {
    const path = url.replace(/^http:\/\/[^/]*/, "");
    const onward = http.request({ host: "127.0.0.1", port, method, path, headers, agent: false }, (answer) => {
      const chunks = [];
      const done = () => resolve({ status: answer.statusCode, raw: answer.rawHeaders, body: Buffer.concat(chunks) });
      answer.on("data", (chunk) => chunks.push(chunk)).on("close", done);
      answer.on("error", () => {});
    });
    onward.on("error", () => resolve({ status: 502, raw: [], body: Buffer.alloc(0) }));
    onward.end(body);
  });
}

const server = http.createServer({ maxHeaderSize: 64 * 1024 }, async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const name = key(request.url);
  if (!kept.has(name)) kept.set(name, { first: request.headers, answer: ask(request, Buffer.concat(chunks)) });
  const { first, answer } = kept.get(name);
  const { status, raw, body } = await answer;
  const framing = ["content-length", "transfer-encoding", "connection"];
  const lines = raw.flatMap((field, i) => (i % 2 || framing.includes(field.toLowerCase()) ? [] : [field, raw[i + 1]]));
  response.writeHead(status, [...lines, "x-key", name, "x-first", JSON.stringify(first)]);
  response.end(body);
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
