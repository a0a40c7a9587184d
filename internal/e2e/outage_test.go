package e2e

import (
	"slices"
	"testing"
	"time"

	"example.org/trawl/internal/rig"
	"example.org/trawl/lab"
)

// TestDNSOutage takes the resolver away in the middle of a crawl, and has pages of hosts come in that nobody has resolved yet.
// Everything waits, no page loses a try, and the resolver is left alone but for a question a second.
func TestDNSOutage(t *testing.T) {
	rig.Whole(t)
	const hosts, each, outage = 30, 15, 15 * time.Second
	w := rig.Web(t, lab.Config{Seed: 42, Hosts: hosts, Pages: 4000, Plain: true})
	s, _ := rig.Cluster(t, w, 2)
	by, db := rig.PagesOf(t, w, each), s.Database()
	old, fresh := split(by, hosts/2)
	s.Enqueue(old, "--delay", "300ms")
	rig.WaitFor(t, "part of the crawl", 20*time.Second, func() bool { return s.Standing().Sum().Stored >= 30 })

	rig.Trouble(t, w, lab.Trouble{DNS: "refuse"})
	began := time.Now()
	s.Enqueue(fresh)
	n := len(old) + len(fresh)
	rig.WaitFor(t, "the outage in trawl status", 15*time.Second, func() bool {
		st := s.Standing()
		return len(st.Outages) == 1 && st.Outages[0].Fault == "dns_down" && st.Backlog["dns"] > 0 && st.Sum().Admitted == int64(n)
	})
	declared := time.Now()
	rig.WaitFor(t, "all visits on their way to give their pages back", 20*time.Second, func() bool {
		st := s.Standing()
		return st.Sum().Queued == 0 && st.Backlog["dns"] == st.Sum().Waiting && st.Backlog["dns"] == st.Waits()
	})
	rig.WaitFor(t, "the outage to last", 2*outage, func() bool {
		asked := w.Questions()
		return asked[len(asked)-1].At.Sub(began) >= outage
	})
	if tried := rig.Number(t, db, `SELECT count(*) FROM pages WHERE tries>0`); tried > 0 {
		t.Errorf("%d pages have lost a try", tried)
	}
	st := s.Standing().Sum()
	ended := time.Now()
	rig.Trouble(t, w, lab.Trouble{})
	if st.Failed+st.Ended > 0 {
		t.Errorf("during the outage: %+v", st)
	}
	known := declared.Add(time.Duration(rig.Slack()) * time.Second) // by every worker, which looks twice a second; what was begun is over
	if late := rig.After(w.Requests(), known); len(late) > 0 && late[0].At.Before(ended) {
		t.Errorf("%s%s was asked for %s after the outage was known", late[0].Host, late[0].Path, late[0].At.Sub(declared))
	}
	burst, during := 0, 0
	for _, q := range w.Questions() {
		switch {
		case q.At.Before(began) || q.At.After(ended):
		case q.At.Before(known):
			burst++
		default:
			during++
		}
	}
	if most := int(ended.Sub(known).Seconds()) + 2; during > most || during < 5 {
		t.Errorf("%d questions within %s of a known outage, want at most %d", during, ended.Sub(known), most)
	}
	if most := 4 * hosts; burst > most {
		t.Errorf("%d questions before the outage was known, want at most %d", burst, most)
	}
	t.Logf("%d questions until the outage was known, after %s; then %d within %s", burst, known.Sub(began), during, ended.Sub(known))

	if st := s.WaitClosed(n, 45*time.Second); st.Sum().Stored != int64(n) || len(st.Outages) > 0 {
		t.Errorf("%+v, want all %d pages stored and no outage", st, n)
	}
	if tried := rig.Number(t, db, `SELECT count(*) FROM pages WHERE tries>0`); tried > 0 {
		t.Errorf("%d pages have lost a try", tried)
	}
}

// split returns the pages of the first n hosts in order of their names, and of the others.
func split(by map[string][]string, n int) (some, others []string) {
	names := make([]string, 0, len(by))
	for name := range by {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		if i < n {
			some = append(some, by[name]...)
		} else {
			others = append(others, by[name]...)
		}
	}
	return some, others
}

// hostRow is a host in trawl hosts --json.
type hostRow struct {
	Host, State, Fault string
	Until              time.Time
	Fails              int
	Waiting, Queued    int64
	Stored, Failed     int64
}

