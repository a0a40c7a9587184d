package tasks_test

import (
	"testing"
	"time"

	"example.org/trawl/tasks"
)

func TestParseEvery(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) // a Wednesday
	for s, want := range map[string]time.Time{
		"24h":           now.Add(24 * time.Hour),
		"90m":           now.Add(90 * time.Minute),
		"@every 2h":     now.Add(2 * time.Hour),
		"@daily":        time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC),
		"0 6 * * 1":     time.Date(2026, 3, 9, 6, 0, 0, 0, time.UTC),
		" */30 * * * *": time.Date(2026, 3, 4, 5, 30, 0, 0, time.UTC),
	} {
		e, err := tasks.ParseEvery(s)
		if err != nil || !e.Next(now, now).Equal(want) {
			t.Errorf("%q: next at %s, %v; want %s", s, e.Next(now, now), err, want)
		}
		if again, err := tasks.ParseEvery(e.Spec); err != nil || again.Spec != e.Spec {
			t.Errorf("%q as it is kept: %q, %v", s, e.Spec, err)
		}
	}
	for _, s := range []string{"", "soon", "1s", "-1h", "0", "60 * * * *", "* * * *", "CRON_TZ=Europe/Vienna 0 6 * * *"} {
		if e, err := tasks.ParseEvery(s); err == nil {
			t.Errorf("%q is taken for %q", s, e.Spec)
		}
	}
}

// An interval keeps its phase, and what was missed is not made up for.
func TestEveryKeepsItsPhase(t *testing.T) {
	due := time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)
	e, err := tasks.ParseEvery("1h")
	if err != nil {
		t.Fatal(err)
	}
	for late, want := range map[time.Duration]time.Duration{0: time.Hour, time.Second: time.Hour, 59 * time.Minute: time.Hour, 10*time.Hour + time.Minute: 11 * time.Hour} {
		if next := e.Next(due, due.Add(late)); !next.Equal(due.Add(want)) {
			t.Errorf("%s late: next at %s, want %s", late, next, due.Add(want))
		}
	}
}
