CREATE TABLE articles (
  id INTEGER PRIMARY KEY,
  section TEXT NOT NULL,
  title TEXT NOT NULL,
  text TEXT NOT NULL,
  published INTEGER NOT NULL
);
CREATE INDEX articles_by_section ON articles (section, published);

CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE jobs (id INTEGER PRIMARY KEY, state TEXT NOT NULL, done INTEGER NOT NULL, total INTEGER NOT NULL);

CREATE TABLE subscriptions (user TEXT PRIMARY KEY, plan TEXT NOT NULL, seats INTEGER NOT NULL);

CREATE TABLE flags (name TEXT PRIMARY KEY, is_on INTEGER NOT NULL);

CREATE TABLE tenants (id TEXT PRIMARY KEY, name TEXT NOT NULL, plan TEXT NOT NULL);

CREATE TABLE features (tenant TEXT NOT NULL REFERENCES tenants (id), name TEXT NOT NULL, PRIMARY KEY (tenant, name));

-- Another service renews the tokens: each is good until a moment of its own, in milliseconds since 1970.
CREATE TABLE tokens (partner TEXT PRIMARY KEY, token TEXT NOT NULL, expires INTEGER NOT NULL);
