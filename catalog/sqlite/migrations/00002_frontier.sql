-- +goose Up
-- A lane is the waiting pages of one crawl, submitter and priority at one host: what promotion takes turns between.
CREATE TABLE lanes (
  id           INTEGER PRIMARY KEY,
  crawl_id     INTEGER NOT NULL,
  submitter_id INTEGER NOT NULL,
  host_id      INTEGER NOT NULL,
  priority     INTEGER NOT NULL,
  waiting      INTEGER NOT NULL DEFAULT 0,
  due          INTEGER NOT NULL DEFAULT 9000000000000000, -- no page of it is due before
  at           INTEGER NOT NULL DEFAULT 9000000000000000  -- when promotion is to look at it: when pages are due, and its host is free
);
CREATE UNIQUE INDEX lanes_key ON lanes (host_id, crawl_id, submitter_id, priority);
CREATE INDEX lanes_due ON lanes (priority, submitter_id, at) WHERE waiting > 0;
CREATE INDEX lanes_crawl ON lanes (crawl_id);
CREATE INDEX lanes_submitter ON lanes (submitter_id);

ALTER TABLE pages ADD COLUMN lane_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pages ADD COLUMN body_at INTEGER NOT NULL DEFAULT 0; -- when the archived body came, in microseconds; 0: as fetched_at says
ALTER TABLE pages ADD COLUMN sitemap INTEGER NOT NULL DEFAULT 0; -- 1: it is a sitemap or a feed
ALTER TABLE pages ADD COLUMN tries INTEGER NOT NULL DEFAULT 0; -- that met an error, since it was last closed
ALTER TABLE pages ADD COLUMN fault TEXT NOT NULL DEFAULT '';   -- the last error, while it waits for another try
ALTER TABLE pages ADD COLUMN took TEXT NOT NULL DEFAULT '';    -- microseconds of the last answer: connect,tls,first byte,body

INSERT INTO lanes (crawl_id, submitter_id, host_id, priority, waiting, due, at)
  SELECT crawl_id, submitter_id, host_id, priority, sum(state=0), 0, 0 FROM pages GROUP BY crawl_id, submitter_id, host_id, priority;
UPDATE pages SET lane_id=(SELECT id FROM lanes l WHERE l.host_id=pages.host_id AND l.crawl_id=pages.crawl_id
  AND l.submitter_id=pages.submitter_id AND l.priority=pages.priority);
DROP INDEX pages_ready;
CREATE INDEX pages_ready ON pages (lane_id, due, id) WHERE state = 0;

CREATE INDEX pages_retry ON pages (due) WHERE state = 0 AND fault <> '';

DROP INDEX hosts_due;
CREATE INDEX hosts_waiting ON hosts (waiting DESC) WHERE waiting > 0;
ALTER TABLE hosts ADD COLUMN urgent_at INTEGER NOT NULL DEFAULT 0; -- promote_at for pages of high priority, which a full window does not hold up
ALTER TABLE hosts ADD COLUMN site TEXT NOT NULL DEFAULT '';      -- registrable domain
ALTER TABLE hosts ADD COLUMN addr TEXT NOT NULL DEFAULT '';      -- where its visits went last, kept while a crawl limits visits by address
ALTER TABLE hosts ADD COLUMN pace INTEGER NOT NULL DEFAULT 0;    -- nanoseconds that its starts are apart, as it turned out
ALTER TABLE hosts ADD COLUMN state INTEGER NOT NULL DEFAULT 0;   -- 0 ok, 1 backoff, 2 dns, 3 robots, 4 dead
ALTER TABLE hosts ADD COLUMN until INTEGER NOT NULL DEFAULT 0;   -- when it is tried again
ALTER TABLE hosts ADD COLUMN since INTEGER NOT NULL DEFAULT 0;   -- when the trouble began
ALTER TABLE hosts ADD COLUMN held_at INTEGER NOT NULL DEFAULT 0; -- when it was held last, in microseconds
ALTER TABLE hosts ADD COLUMN holds INTEGER NOT NULL DEFAULT 0;   -- how often it was ever held
ALTER TABLE hosts ADD COLUMN fails INTEGER NOT NULL DEFAULT 0;   -- holds in a row
ALTER TABLE hosts ADD COLUMN pushes INTEGER NOT NULL DEFAULT 0;  -- of them, and of those before, for which it was not forgiven: 429 and 503
ALTER TABLE hosts ADD COLUMN fault TEXT NOT NULL DEFAULT '';
ALTER TABLE hosts ADD COLUMN error TEXT NOT NULL DEFAULT '';
ALTER TABLE hosts ADD COLUMN given_up INTEGER NOT NULL DEFAULT 0; -- 1: patience is over, its pages fail
ALTER TABLE hosts ADD COLUMN own_delay INTEGER NOT NULL DEFAULT -1;   -- nanoseconds, as an operator has set them for this host; -1: nobody has
ALTER TABLE hosts ADD COLUMN own_per_host INTEGER NOT NULL DEFAULT 0; -- as well
UPDATE hosts SET robots_state=0, promote_at=0 WHERE robots_state=3;
ALTER TABLE hosts DROP COLUMN robots_fails;
CREATE INDEX hosts_site ON hosts (site) WHERE queued > 0;
CREATE INDEX hosts_addr ON hosts (addr) WHERE queued > 0;
CREATE INDEX hosts_state ON hosts (state) WHERE state > 0;
CREATE INDEX hosts_own ON hosts (own_delay) WHERE own_delay >= 0;

