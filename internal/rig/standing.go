package rig

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Standing is what trawl status --json says.
type Standing struct {
	Crawls  []Tally
	Backlog map[string]int64
	Unread  int64 `json:"links_waiting"`
	Outages []struct{ Fault string }
	Paused  []struct{ What, Name string }
}

// Tally is a crawl in it.
type Tally struct {
	Name                                             string
	Admitted, Waiting, Queued, Stored, Failed, Ended int64
	ETA                                              float64 `json:"eta_s"`
}

// Sum is all crawls in one.
func (st Standing) Sum() (all Tally) {
	for _, c := range st.Crawls {
		all.Admitted += c.Admitted
		all.Waiting += c.Waiting
		all.Queued += c.Queued
		all.Stored += c.Stored
		all.Failed += c.Failed
		all.Ended += c.Ended
	}
	return all
}

// Waits is how many pages its reasons add up to.
func (st Standing) Waits() (n int64) {
	for _, v := range st.Backlog {
		n += v
	}
	return n
}

// Standing asks how the crawls stand.
func (s *Site) Standing() (st Standing) {
	s.T.Helper()
	s.JSON(&st, "trawl", "status", "--json")
	return st
}

// WaitDone waits until the default crawl has pages and none that is open.
func (s *Site) WaitDone(atMost time.Duration) {
	s.T.Helper()
	WaitFor(s.T, "end of the crawl", atMost, func() bool {
		r := s.Run("trawl", "status", "--json")
		if r.Status != 0 {
			return false // there is no database yet
		}
		var st struct {
			Crawls []struct {
				Admitted, Waiting, Queued int
			}
			IndexLag int `json:"index_lag"`
			Unread   int `json:"links_waiting"`
			Stages   []struct {
				Stage                             string
				Pending, Active, Scheduled, Retry int
			}
		}
		if err := json.Unmarshal([]byte(r.Out), &st); err != nil {
			s.T.Fatal(err)
		}
		if len(st.Crawls) != 1 || st.Crawls[0].Admitted == 0 || st.Crawls[0].Waiting+st.Crawls[0].Queued > 0 || st.IndexLag+st.Unread > 0 {
			return false
		}
		for _, stage := range st.Stages {
			if stage.Stage == "admit" && stage.Pending+stage.Active+stage.Scheduled+stage.Retry > 0 {
				return false
			}
		}
		return true
	})
}

// WaitClosed waits until so many pages are admitted and none is open, and returns how it all stands then.
func (s *Site) WaitClosed(n int, atMost time.Duration) (st Standing) {
	s.T.Helper()
	WaitFor(s.T, "end of all pages", atMost, func() bool {
		st = s.Standing()
		all := st.Sum()
		return all.Admitted >= int64(n) && all.Waiting+all.Queued == 0
	})
	return st
}

// StoredEvents counts the stored pages that the counts published in Redis speak of.
func StoredEvents(t *testing.T, rdb redis.UniversalClient) int64 {
	t.Helper()
	raw, err := rdb.HGet(context.WithoutCancel(t.Context()), "trawl:counts", "default").Bytes()
	if err != nil {
		return 0
	}
	var c struct{ Stored int64 }
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	return c.Stored
}
