package e2e

import (
	"math/rand/v2"
	"testing"
	"time"

	"example.org/trawl/internal/redistest"
	"example.org/trawl/internal/rig"
	"example.org/trawl/lab"
)

// TestExactAccounting kills workers, and takes everything away from Redis, while it compares again and again what is counted with
// what there is: in the database at one moment, and in what trawl status says.
func TestExactAccounting(t *testing.T) {
	rig.Whole(t)
	const kills, flushes = 6, 2
	rdb, url := redistest.Client(t)
	w := rig.Web(t, lab.Config{Seed: 50, Hosts: 6, Pages: 1500})
	s, _ := rig.ClusterAt(t, w, url, 1)
	s.Must(rig.Seeded(w, "enqueue")...)
	db := s.Database()
	polls, busy := 0, 0
	poll := func() rig.Standing {
		t.Helper()
		// One statement reads one state of the database.
		if off := rig.Number(t, db, `SELECT
			(SELECT count(*) FROM (SELECT state, count(*) n FROM pages GROUP BY state) p, (SELECT sum(waiting) s0, sum(queued) s1, sum(stored) s2, sum(failed) s3, sum(ended) s4 FROM counts WHERE dim=0 AND ref=0)
				WHERE n<>CASE state WHEN 0 THEN s0 WHEN 1 THEN s1 WHEN 2 THEN s2 WHEN 3 THEN s3 ELSE s4 END)
			+(SELECT abs(count(*)-(SELECT coalesce(sum(waiting+queued+stored+failed+ended), 0) FROM counts WHERE dim=0 AND ref=0)) FROM pages)
			+(SELECT count(*) FROM hosts h WHERE h.waiting<>(SELECT count(*) FROM pages WHERE host_id=h.id AND state=0) OR h.queued<>(SELECT count(*) FROM pages WHERE host_id=h.id AND state=1))
			+(SELECT count(*) FROM lanes l WHERE l.waiting<>(SELECT count(*) FROM pages WHERE lane_id=l.id AND state=0))`); off > 0 {
			t.Errorf("poll %d: the counters are off by %d", polls, off)
		}
		st := s.Standing()
		all := st.Sum()
		if all.Admitted != all.Waiting+all.Queued+all.Stored+all.Failed+all.Ended || st.Waits() != all.Waiting+all.Queued {
			t.Errorf("poll %d: %+v", polls, st)
		}
		for reason, n := range st.Backlog {
			if n < 0 {
				t.Errorf("poll %d: %d pages wait for %s", polls, n, reason)
			}
		}
		if polls++; all.Waiting+all.Queued > 0 {
			busy++
		}
		return st
	}
	victim := s.Start("trawl", "worker")
	for i := range kills + flushes {
		timer := time.NewTimer(time.Duration(500+rand.N(500)) * time.Millisecond)
		for waiting := true; waiting; {
			poll()
			select {
			case <-timer.C:
				waiting = false
			default:
			}
		}
		if i%(kills/flushes+1) == kills/flushes {
			if err := rdb.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		victim.Kill()
		victim = s.Start("trawl", "worker")
	}
	rig.WaitFor(t, "the end of the crawl", 90*time.Second, func() bool {
		all := poll()
		return all.Sum().Waiting+all.Sum().Queued == 0 && all.Unread == 0 && all.Sum().Admitted > 0
	})
	s.WaitDone(30 * time.Second)
	poll()
	t.Logf("%d polls, %d of them while pages were open", polls, busy)
	if busy < 20 {
		t.Errorf("only %d polls while pages were open: this proves little", busy)
	}
	rig.CheckTruth(t, w.Truth(), s.Export())
}