// hostRowOf asks how a host stands.
func hostRowOf(s *rig.Site, name string) hostRow {
	s.T.Helper()
	var rows []hostRow
	s.JSON(&rows, "trawl", "hosts", "--json", name)
	if len(rows) != 1 {
		s.T.Fatalf("trawl hosts %s: %d hosts", name, len(rows))
	}
	return rows[0]
}

// TestHostOutages has several hosts in trouble at once, each in its own. Nobody else notices, no page fails or loses a try, and
// when it is over everything is stored, though a worker was killed meanwhile.
func TestHostOutages(t *testing.T) {
	rig.Whole(t)
	const (
		each  = 20
		down  = 0 // refuses connections
		push  = 1 // asks for three seconds, again and again
		once  = 2 // asks for fewer requests once, and does not say how long
		name  = 3 // cannot be resolved
		hosts = 10
	)
	w := rig.Web(t, lab.Config{Seed: 43, Hosts: hosts, Pages: 2000, Plain: true})
	s, workers := rig.Cluster(t, w, 2)
	by, db := rig.PagesOf(t, w, each), s.Database()
	at := make([]string, hosts) // URLs' scheme, name and port
	names := make([]string, hosts)
	var all []string
	for i, seed := range w.Seeds() {
		at[i], names[i] = seed[:len(seed)-1], rig.HostOf(seed)
		all = append(all, by[names[i]]...)
	}
	broken := map[string]string{names[name]: "servfail"}
	rig.Trouble(t, w, lab.Trouble{Names: broken})
	s.Enqueue(all, "--delay", "300ms")
	rig.WaitFor(t, "part of the crawl", 20*time.Second, func() bool { return s.Standing().Sum().Stored >= 40 })
	rig.Trouble(t, w, lab.Trouble{
		Names: broken, Down: []string{names[down]},
		Push: map[string]lab.Push{names[push]: {Status: 503, RetryAfter: "3"}, names[once]: {Status: 429, Count: 1}},
	})

	for i, want := range map[int]struct {
		state, fault string
		fails        int
		least, most  time.Duration
	}{
		down: {"dead", "connect_refused", 2, 0, 25 * time.Second},
		push: {"backoff", "pushed_back", 2, 0, 5 * time.Second},
		once: {"backoff", "pushed_back", 1, 25 * time.Second, 70 * time.Second},
		name: {"dns", "dns_down", 2, 0, 45 * time.Second},
	} {
		var h hostRow
		rig.WaitFor(t, names[i]+" in trouble", 25*time.Second, func() bool {
			h = hostRowOf(s, at[i])
			return h.State == want.state && h.Fails >= want.fails
		})
		left := time.Until(h.Until)
		if h.Fault != want.fault || left < want.least-5*time.Second || left > want.most || h.Waiting == 0 {
			t.Errorf("%s: %+v, tried again in %s; want %+v", names[i], h, left, want)
		}
	}
	rig.WaitFor(t, "the hosts without trouble", 30*time.Second, func() bool {
		return !slices.ContainsFunc(at[name+1:], func(host string) bool { return hostRowOf(s, host).Stored != each })
	})
	if st := s.Standing(); st.Sum().Failed+st.Sum().Ended > 0 || len(st.Outages) > 0 {
		t.Errorf("with hosts in trouble: %+v", st)
	}

	workers[0].Kill()
	s.Start("trawl", "worker")
	rig.Trouble(t, w, lab.Trouble{})
	rig.WaitFor(t, "the hosts that were in trouble", 55*time.Second, func() bool {
		return !slices.ContainsFunc([]int{down, push, name}, func(i int) bool {
			h := hostRowOf(s, at[i])
			return h.Stored != each || h.State != "ok"
		})
	})
	// The one that did not say for how long is left alone for a minute, which is not waited for.
	if h := hostRowOf(s, at[once]); h.Failed > 0 || h.State != "ok" && h.Waiting+h.Queued+h.Stored != each {
		t.Errorf("%s: %+v", names[once], h)
	}
	if st := s.Standing().Sum(); st.Failed+st.Ended > 0 || st.Admitted != int64(len(all)) {
		t.Errorf("afterwards: %+v", st)
	}
	if tried := rig.Number(t, db, `SELECT count(*) FROM pages WHERE tries>0`); tried > 0 {
		t.Errorf("%d pages have lost a try", tried)
	}
}
