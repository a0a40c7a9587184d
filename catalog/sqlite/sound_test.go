package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/internal/catalogtest"
)

// sound is a catalog that looks at its tables after every step of a test.
type sound struct {
	*sqlite.Catalog
	db *sql.DB
}

func openSound(t *testing.T) catalogtest.Catalog {
	return openSoundAt(t, filepath.Join(t.TempDir(), "catalog.db"))
}

func openSoundAt(t *testing.T, path string) catalogtest.Catalog {
	c := open(t, path)
	db, err := sql.Open("sqlite", path)
	must(t, err)
	return &sound{c, db}
}

func (s *sound) Close() error { return errors.Join(s.db.Close(), s.Catalog.Close()) }

// Sound implements catalogtest.Sound. What promotion goes by has to agree with the pages: a lane that is looked at too late, or
// counts wrong, keeps its pages from ever being handed out.
func (s *sound) Sound(ctx context.Context, now time.Time) error {
	var errs []error
	for what, query := range map[string]string{
		"lanes that count wrong": `SELECT count(*) FROM lanes l WHERE waiting <> (SELECT count(*) FROM pages p WHERE p.lane_id=l.id AND p.state=0)`,
		"hosts that count wrong": `SELECT count(*) FROM hosts h LEFT JOIN (SELECT host_id, sum(state=0) AS w, sum(state=1) AS q FROM pages GROUP BY host_id) p ON p.host_id=h.id
			WHERE waiting <> coalesce(w, 0) OR queued <> coalesce(q, 0)`,
		"pages in another's lane": `SELECT count(*) FROM pages p LEFT JOIN lanes l ON l.id=p.lane_id
			WHERE (l.crawl_id, l.host_id, l.submitter_id, l.priority) IS NOT (p.crawl_id, p.host_id, p.submitter_id, p.priority)`,
		"lanes that are due before they say so": `SELECT count(*) FROM pages p JOIN lanes l ON l.id=p.lane_id WHERE p.state=0 AND l.due > max(?, p.due)`,
		"lanes that are looked at too late": `SELECT count(*) FROM lanes l JOIN hosts h ON h.id=l.host_id WHERE l.waiting > 0
			AND l.at > max(?, (SELECT min(due) FROM pages p WHERE p.lane_id=l.id AND p.state=0), CASE WHEN l.priority > 0 THEN h.urgent_at ELSE h.promote_at END)
			AND NOT EXISTS (SELECT 1 FROM pauses WHERE what='crawl' AND name=(SELECT name FROM crawls WHERE id=l.crawl_id))
			AND NOT EXISTS (SELECT 1 FROM pauses WHERE what='submitter' AND name=(SELECT name FROM submitters WHERE id=l.submitter_id))`,
		"hosts that are left alone for ever": `SELECT count(*) FROM hosts h WHERE waiting > 0 AND max(urgent_at, promote_at) > max(?, until, robots_lease) + 3600000
			AND NOT EXISTS (SELECT 1 FROM pauses WHERE what='host' AND name=h.name)`,
		"visits of pages that wait": `SELECT count(*) FROM pages WHERE state=1 AND visit='' OR state<>1 AND lease<>0`,
		"failures of no page":       `SELECT count(*) FROM pages p WHERE state=3 AND NOT EXISTS (SELECT 1 FROM failures WHERE page_id=p.id)`,
	} {
		var n int
		var args []any
		if strings.Contains(query, "?") {
			args = append(args, now.UnixMilli())
		}
		if err := s.db.QueryRowContext(ctx, query, args...).Scan(&n); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		} else if n != 0 {
			errs = append(errs, fmt.Errorf("there are %d %s", n, what))
		}
	}
	return errors.Join(errs...)
}