ALTER TABLE crawls ADD COLUMN per_domain INTEGER NOT NULL DEFAULT 0;
ALTER TABLE crawls ADD COLUMN per_ip INTEGER NOT NULL DEFAULT 0;
ALTER TABLE crawls ADD COLUMN adapt INTEGER NOT NULL DEFAULT 1;

ALTER TABLE submitters ADD COLUMN weight INTEGER NOT NULL DEFAULT 100;   -- its share, in hundredths
ALTER TABLE submitters ADD COLUMN pass REAL NOT NULL DEFAULT 0;          -- pages it was handed out, by weight
ALTER TABLE submitters ADD COLUMN max_waiting INTEGER NOT NULL DEFAULT 0; -- 0: no quota
ALTER TABLE submitters ADD COLUMN per_minute INTEGER NOT NULL DEFAULT 0;  -- 0: no quota
ALTER TABLE submitters ADD COLUMN tokens REAL NOT NULL DEFAULT 0;        -- what is left of the minute's pages, as of tokens_at
ALTER TABLE submitters ADD COLUMN tokens_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX counts_submitter ON counts (ref) WHERE dim = 2;

-- What an operator has paused.
CREATE TABLE pauses (
  what  TEXT NOT NULL, -- crawl, host or submitter
  name  TEXT NOT NULL,
  since INTEGER NOT NULL,
  PRIMARY KEY (what, name)
) WITHOUT ROWID;

-- When closed pages are looked at again, and what looks so far have shown: see package revisit.
CREATE TABLE revisits (
  page_id  INTEGER PRIMARY KEY,
  crawl_id INTEGER NOT NULL,
  at       INTEGER NOT NULL, -- far away while a look is under way, or when there is to be none
  last     INTEGER NOT NULL,
  looks    INTEGER NOT NULL,
  changes  INTEGER NOT NULL,
  seen     REAL NOT NULL,
  over     INTEGER NOT NULL, -- nanoseconds
  gone     INTEGER NOT NULL  -- looks in a row that found it gone
);
CREATE INDEX revisits_due ON revisits (crawl_id, at);
ALTER TABLE crawls ADD COLUMN price REAL NOT NULL DEFAULT 0;      -- that a look has to be worth, in seconds of freshness
ALTER TABLE crawls ADD COLUMN price_at INTEGER NOT NULL DEFAULT 0; -- since when
ALTER TABLE crawls ADD COLUMN looked INTEGER NOT NULL DEFAULT 0;   -- looks begun since then
ALTER TABLE crawls ADD COLUMN looks_left REAL NOT NULL DEFAULT 0;  -- of the budget, as of looks_at
ALTER TABLE crawls ADD COLUMN looks_at INTEGER NOT NULL DEFAULT 0;

-- What is submitted again and again.
CREATE TABLE schedules (
  id      INTEGER PRIMARY KEY,
  key     TEXT NOT NULL UNIQUE, -- of the submission: one that arrives twice makes one schedule
  spec    TEXT NOT NULL,
  next_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL DEFAULT 0,
  task    TEXT NOT NULL -- the submission
);

