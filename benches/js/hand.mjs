// The same Worker as benches/worker (`hand`) in JavaScript, with the routes to the origin.
function bytes(size, cacheControl) {
  const body = new Uint8Array(size);
  for (let i = 0; i < size; i++) body[i] = 97 + (i % 26);
  return new Response(body, {
    headers: {
      "content-type": "application/octet-stream",
      "cache-control": cacheControl,
      etag: `"${size}"`,
      "x-content-type-options": "nosniff",
    },
  });
}

/** Lifetimes of what comes from the origin, by the first part of its path. */
const SECONDS = { day: 86400, brief: 2, behind: 2 };

async function fromOrigin({ pathname, search }) {
  const response = await fetch(`http://origin.example${pathname}${search}`);
  if (!response.ok || response.headers.has("cache-control")) return response;
  const seconds = SECONDS[pathname.split("/")[2]] ?? 5;
  return new Response(response.body, { headers: [...response.headers, ["cache-control", `public, max-age=${seconds}`]] });
}

function route(url) {
  const path = url.pathname;
  if (path.startsWith("/origin/")) return fromOrigin(url);
  const item = /^\/(item|bypass)\/(\d+)$/.exec(path);
  if (item) return bytes(Number(item[2]), item[1] === "item" ? "public, max-age=86400" : "no-store");
  return path === "/" ? new Response("hello") : new Response("Not Found", { status: 404 });
}

export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    if (request.method !== "GET" || !/^\/(item|origin)\//.test(url.pathname)) return route(url);
    const cache = caches.default;
    const hit = await cache.match(request.url);
    if (hit) {
      const response = new Response(hit.body, hit);
      response.headers.set("x-cache", "HIT");
      return response;
    }
    const response = await route(url);
    if (response.headers.get("cache-control")?.includes("no-store")) return response;
    ctx.waitUntil(cache.put(request.url, response.clone()));
    return response;
  },
};
