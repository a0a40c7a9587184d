package tasks

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// leastEvery is the shortest interval at which something is submitted again.
const leastEvery = time.Minute

// Every is when something is submitted again.
type Every struct {
	Spec string // as cron has it, or @every with a duration
	when cron.Schedule
}

// ParseEvery reads a duration (24h) or what cron has: five fields or a word such as @daily, in UTC.
func ParseEvery(s string) (Every, error) {
	spec := strings.TrimSpace(s)
	if _, err := time.ParseDuration(spec); err == nil {
		spec = "@every " + spec
	}
	e := Every{Spec: spec}
	var err error
	if e.when, err = cron.ParseStandard(spec); err != nil || strings.Contains(spec, "TZ=") {
		return e, fmt.Errorf("every %q: want a duration such as 24h, or five fields as cron has them, in UTC, such as '0 6 * * 1'", s)
	}
	if d, ok := e.when.(cron.ConstantDelaySchedule); ok && d.Delay < leastEvery {
		return e, fmt.Errorf("every %q: want at least %s", s, leastEvery)
	}
	return e, nil
}

// Next is the first time after now, for something that was due at the given time. What was missed meanwhile is not made up for.
func (e Every) Next(due, now time.Time) time.Time {
	if d, ok := e.when.(cron.ConstantDelaySchedule); ok && now.After(due) {
		return due.Add(now.Sub(due).Truncate(d.Delay) + d.Delay)
	}
	return e.when.Next(now.UTC())
}
