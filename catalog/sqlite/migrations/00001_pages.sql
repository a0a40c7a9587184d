-- +goose Up
CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE crawls (
  id        INTEGER PRIMARY KEY,
  name      TEXT NOT NULL UNIQUE,
  settings  TEXT NOT NULL,
  delay     INTEGER NOT NULL, -- nanoseconds
  per_host  INTEGER NOT NULL,
  max_pages INTEGER NOT NULL,
  created   INTEGER NOT NULL  -- Unix milliseconds, as all times here
);

CREATE TABLE roots (
  crawl_id INTEGER NOT NULL REFERENCES crawls (id),
  root     TEXT NOT NULL,
  PRIMARY KEY (crawl_id, root)
) WITHOUT ROWID;

CREATE TABLE submitters (
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
);

CREATE TABLE segments (
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE -- a file of the archive
);

CREATE TABLE hosts (
  id            INTEGER PRIMARY KEY,
  name          TEXT NOT NULL UNIQUE, -- scheme://name:port
  robots_state  INTEGER NOT NULL DEFAULT 0,
  robots        BLOB,
  robots_delay  INTEGER NOT NULL DEFAULT 0, -- nanoseconds
  robots_at     INTEGER NOT NULL DEFAULT 0,
  robots_until  INTEGER NOT NULL DEFAULT 0,
  robots_fails  INTEGER NOT NULL DEFAULT 0,
  robots_visit  TEXT NOT NULL DEFAULT '',
  robots_lease  INTEGER NOT NULL DEFAULT 0,
  promote_at    INTEGER NOT NULL DEFAULT 0, -- when promotion is to look at this host again
  waiting       INTEGER NOT NULL DEFAULT 0,
  queued        INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX hosts_due ON hosts (promote_at) WHERE waiting > 0;
CREATE INDEX hosts_robots ON hosts (robots_lease) WHERE robots_visit <> '';

CREATE TABLE pages (
  id            INTEGER PRIMARY KEY,
  crawl_id      INTEGER NOT NULL,
  key           BLOB NOT NULL, -- first 16 octets of the URL's SHA-256
  host_id       INTEGER NOT NULL,
  submitter_id  INTEGER NOT NULL,
  url           TEXT NOT NULL,
  origin        TEXT NOT NULL,
  via           TEXT NOT NULL DEFAULT '', -- the page that first linked here
  depth         INTEGER NOT NULL,
  reach         INTEGER NOT NULL,
  priority      INTEGER NOT NULL,
  state         INTEGER NOT NULL DEFAULT 0, -- 0 waiting, 1 queued, 2 stored, 3 failed, 4 ended
  reason        TEXT NOT NULL DEFAULT '',
  due           INTEGER NOT NULL,
  visit         TEXT NOT NULL DEFAULT '',
  lease         INTEGER NOT NULL DEFAULT 0,
  visits        INTEGER NOT NULL DEFAULT 0,
  first_seen    INTEGER NOT NULL,
  fetched_at    INTEGER NOT NULL DEFAULT 0,
  status        INTEGER NOT NULL DEFAULT 0,
  final_url     TEXT NOT NULL DEFAULT '',
  mime          TEXT NOT NULL DEFAULT '',
  charset       TEXT NOT NULL DEFAULT '',
  size          INTEGER NOT NULL DEFAULT 0,
  digest        TEXT NOT NULL DEFAULT '', -- of the decoded body
  payload       TEXT NOT NULL DEFAULT '', -- of the body as archived
  truncated     TEXT NOT NULL DEFAULT '',
  title         TEXT NOT NULL DEFAULT '',
  description   TEXT NOT NULL DEFAULT '',
  lang          TEXT NOT NULL DEFAULT '',
  canonical     TEXT NOT NULL DEFAULT '',
  etag          TEXT NOT NULL DEFAULT '',
  last_modified TEXT NOT NULL DEFAULT '',
  segment_id    INTEGER NOT NULL DEFAULT 0,
  warc_offset   INTEGER NOT NULL DEFAULT 0,
  warc_length   INTEGER NOT NULL DEFAULT 0,
  leads         INTEGER NOT NULL DEFAULT 0, -- 1: its links, or where it redirects to, are to be followed
  expand        INTEGER NOT NULL DEFAULT 0, -- since when they wait to be admitted; 0: they are
  seq           INTEGER NOT NULL DEFAULT 0 -- grows with every change that the index has to follow; 0: not searchable
);
CREATE UNIQUE INDEX pages_key ON pages (crawl_id, key);
CREATE INDEX pages_ready ON pages (host_id, priority DESC, due, id) WHERE state = 0;
CREATE INDEX pages_leased ON pages (lease) WHERE state = 1;
CREATE INDEX pages_expand ON pages (expand) WHERE expand > 0;
CREATE INDEX pages_seq ON pages (seq) WHERE seq > 0;

CREATE TABLE contents (
  page_id INTEGER PRIMARY KEY,
  links   BLOB NOT NULL, -- S2, a URL a line; first, for it is read alone
  text    BLOB NOT NULL  -- S2
);

CREATE TABLE failures (
  page_id  INTEGER PRIMARY KEY,
  kind     TEXT NOT NULL,
  stage    TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  error    TEXT NOT NULL,
  first_at INTEGER NOT NULL,
  last_at  INTEGER NOT NULL
);

-- How many pages are in each state, changed in the transaction that changes the page.
-- dim 0: of the crawl (ref 0); 1: of a host in it; 2: of a submitter in it.
CREATE TABLE counts (
  crawl_id INTEGER NOT NULL,
  dim      INTEGER NOT NULL,
  ref      INTEGER NOT NULL,
  waiting  INTEGER NOT NULL DEFAULT 0,
  queued   INTEGER NOT NULL DEFAULT 0,
  stored   INTEGER NOT NULL DEFAULT 0,
  failed   INTEGER NOT NULL DEFAULT 0,
  ended    INTEGER NOT NULL DEFAULT 0,
  bytes    INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (crawl_id, dim, ref)
) WITHOUT ROWID;
CREATE INDEX counts_host ON counts (ref) WHERE dim = 1;

CREATE TABLE reasons (
  crawl_id INTEGER NOT NULL,
  reason   TEXT NOT NULL,
  n        INTEGER NOT NULL,
  PRIMARY KEY (crawl_id, reason)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE reasons;
DROP TABLE counts;
DROP TABLE failures;
DROP TABLE contents;
DROP TABLE pages;
DROP TABLE hosts;
DROP TABLE segments;
DROP TABLE submitters;
DROP TABLE roots;
DROP TABLE crawls;
DROP TABLE meta;
