package e2e

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"example.org/trawl/internal/redistest"
	"example.org/trawl/internal/rig"
	"example.org/trawl/lab"
	"example.org/trawl/submit"
)

// effective is how long a word of the operator may take to be obeyed by every process.
func effective() time.Duration { return 2 * time.Second * time.Duration(rig.Slack()) }

// TestControl pauses a crawl, a host and a submitter while all of them are at work, restarts the workers, resumes, cancels a crawl,
// and replays what failed. The hosts' log tells what was asked for after which word.
func TestControl(t *testing.T) {
	rig.Whole(t)
	// What each host is there for; the last two go on and fail.
	const docs, other, alone, bobs, free, ill = 0, 1, 2, 3, 4, 5
	const each = 150
	w := rig.Web(t, lab.Config{Seed: 44, Hosts: 6, Pages: 4000, Plain: true})
	s, workers := rig.Cluster(t, w, 2)
	by := rig.PagesOf(t, w, each)
	names := make([]string, 6)
	for i, seed := range w.Seeds() {
		names[i] = rig.HostOf(seed)
	}
	enqueue := func(host, from, to int, crawl, submitter string) {
		t.Helper()
		s.Enqueue(by[names[host]][from:to], "--crawl", crawl, "--submitter", submitter, "--delay", "200ms")
	}
	// The ill one has its robots.txt read while it is well. Its two pages then fail, which takes three more tries each.
	enqueue(ill, 0, 1, "ill", "alice")
	rig.WaitFor(t, "the first page", 20*time.Second, func() bool { return s.Standing().Sum().Stored == 1 })
	rig.Trouble(t, w, lab.Trouble{Status: map[string]int{names[ill]: 500}})
	enqueue(ill, 1, 3, "ill", "alice")
	enqueue(docs, 0, each, "docs", "alice")
	enqueue(other, 0, each, "docs", "bob")
	enqueue(alone, 0, each, "news", "alice")
	enqueue(bobs, 0, each, "news", "bob")
	enqueue(free, 0, each, "news", "alice")
	paused := []int{docs, other, alone, bobs}
	for _, host := range append(slices.Clone(paused), free) {
		waitAsked(s, w, names[host], 5, time.Time{})
	}

	for _, what := range [][]string{{"--crawl", "docs"}, {"--host", names[alone] + portOf(w)}, {"--submitter", "bob"}} {
		s.Must(append([]string{"trawl", "pause"}, what...)...)
	}
	since := time.Now()
	waitAsked(s, w, names[free], 8, since.Add(effective()))
	silence(t, w, names, paused, since.Add(effective()), "paused")
	if st := s.Standing(); len(st.Paused) != 3 || st.Backlog["paused"] == 0 || st.Waits() != st.Sum().Waiting+st.Sum().Queued {
		t.Errorf("while three things are paused: %+v", st)
	}
	for i, p := range workers {
		p.Stop(t)
		workers[i] = s.Start("trawl", "worker")
	}
	waitAsked(s, w, names[free], 8, time.Now())
	silence(t, w, names, paused, since.Add(effective()), "paused, over a restart")

	s.Must("trawl", "resume", "--crawl", "docs")
	resumed := time.Now()
	waitAsked(s, w, names[docs], 5, resumed) // the other host of the crawl is what bob asked for
	s.Must("trawl", "resume", "--host", names[alone]+portOf(w))
	s.Must("trawl", "resume", "--submitter", "bob")
	for _, host := range paused {
		waitAsked(s, w, names[host], 5, resumed)
	}

	cancelled(s, t, w, names)
	replayed(s, t, w)
}

// cancelled cancels the crawl docs, of the first two hosts.
func cancelled(s *rig.Site, t *testing.T, w *lab.Web, names []string) {
	t.Helper()
	var done struct{ Cancelled int64 }
	s.JSON(&done, "trawl", "cancel", "--crawl", "docs", "--json")
	since := time.Now()
	waitAsked(s, w, names[4], 8, since.Add(effective()))
	silence(t, w, names, []int{0, 1}, since.Add(effective()), "cancelled")
	st := s.Standing()
	i := slices.IndexFunc(st.Crawls, func(c rig.Tally) bool { return c.Name == "docs" })
	if c := st.Crawls[i]; c.Ended != done.Cancelled || c.Ended == 0 || c.Waiting+c.Queued+c.Failed > 0 || c.Stored+c.Ended != c.Admitted {
		t.Errorf("%d pages cancelled, and the crawl stands at %+v", done.Cancelled, c)
	}
	for _, p := range s.Export("--crawl", "docs") {
		if state := p.Str("state"); state != "stored" && (state != "ended" || p.Str("reason") != "cancelled") {
			t.Fatalf("%v", p)
		}
	}
}

