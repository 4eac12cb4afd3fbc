// A Hono app with its cache middleware, as its documentation begins: `cacheName` and `cacheControl`. It has no stale windows and
// answers no ranges; 304 is the work of `etag()`, which is only on the route that needs it.
import { Hono } from "hono";
import { cache } from "hono/cache";
import { etag } from "hono/etag";
import { DAY, bytes, fromOrigin, heads } from "./pages.mjs";

const app = new Hono();
const stored = cache({ cacheName: "bench", cacheControl: "public, max-age=86400" });

/** Says who answered: proof that the tier meant is the tier measured. */
async function tell(c, next) {
  await next();
  if (!c.get("made")) c.header("x-cache", "HIT");
}

const item = (c) => {
  c.set("made", true);
  return bytes(Number(c.req.param("size")), DAY);
};
const bypass = (c) => bytes(Number(c.req.param("size")), "no-store");

app.get("/", (c) => c.text("hello"));
app.get("/bypass/:size", bypass);
app.get("/item/:size", tell, stored, item);
app.get("/tagged/:size", tell, etag(), stored, item);
app.get("/heads/:size", tell, stored, (c) => {
  c.set("made", true);
  return heads(Number(c.req.param("size")));
});
app.get("/origin/*", stored, (c) => fromOrigin(new URL(c.req.url)));

for (const noun of ["articles", "authors", "invoices", "orders", "products", "sections", "tenants", "users"]) {
  for (const rest of ["", "/new", "/:id", "/:id/edit", "/:id/comments", "/:id/comments/:comment"]) {
    app.get(`/wide/${noun}${rest}`, (c) => c.text("another route"));
  }
}
app.get("/wide/item/:size", tell, stored, item);
app.get("/wide/bypass/:size", bypass);

export default app;
