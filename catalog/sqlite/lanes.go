package sqlite

import (
	"fmt"
	"time"
)

// never is later than any page is due.
const never = 9_000_000_000_000_000

// lane returns the lane of what p names with that priority, made if it is not there.
func (c *Catalog) lane(t *tx, p place, priority int) (int64, error) {
	key := fmt.Sprintf("lane %d %d %d %d", p.host, p.crawl, p.submitter, priority)
	return c.remember(t, key, func() (id int64, err error) {
		args := []any{p.host, p.crawl, p.submitter, priority}
		found, err := t.row(`SELECT id FROM lanes WHERE host_id=? AND crawl_id=? AND submitter_id=? AND priority=?`, args, &id)
		if err == nil && !found {
			_, err = t.row(`INSERT INTO lanes (host_id, crawl_id, submitter_id, priority) VALUES (?,?,?,?) RETURNING id`, args, &id)
		}
		return id, err
	})
}

// wake says that a page of the lane is due at that time: promotion looks at the lane then, or when its host is free.
func (t *tx) wake(lane int64, due time.Time) error {
	ms := due.UnixMilli()
	_, err := t.exec(`UPDATE lanes SET due=min(due, ?), at=min(at, max(?, (SELECT CASE WHEN lanes.priority > 0 THEN urgent_at ELSE promote_at END FROM hosts WHERE id=lanes.host_id)))
		WHERE id=?`, ms, ms, lane)
	return err
}

// freeHost lets promotion look at all lanes of the host from the given time on.
func (t *tx) freeHost(host int64, from time.Time) error { return t.closeHost(host, from, from) }

// closeHost keeps promotion from looking at the lanes of the host before the given times, the second being for those of high priority.
func (t *tx) closeHost(host int64, until, urgent time.Time) error {
	at, first := until.UnixMilli(), urgent.UnixMilli()
	if _, err := t.exec(`UPDATE hosts SET promote_at=?, urgent_at=? WHERE id=?`, at, first, host); err != nil {
		return err
	}
	_, err := t.exec(`UPDATE lanes SET at=max(due, CASE WHEN priority > 0 THEN ? ELSE ? END) WHERE host_id=?`, first, at, host)
	return err
}

// rest keeps promotion from looking at one lane before the given time.
func (t *tx) rest(lane int64, until time.Time) error {
	_, err := t.exec(`UPDATE lanes SET at=? WHERE id=?`, until.UnixMilli(), lane)
	return err
}

// lookAgain says when promotion is to come back to a lane of which everything that was due has been handed out.
func (t *tx) lookAgain(lane int64) error {
	_, err := t.exec(`UPDATE lanes SET due=coalesce((SELECT min(due) FROM pages WHERE lane_id=lanes.id AND state=0), 9000000000000000) WHERE id=?`, lane)
	if err == nil {
		_, err = t.exec(`UPDATE lanes SET at=max(due, (SELECT CASE WHEN lanes.priority > 0 THEN urgent_at ELSE promote_at END FROM hosts WHERE id=lanes.host_id)) WHERE id=?`, lane)
	}
	return err
}
