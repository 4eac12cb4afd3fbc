// The same Worker as benches/worker (`hand`) in JavaScript, with the routes to the origin.
import { BRIEF_MS, route } from "./pages.mjs";

function marked(hit, how) {
  const response = new Response(hit.status === 304 ? null : hit.body, hit);
  response.headers.set("x-cache", how);
  return response;
}

/** Stale while a refresh runs: the store keeps the entry for longer than it is fresh, and a field says since when. */
async function staleWhileRevalidate(url, key, ctx) {
  const cache = caches.default;
  const render = () => {
    const response = route(url);
    const copy = response.clone();
    copy.headers.set("cache-control", "public, max-age=86400");
    copy.headers.set("x-born", String(Date.now()));
    ctx.waitUntil(cache.put(key, copy));
    return response;
  };
  const hit = await cache.match(key);
  if (!hit) return render();
  if (Date.now() < Number(hit.headers.get("x-born")) + BRIEF_MS) return marked(hit, "HIT");
  render();
  return marked(hit, "STALE");
}

export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    if (request.method !== "GET" || !/^\/(item|heads|stale|origin)\//.test(url.pathname)) return route(url);
    if (url.pathname.startsWith("/stale/")) return staleWhileRevalidate(url, request.url, ctx);
    const cache = caches.default;
    // The Cache API answers parts and 304 itself when it is given the request rather than its URL.
    const wantsLess = request.headers.has("range") || request.headers.has("if-none-match");
    const hit = await cache.match(wantsLess ? request : request.url);
    if (hit) return marked(hit, "HIT");
    const response = await route(url);
    if (response.headers.get("cache-control")?.includes("no-store")) return response;
    ctx.waitUntil(cache.put(request.url, response.clone()));
    return response;
  },
};
