INSERT INTO articles (id, section, title, text, published) VALUES
  (1, 'harvest', 'First flush is in', 'Picked from the tenth of March, three weeks early.', 1),
  (2, 'harvest', 'A dry summer in Uji', 'Half the second harvest is lost.', 1),
  (3, 'brewing', 'Seven infusions', 'What changes in an oolong from one to the next.', 1),
  (4, 'brewing', 'Water', 'Soft water, and what to do where there is none.', 1),
  (5, 'brewing', 'Cold brew', 'Not finished.', 0);

INSERT INTO settings (name, value) VALUES
  ('banner', 'Free shipping in November'),
  ('currency', 'EUR'),
  ('theme', 'autumn');

INSERT INTO jobs (id, state, done, total) VALUES (1, 'running', 120, 480), (2, 'done', 64, 64);

INSERT INTO subscriptions (user, plan, seats) VALUES ('alice', 'team', 12), ('bob', 'single', 1);

INSERT INTO flags (name, is_on)
  WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 30)
  SELECT 'flag-' || n, n % 3 = 0 FROM number;

INSERT INTO tenants (id, name, plan) VALUES ('anna', 'Anna''s Tea House', 'gold'), ('ben', 'Ben & Sons', 'free');

INSERT INTO features (tenant, name) VALUES ('anna', 'reports'), ('anna', 'exports'), ('ben', 'reports');

INSERT INTO tokens (partner, token, expires) VALUES ('parcels', 'tk-5f0c2a', 1000 * unixepoch('now', '+10 minutes'));
