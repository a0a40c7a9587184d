-- +goose Up
CREATE INDEX pages_failed ON pages (reason, host_id, crawl_id, submitter_id) WHERE state = 3;

-- +goose Down
DROP INDEX pages_failed;