// replayed waits until the two pages of the crawl ill have failed, and has them tried again when the host is well.
func replayed(s *rig.Site, t *testing.T, w *lab.Web) {
	t.Helper()
	type failures struct {
		Fault                  string
		Pages, Hosts, Attempts int
		Example                string
	}
	var all []failures
	rig.WaitFor(t, "two failures", 45*time.Second, func() bool {
		s.JSON(&all, "trawl", "failures", "--json")
		return len(all) == 1 && all[0].Pages == 2
	})
	if f := all[0]; f.Fault != "server_error" || f.Hosts != 1 || f.Attempts != 8 || !strings.HasPrefix(f.Example, "http://") {
		t.Errorf("failures %+v, want two pages of one host that were tried four times each", f)
	}
	var some []failures
	s.JSON(&some, "trawl", "failures", "--json", "--fault", "dns_down")
	if len(some) > 0 {
		t.Errorf("failures of another kind: %+v", some)
	}
	rig.Trouble(t, w, lab.Trouble{})
	var done struct{ Retried int }
	s.JSON(&done, "trawl", "retry", "--fault", "server_error", "--json")
	if done.Retried != 2 {
		t.Errorf("%d pages retried, want 2", done.Retried)
	}
	rig.WaitFor(t, "the pages that had failed", 20*time.Second, func() bool {
		pages := s.Export("--crawl", "ill")
		return len(pages) == 3 && !slices.ContainsFunc(slices.Collect(maps.Values(pages)), func(p rig.Page) bool { return p.Str("state") != "stored" })
	})
	if s.JSON(&all, "trawl", "failures", "--json"); len(all) > 0 {
		t.Errorf("stored now, and still among the failures: %+v", all)
	}
}

// portOf is the port of all hosts of the web, with its colon.
func portOf(w *lab.Web) string {
	seed := strings.TrimSuffix(w.Seeds()[0], "/")
	return seed[strings.LastIndexByte(seed, ':'):]
}

// waitAsked waits until a host got so many requests for pages after a moment.
func waitAsked(s *rig.Site, w *lab.Web, host string, n int, since time.Time) {
	s.T.Helper()
	rig.WaitFor(s.T, host+" to be asked", 30*time.Second, func() bool {
		got := 0
		for _, r := range rig.After(rig.PageRequests(w), since) {
			if r.Host == host {
				got++
			}
		}
		return got >= n
	})
}

// silence checks that none of the hosts was asked for a page after a moment.
func silence(t *testing.T, w *lab.Web, names []string, hosts []int, since time.Time, why string) {
	t.Helper()
	for _, r := range rig.After(rig.PageRequests(w), since) {
		if slices.ContainsFunc(hosts, func(i int) bool { return names[i] == r.Host }) {
			t.Errorf("%s%s was asked for %s too late: it is %s", r.Host, r.Path, r.At.Sub(since), why)
			return
		}
	}
}

