package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"example.org/trawl/catalog"
)

// AddSchedule keeps a schedule, unless one with its key is there.
func (c *Catalog) AddSchedule(ctx context.Context, s catalog.Schedule) error {
	return c.write.do(ctx, func(t *tx) error {
		_, err := t.exec(`INSERT INTO schedules (key, spec, next_at, task) VALUES (?,?,?,?) ON CONFLICT DO NOTHING`, s.Key, s.Spec, s.Next.UnixMilli(), string(s.Task))
		return err
	})
}

// Schedules lists the schedules that are due before the given time, by when that is.
func (c *Catalog) Schedules(ctx context.Context, before time.Time) (out []catalog.Schedule, err error) {
	rows, err := c.reads.QueryContext(ctx, `SELECT id, key, spec, next_at, last_at, task FROM schedules WHERE next_at<=? ORDER BY next_at, id`, before.UnixMilli())
	if err != nil {
		return nil, sqlError(err)
	}
	err = each(rows, func(r *sql.Rows) error {
		var s catalog.Schedule
		var next, last int64
		var task string
		err := r.Scan(&s.ID, &s.Key, &s.Spec, &next, &last, &task)
		if s.Next, s.Task = time.UnixMilli(next).UTC(), json.RawMessage(task); last > 0 {
			s.Last = new(time.UnixMilli(last).UTC())
		}
		out = append(out, s)
		return err
	})
	return out, wrap(err)
}

// Tick tells whether the caller is the one, among all, to submit what is due at s.Next; the schedule is then due at next.
func (c *Catalog) Tick(ctx context.Context, s catalog.Schedule, now, next time.Time) (mine bool, err error) {
	err = c.write.do(ctx, func(t *tx) error {
		n, err := t.exec(`UPDATE schedules SET next_at=?, last_at=? WHERE id=? AND next_at=?`, next.UnixMilli(), now.UnixMilli(), s.ID, s.Next.UnixMilli())
		mine = n > 0
		return err
	})
	return mine, err
}

// RemoveSchedule takes a schedule away; ErrNotFound when there is none.
func (c *Catalog) RemoveSchedule(ctx context.Context, id int64) error {
	found := false
	err := c.write.do(ctx, func(t *tx) error {
		n, err := t.exec(`DELETE FROM schedules WHERE id=?`, id)
		found = n > 0
		return err
	})
	if err == nil && !found {
		err = fmt.Errorf("schedule %d: %w", id, catalog.ErrNotFound)
	}
	return err
}