-- Spaces that look endless: see catalog.Maze.
CREATE TABLE mazes (
  id       INTEGER PRIMARY KEY,
  crawl_id INTEGER NOT NULL,
  name     TEXT NOT NULL,
  forms    TEXT NOT NULL DEFAULT '', -- the first combinations of parameters that were met, a line each: they are not in it
  pages    INTEGER NOT NULL DEFAULT 0,
  held     INTEGER NOT NULL DEFAULT 0,
  yield    INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX mazes_name ON mazes (crawl_id, name);
CREATE INDEX mazes_held ON mazes (crawl_id) WHERE held > 0;
ALTER TABLE crawls ADD COLUMN maze_pages INTEGER NOT NULL DEFAULT 100;
ALTER TABLE pages ADD COLUMN maze_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pages ADD COLUMN steps INTEGER NOT NULL DEFAULT 0; -- links before it that changed values in a query only
CREATE INDEX pages_held ON pages (maze_id) WHERE state = 4 AND reason = 'budget';

-- Pages by what they say, those alone that are nobody's copy. Scope 0: mark is the beginning of the digest; otherwise a host, and
-- a quarter of the text's fingerprint.
CREATE TABLE marks (
  crawl_id INTEGER NOT NULL,
  scope    INTEGER NOT NULL,
  mark     INTEGER NOT NULL,
  page_id  INTEGER NOT NULL,
  PRIMARY KEY (crawl_id, scope, mark, page_id)
) WITHOUT ROWID;
ALTER TABLE pages ADD COLUMN print INTEGER NOT NULL DEFAULT 0; -- fingerprint of the text
ALTER TABLE pages ADD COLUMN copy INTEGER NOT NULL DEFAULT 0;  -- 1 exact, 2 near, 3 canonical
ALTER TABLE pages ADD COLUMN copy_of TEXT NOT NULL DEFAULT ''; -- a URL
CREATE INDEX pages_canonical ON pages (copy_of) WHERE copy = 3;

-- Pages admitted to the parts of a crawl that are bounded, since they are.
CREATE TABLE allowances (
  crawl_id INTEGER NOT NULL,
  name     TEXT NOT NULL,
  pages    INTEGER NOT NULL,
  PRIMARY KEY (crawl_id, name)
) WITHOUT ROWID;

-- What everybody needs and is down.
CREATE TABLE outages (
  kind     TEXT PRIMARY KEY,
  since    INTEGER NOT NULL,
  probe_at INTEGER NOT NULL, -- when it is to be tried again, by whoever comes first
  error    TEXT NOT NULL
) WITHOUT ROWID;

-- Tries that met an error.
CREATE TABLE attempts (
  page_id INTEGER NOT NULL,
  at      INTEGER NOT NULL,
  stage   TEXT NOT NULL,
  fault   TEXT NOT NULL,
  error   TEXT NOT NULL,
  took    TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (page_id, at)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE attempts;
DROP TABLE outages;
DROP TABLE allowances;
DROP INDEX pages_canonical;
ALTER TABLE pages DROP COLUMN copy_of;
ALTER TABLE pages DROP COLUMN copy;
ALTER TABLE pages DROP COLUMN print;
DROP TABLE marks;
DROP INDEX pages_held;
ALTER TABLE pages DROP COLUMN steps;
ALTER TABLE pages DROP COLUMN maze_id;
ALTER TABLE crawls DROP COLUMN maze_pages;
DROP TABLE mazes;
DROP TABLE schedules;
ALTER TABLE crawls DROP COLUMN looks_at;
ALTER TABLE crawls DROP COLUMN looks_left;
ALTER TABLE crawls DROP COLUMN looked;
ALTER TABLE crawls DROP COLUMN price_at;
ALTER TABLE crawls DROP COLUMN price;
DROP TABLE revisits;
DROP TABLE pauses;
DROP INDEX counts_submitter;
ALTER TABLE submitters DROP COLUMN tokens_at;
ALTER TABLE submitters DROP COLUMN tokens;
ALTER TABLE submitters DROP COLUMN per_minute;
ALTER TABLE submitters DROP COLUMN max_waiting;
ALTER TABLE submitters DROP COLUMN pass;
ALTER TABLE submitters DROP COLUMN weight;
ALTER TABLE crawls DROP COLUMN adapt;
ALTER TABLE crawls DROP COLUMN per_ip;
ALTER TABLE crawls DROP COLUMN per_domain;
DROP INDEX hosts_own;
DROP INDEX hosts_state;
DROP INDEX hosts_addr;
DROP INDEX hosts_site;
ALTER TABLE hosts ADD COLUMN robots_fails INTEGER NOT NULL DEFAULT 0;
ALTER TABLE hosts DROP COLUMN own_per_host;
ALTER TABLE hosts DROP COLUMN own_delay;
ALTER TABLE hosts DROP COLUMN given_up;
ALTER TABLE hosts DROP COLUMN error;
ALTER TABLE hosts DROP COLUMN fault;
ALTER TABLE hosts DROP COLUMN pushes;
ALTER TABLE hosts DROP COLUMN fails;
ALTER TABLE hosts DROP COLUMN holds;
ALTER TABLE hosts DROP COLUMN held_at;
ALTER TABLE hosts DROP COLUMN since;
ALTER TABLE hosts DROP COLUMN until;
ALTER TABLE hosts DROP COLUMN state;
ALTER TABLE hosts DROP COLUMN pace;
ALTER TABLE hosts DROP COLUMN addr;
ALTER TABLE hosts DROP COLUMN site;
ALTER TABLE hosts DROP COLUMN urgent_at;
DROP INDEX hosts_waiting;
CREATE INDEX hosts_due ON hosts (promote_at) WHERE waiting > 0;
DROP INDEX pages_retry;
DROP INDEX pages_ready;
CREATE INDEX pages_ready ON pages (host_id, priority DESC, due, id) WHERE state = 0;
ALTER TABLE pages DROP COLUMN took;
ALTER TABLE pages DROP COLUMN fault;
ALTER TABLE pages DROP COLUMN tries;
ALTER TABLE pages DROP COLUMN sitemap;
ALTER TABLE pages DROP COLUMN body_at;
ALTER TABLE pages DROP COLUMN lane_id;
DROP TABLE lanes;