// TestOwnDelay makes one host's delay longer by command and another's shorter while both are at work, and takes it back: the gaps
// grow and shrink within two seconds, also of what was handed out before, a minute ahead.
func TestOwnDelay(t *testing.T) {
	rig.Whole(t)
	const delay, own, slow = 200 * time.Millisecond, 1500 * time.Millisecond, 3 * time.Second
	w := rig.Web(t, lab.Config{Seed: 47, Hosts: 2, Pages: 2000, Plain: true})
	s, _ := rig.Cluster(t, w, 2)
	by := rig.PagesOf(t, w, 900)
	names := []string{rig.HostOf(w.Seeds()[0]), rig.HostOf(w.Seeds()[1])}
	s.Enqueue(by[names[0]], "--delay", delay.String())
	s.Enqueue(by[names[1]], "--crawl", "slow", "--delay", slow.String())
	waitAsked(s, w, names[0], 5, time.Time{})
	waitAsked(s, w, names[1], 2, time.Time{})
	host := names[0] + portOf(w)
	gaps := func(name string, since time.Time, n int, want time.Duration) {
		t.Helper()
		waitAsked(s, w, name, n, since)
		var at []time.Time
		for _, r := range rig.After(rig.PageRequests(w), since) {
			if r.Host == name {
				at = append(at, r.At)
			}
		}
		least, took := apart(t, name, at, want, 0), at[n-1].Sub(since)
		t.Logf("%s: %d requests, at least %s apart, want %s; the first %d took %s", name, len(at), least, want, n, took)
		if most := 40 * time.Second; took > most {
			t.Errorf("%s: %d requests took %s, want less than %s", name, n, took, most)
		}
	}
	ownOf := func() (o struct {
		Delay   float64 `json:"delay_s"`
		PerHost int     `json:"per_host"`
	},
	) {
		t.Helper()
		var all []struct{ Own any }
		s.JSON(&all, "trawl", "hosts", "--json", host)
		if b, err := json.Marshal(all[0].Own); len(all) != 1 || err != nil || json.Unmarshal(b, &o) != nil {
			t.Errorf("trawl hosts says %+v", all)
		}
		return o
	}

	if out := s.Must("trawl", "hosts", "set", host, "--delay", own.String()); !strings.Contains(out, "http://"+host) || !strings.Contains(out, own.String()) {
		t.Errorf("trawl hosts set says %q", out)
	}
	since := time.Now().Add(effective())
	gaps(names[0], since, 6, own)
	gaps(names[1], since, 3, slow)
	if o := ownOf(); o.Delay != own.Seconds() || o.PerHost != 1 {
		t.Errorf("trawl hosts --json says %+v", o)
	}
	for _, args := range [][]string{{"hosts", host}, {"explain", by[names[0]][0]}} {
		if out := s.Must(append([]string{"trawl"}, args...)...); !strings.Contains(out, own.String()) {
			t.Errorf("trawl %s does not name the delay of %s:\n%s", args[0], own, out)
		}
	}

	// At the old delays these would take 45 and 90 seconds, or the minute that was handed out.
	s.Must("trawl", "hosts", "reset", "http://"+host+"/any/page")
	s.Must("trawl", "hosts", "set", names[1]+portOf(w), "--delay", delay.String())
	since = time.Now().Add(effective())
	gaps(names[0], since, 30, delay)
	gaps(names[1], since, 30, delay)
	if o := ownOf(); o.PerHost != 0 {
		t.Errorf("after a reset trawl hosts --json says %+v", o)
	}
}

// TestWrongControl says to each command what it cannot do: the answer is one line that says what is wrong, and where to look.
func TestWrongControl(t *testing.T) {
	rig.Whole(t)
	w := rig.Web(t, lab.Config{Seed: 45, Hosts: 1, Pages: 10, Plain: true})
	s := rig.NewSite(t, w)
	s.Must("trawl", "crawl", "--depth", "0", "--delay", "0", w.Seeds()[0])
	for args, want := range map[string]struct {
		status int
		says   []string
	}{
		"pause --crawl nope":                           {1, []string{`crawl "nope"`, "trawl status"}},
		"pause --submitter nope":                       {1, []string{`submitter "nope"`, "trawl quota"}},
		"pause --host nope.test":                       {1, []string{`host "nope.test"`, "trawl hosts"}},
		"pause --crawl default --submitter root":       {2, []string{"crawl", "submitter"}},
		"pause default":                                {2, []string{"default"}},
		"resume":                                       {2, []string{"--crawl", "trawl pause"}},
		"resume --crawl default":                       {1, []string{"not paused", "trawl pause"}},
		"cancel":                                       {2, []string{"--crawl", "--host", "--submitter"}},
		"cancel --crawl nope":                          {1, []string{`crawl "nope"`, "trawl status"}},
		"cancel --fault dns_down":                      {2, []string{"--fault"}},
		"retry":                                        {2, []string{"--fault"}},
		"retry --fault nope":                           {2, []string{`--fault "nope"`, "trawl failures"}},
		"failures --pages --fault nope":                {2, []string{`--fault "nope"`, "trawl failures"}},
		"failures --pages --limit -1":                  {2, []string{"--limit -1", "at least 1"}},
		"retry --crawl nope":                           {1, []string{`crawl "nope"`, "trawl status"}},
		"failures --fault nope":                        {2, []string{`--fault "nope"`}},
		"failures --submitter nope":                    {1, []string{`submitter "nope"`}},
		"hosts nope.test":                              {1, []string{`host "nope.test"`}},
		"hosts --state odd":                            {2, []string{`--state "odd"`, "backoff", "paused"}},
		"hosts --limit 0":                              {2, []string{"--limit"}},
		"hosts set nope.test --delay 1s":               {1, []string{`host "nope.test"`, "trawl hosts"}},
		"hosts set h0.lab.test":                        {2, []string{"--delay", "trawl hosts reset"}},
		"hosts set h0.lab.test --delay soon":           {2, []string{`--delay "soon"`}},
		"hosts set h0.lab.test --delay -1s":            {2, []string{"--delay -1s"}},
		"hosts set h0.lab.test --delay 1 --per-host 0": {2, []string{"--per-host 0"}},
		"hosts set --delay 1s":                         {2, []string{"trawl hosts set --help"}},
		"hosts reset nope.test":                        {1, []string{`host "nope.test"`, "trawl hosts"}},
		"quota nobody":                                 {1, []string{`submitter "nobody"`}},
		"quota bob --weight 0":                         {2, []string{"--weight"}},
		"quota bob --max-waiting -1":                   {2, []string{"--max-waiting"}},
		"explain http://h0.lab.test/ --crawl nope":     {1, []string{`crawl "nope"`}},
	} {
		t.Run(args, func(t *testing.T) {
			r := s.Run(append([]string{"trawl"}, strings.Fields(args)...)...)
			if r.Status != want.status {
				t.Errorf("status %d, want %d\n%s%s", r.Status, want.status, r.Out, r.Err)
			}
			for _, says := range want.says {
				if !strings.Contains(r.Err, says) {
					t.Errorf("standard error does not name %q:\n%s", says, r.Err)
				}
			}
			if strings.Count(strings.TrimSpace(r.Err), "\n") > 0 {
				t.Errorf("more than one line on standard error:\n%s", r.Err)
			}
		})
	}
	for args, says := range map[string]string{"pause": "nothing is paused", "failures": "no page has failed", "retry --fault dns_down": "0 pages retried"} {
		if out := s.Must(append([]string{"trawl"}, strings.Fields(args)...)...); !strings.Contains(out, says) {
			t.Errorf("trawl %s prints %q, want %q", args, out, says)
		}
	}
}

