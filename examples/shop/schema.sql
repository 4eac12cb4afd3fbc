CREATE TABLE products (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  category TEXT NOT NULL,
  price_cents INTEGER NOT NULL,
  stock INTEGER NOT NULL,
  description TEXT NOT NULL
);
CREATE INDEX products_by_category ON products (category);

CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  session TEXT NOT NULL,
  product_id INTEGER NOT NULL REFERENCES products (id),
  quantity INTEGER NOT NULL
);
CREATE INDEX orders_by_session ON orders (session);
