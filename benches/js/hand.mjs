// The same Worker as benches/worker (`hand`) in JavaScript.
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

function route(path) {
  const item = /^\/(item|bypass)\/(\d+)$/.exec(path);
  if (item) return bytes(Number(item[2]), item[1] === "item" ? "public, max-age=86400" : "no-store");
  return path === "/" ? new Response("hello") : new Response("Not Found", { status: 404 });
}

export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (request.method !== "GET" || !pathname.startsWith("/item/")) return route(pathname);
    const cache = caches.default;
    const hit = await cache.match(request.url);
    if (hit) {
      const response = new Response(hit.body, hit);
      response.headers.set("x-cache", "HIT");
      return response;
    }
    const response = route(pathname);
    ctx.waitUntil(cache.put(request.url, response.clone()));
    return response;
  },
};