// TestQuota bounds what two submitters may have waiting: what is over it is refused when it is submitted, and waits when it is a
// link of what was. Such links are looked at again after a minute and a half, which makes this a long test.
func TestQuota(t *testing.T) {
	rig.Whole(t)
	const most = 50
	w := rig.Web(t, lab.Config{Seed: 46, Hosts: 2, Pages: 1000, Plain: true})
	truth, err := w.TruthFor(lab.Ask{Seeds: w.Seeds()[1:2], MaxDepth: 1, NoDigests: true})
	if err != nil {
		t.Fatal(err)
	}
	linked := int64(truth.Counts.Reachable)
	rdb, url := redistest.Client(t)
	s, _ := rig.ClusterAt(t, w, url, 1)
	s.Must("trawl", "quota", "bob", "--max-waiting", "50")
	s.Must("trawl", "quota", "carol", "--max-waiting", "15")
	rig.WaitFor(t, "the quotas to be known to who submits", 15*time.Second, func() bool { return rdb.HLen(t.Context(), submit.QuotasKey).Val() == 2 })

	// Carol's one page leads to far more than she may have waiting.
	s.Enqueue(w.Seeds()[1:2], "--crawl", "linked", "--submitter", "carol", "--depth", "1", "--delay", "0")
	r := s.Enqueued(rig.PagesOf(t, w, 200)[rig.HostOf(w.Seeds()[0])], "--submitter", "bob", "--delay", "1s")
	if r.Status != 3 || !strings.Contains(r.Out, "50 URLs submitted") || strings.Count(r.Err, "over the quota of bob") == 0 || !strings.Contains(r.Err, "may have 50") {
		t.Errorf("status %d\n%s%s", r.Status, r.Out, rig.Last(r.Err, 1000))
	}
	rig.WaitFor(t, "bob's pages", 10*time.Second, func() bool { return tallyOf(s.Standing(), "default").Admitted == most })

	held := false
	rig.WaitFor(t, "the links to come in", 2*time.Minute, func() bool {
		var all []struct {
			Submitter string
			Waiting   int64
		}
		s.JSON(&all, "trawl", "quota", "--json")
		for _, q := range all {
			if q.Submitter == "carol" && q.Waiting > 15 || q.Submitter == "bob" && q.Waiting > most {
				t.Errorf("%s has %d pages waiting", q.Submitter, q.Waiting)
			}
		}
		st := s.Standing()
		c := tallyOf(st, "linked")
		held = held || c.Admitted < linked && st.Unread > 0
		return c.Stored == linked
	})
	if !held {
		t.Error("no links ever waited for the quota: this proves little")
	}
}

// tallyOf is a crawl of which there may be nothing yet.
func tallyOf(st rig.Standing, crawl string) rig.Tally {
	for _, c := range st.Crawls {
		if c.Name == crawl {
			return c
		}
	}
	return rig.Tally{}
}
