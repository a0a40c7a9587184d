package status

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/tasks"
)

// Schedule is a submission that is made again and again, with what it submits.
type Schedule struct {
	catalog.Schedule
	Submits tasks.Admit
}

// What names the first of its URLs, and how many more there are.
func (s Schedule) What() string {
	switch n := len(s.Submits.URLs); n {
	case 0:
		return "-"
	case 1:
		return Printable(s.Submits.URLs[0])
	default:
		return fmt.Sprintf("%s and %d more", Printable(s.Submits.URLs[0]), n-1)
	}
}

// Schedules lists all schedules.
func Schedules(ctx context.Context, c interface {
	Schedules(ctx context.Context, until time.Time) ([]catalog.Schedule, error)
},
) (out []Schedule, err error) {
	all, err := c.Schedules(ctx, time.Now().AddDate(100, 0, 0))
	for _, s := range all {
		x := Schedule{Schedule: s}
		if err := json.Unmarshal(s.Task, &x.Submits); err != nil {
			return nil, fmt.Errorf("schedule %d: %w", s.ID, err)
		}
		out = append(out, x)
	}
	return out, err
}
