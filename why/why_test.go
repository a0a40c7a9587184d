package why_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"example.org/trawl/fault"
	"example.org/trawl/signals"
	"example.org/trawl/tasks"
	"example.org/trawl/why"
)

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// scene is a crawl in signals alone: 50 pages a second of 30 hosts, for three submitters, all in order. Trouble changes its ticks.
type scene struct {
	rng    *rand.Rand
	ticks  []signals.Tick
	open   int64
	closed int64
}

func (s *scene) about(x float64) float64 { return x * (0.9 + 0.2*s.rng.Float64()) }

func (s *scene) times(n int, d time.Duration) (h signals.Hist) {
	for range n {
		h.Add(time.Duration(s.about(float64(d))))
	}
	return h
}

func topOf(n map[string]int64) *signals.Top {
	t := &signals.Top{}
	for name, x := range n {
		t.Add(name, x)
	}
	return t
}

// tick adds a healthy tick, changed by trouble.
func (s *scene) tick(trouble func(*signals.Tick)) {
	t := signals.Tick{Processes: []signals.Process{worker()}}
	t.At, t.Span = began.Add(time.Duration(len(s.ticks)+1)*signals.Every), signals.Every
	n := int(s.about(250))
	t.Stages = map[tasks.Kind]*signals.Flow{}
	state := &signals.State{At: t.At, Queues: map[tasks.Kind]signals.Queue{}, Troubled: map[string]int64{}}
	for _, k := range tasks.Stages() {
		took := map[tasks.Kind]time.Duration{tasks.KindFetch: 120 * time.Millisecond, tasks.KindStore: 6 * time.Millisecond}[k] + time.Millisecond
		f := &signals.Flow{Enqueued: int64(n), Started: int64(n), Done: int64(n), Service: s.times(n, took), Wait: s.times(n, 20*time.Millisecond)}
		f.Busy = f.Service.Sum()
		t.Stages[k] = f
		state.Queues[k] = signals.Queue{Pending: s.rng.IntN(20), Workers: 2, Slots: 2 * tasks.SpecOf(k).Concurrency, Oldest: time.Duration(s.rng.IntN(200)) * time.Millisecond}
	}
	t.Web = signals.Web{
		Lookups: 10, Answers: int64(n), Bytes: int64(n) * 25_000, DNS: s.times(10, 2*time.Millisecond), Connect: s.times(30, 20*time.Millisecond),
		FirstByte: s.times(n, 100*time.Millisecond), Body: s.times(n, 20*time.Millisecond),
	}
	t.Web.Busy = t.Web.Connect.Sum() + t.Web.FirstByte.Sum() + t.Web.Body.Sum()
	hosts := map[string]int64{}
	for i := range 30 {
		hosts[fmt.Sprintf("http://h%d.test:80", i)] = int64(s.about(100))
	}
	subs := map[string]int64{"ann": 120, "ben": 90, "cleo": 40}
	t.Top = map[string]*signals.Top{
		"arrivals/host": topOf(hosts), "arrivals/submitter": topOf(subs), "arrivals/origin": topOf(map[string]int64{"link": 245, "seed": 5}),
		"bytes/host": topOf(hosts), "bytes/domain": topOf(hosts), "bytes/block": topOf(hosts), "bytes/type": topOf(map[string]int64{"text/html": 95, "application/pdf": 5}),
		"busy/host": topOf(hosts), "busy/type": topOf(map[string]int64{"text/html": 95, "application/pdf": 5}),
		"starts/origin": topOf(map[string]int64{"first": 240, "retry": 2, "revisit": 8}), "starts/submitter": topOf(subs),
	}
	state.Open = s.open
	state.Backlog = map[string]int64{"polite": s.open * 9 / 10, "ready": s.open / 20}
	state.Backlog["backpressure"] = s.open - state.Backlog["polite"] - state.Backlog["ready"]
	for i := range 10 {
		state.Hosts = append(state.Hosts, signals.Waiting{Name: fmt.Sprintf("http://h%d.test:80", i), Pages: s.open / 30, State: "ok", ETA: 60})
	}
	state.Submitters = []signals.Waiting{{Name: "ann", Pages: s.open / 2}, {Name: "ben", Pages: s.open / 3}, {Name: "cleo", Pages: s.open / 6}}
	state.Redis = signals.Redis{Ping: time.Duration(s.about(3e5)), Used: 20 << 20, Max: 256 << 20}
	state.Disks = []signals.Disk{{Path: "/data", Free: 50 << 30, Size: 100 << 30}}
	state.Canaries = map[string]signals.Canary{
		"dns": {Took: 2 * time.Millisecond}, "database": {Took: time.Duration(s.about(5e6))}, "archive": {Took: time.Duration(s.about(8e6))},
	}
	s.closed += int64(n)
	state.Closed = s.closed
	t.State = state
	if trouble != nil {
		trouble(&t)
	}
	s.ticks = append(s.ticks, t)
}

func (s *scene) window() signals.Window {
	n := int(why.Length / signals.Every)
	last := s.ticks[len(s.ticks)-1]
	return signals.Window{Now: last.At.Add(time.Second), Ticks: s.ticks[max(len(s.ticks)-n, 0):]}
}

func worker() signals.Process {
	return signals.Process{ID: "w", Role: "up", PID: 7, Host: "box", Stages: tasks.Stages(), CPU: 0.8, Busy: 0.4, Cores: 2, Memory: 300 << 20, MemMax: 8 << 30, Files: 100, FileMax: 1024}
}

// starved takes the work away that a stage and those after it do.
func starved(t *signals.Tick, from ...tasks.Kind) {
	for _, k := range from {
		t.Stages[k] = &signals.Flow{}
	}
}

// trouble is one thing that goes wrong, as the signals show it. I counts the ticks since it began.
type trouble struct {
	verdict why.Verdict
	who     string
	change  func(s *scene, t *signals.Tick, i int)
}

// backlogOf makes most of what is open wait for one reason.
func backlogOf(t *signals.Tick, reason string) {
	n := t.State.Open
	t.State.Backlog = map[string]int64{reason: n * 9 / 10, "ready": n - n*9/10}
}

var troubles = map[string]trouble{
	"redis is full": {why.Redis, "", func(_ *scene, t *signals.Tick, _ int) { t.State.Redis.Used = 170 << 20; backlogOf(t, "backpressure") }},
	"redis is slow": {why.Redis, "", func(_ *scene, t *signals.Tick, _ int) { t.State.Redis.Ping = 80 * time.Millisecond }},
	"redis refuses": {why.Redis, "", func(_ *scene, t *signals.Tick, i int) { t.State.Redis.Refused = int64(10 * i) }},
	"nobody stores": {why.WorkersMissing, "", func(s *scene, t *signals.Tick, i int) {
		starved(t, tasks.KindStore, tasks.KindIndex)
		t.State.Queues[tasks.KindStore] = signals.Queue{Pending: 250 * i, Oldest: time.Duration(i) * signals.Every}
	}},
	"no worker at all": {why.WorkersMissing, "", func(s *scene, t *signals.Tick, i int) {
		starved(t, tasks.Stages()...)
		for _, k := range tasks.Stages() {
			t.State.Queues[k] = signals.Queue{}
		}
		t.State.Queues[tasks.KindResolve] = signals.Queue{Pending: 40, Oldest: time.Duration(i) * signals.Every}
	}},
	"a queue is paused": {why.WorkersMissing, "", func(s *scene, t *signals.Tick, i int) {
		q := t.State.Queues[tasks.KindFetch]
		q.Paused, q.Pending = true, 250*i
		t.State.Queues[tasks.KindFetch] = q
	}},
	"the operator paused a crawl": {why.WorkersMissing, "", func(s *scene, t *signals.Tick, _ int) {
		backlogOf(t, "paused")
		t.State.Paused = []string{"crawl docs"}
	}},
	"the disk is full": {why.StorageFailing, "", func(_ *scene, t *signals.Tick, _ int) {
		t.State.Outages = []signals.Outage{{Fault: string(fault.DiskFull), Since: t.At, Err: "no space left on device"}}
		backlogOf(t, "backpressure")
	}},
	"the disk is nearly full": {why.StorageFailing, "", func(_ *scene, t *signals.Tick, _ int) { t.State.Disks[0].Free = 100 << 20 }},
	"the database is locked": {why.StorageFailing, "", func(_ *scene, t *signals.Tick, _ int) {
		t.State.Canaries["database"] = signals.Canary{Took: 4 * time.Second, Err: "database is locked"}
	}},
	"the resolver refuses": {why.DNSDown, "", func(_ *scene, t *signals.Tick, _ int) {
		t.State.Outages = []signals.Outage{{Fault: string(fault.DNSDown), Since: t.At, Err: "REFUSED"}}
		backlogOf(t, "dns")
	}},
	"the resolver is silent": {why.DNSDown, "", func(_ *scene, t *signals.Tick, _ int) {
		t.State.Canaries["dns"] = signals.Canary{Took: 4 * time.Second, Err: "timeout"}
		t.Web.Unnamed = 9
	}},
	"the line is down": {why.UplinkDown, "", func(_ *scene, t *signals.Tick, _ int) {
		t.State.Outages = []signals.Outage{{Fault: string(fault.UplinkDown), Since: t.At, Err: "no route"}}
		t.Web.Answers = 0
		backlogOf(t, "backoff")
	}},
	"the line is full": {why.Bandwidth, "", func(s *scene, t *signals.Tick, _ int) {
		t.Web.Bytes = 5_000_000 + int64(s.rng.IntN(100_000))
		t.Web.Body = s.times(200, 2*time.Second)
		f := t.Stages[tasks.KindFetch]
		f.Service, f.Busy = s.times(200, 2200*time.Millisecond), 440*time.Second
		t.Web.Busy = f.Busy
		backlogOf(t, "backpressure")
	}},
	"a few downloads without an end": {why.LargeDownloads, "http://h3.test:80", func(s *scene, t *signals.Tick, i int) {
		f := t.Stages[tasks.KindFetch]
		if i == 6 {
			t.Web.Long = 12
		}
		if i >= 6 {
			t.Web.LongBusy = 60 * time.Second
			t.Web.Busy += t.Web.LongBusy
		}
		f.Busy += 60 * time.Second
		t.Top["busy/host"] = topOf(map[string]int64{"http://h3.test:80": 60_000, "http://h1.test:80": 15_000, "http://h2.test:80": 15_000})
	}},
	"the disk is slow": {why.StorageSlow, "", func(s *scene, t *signals.Tick, _ int) {
		t.State.Canaries["archive"] = signals.Canary{Took: time.Duration(s.about(7e8))}
		t.Stages[tasks.KindStore].Service = s.times(100, 2*time.Second)
		backlogOf(t, "backpressure")
	}},
	"the database is slow": {why.StorageSlow, "", func(s *scene, t *signals.Tick, _ int) {
		t.Stages[tasks.KindStore].Service = s.times(60, 2*time.Second)
		t.Stages[tasks.KindStore].Busy = 32 * signals.Every
		q := t.State.Queues[tasks.KindStore]
		q.Pending, q.Oldest = 300, 5*time.Second
		t.State.Queues[tasks.KindStore] = q
	}},
	"one large polite host": {why.PoliteHost, "http://h0.test:80", func(s *scene, t *signals.Tick, _ int) {
		t.State.Hosts[0].Pages, t.State.Hosts[0].ETA = 90_000, 90_000
		t.State.Open += 90_000
		backlogOf(t, "polite")
		t.State.Backlog["ready"] = 0
		t.State.Backlog["polite"] = t.State.Open
		for _, k := range tasks.Stages() {
			f := t.Stages[k]
			f.Busy /= 20
		}
	}},
	"hosts push back": {why.Pushback, "", func(_ *scene, t *signals.Tick, _ int) {
		t.Web.Pushed = t.Web.Answers / 3
		backlogOf(t, "backoff")
		t.State.Troubled["backoff"] = 20
	}},
	"a host is gone": {why.Pushback, "http://h1.test:80", func(_ *scene, t *signals.Tick, _ int) {
		backlogOf(t, "backoff")
		t.State.Troubled["dead"] = 1
		t.State.Hosts[1].State = "dead"
	}},
	"a submitter floods": {why.Abuse, "cleo", func(_ *scene, t *signals.Tick, i int) {
		t.Top["arrivals/submitter"] = topOf(map[string]int64{"ann": 120, "ben": 90, "cleo": 4000})
		t.Top["arrivals/origin"] = topOf(map[string]int64{"seed": 4000, "link": 210})
		t.State.Open += int64(i+1) * 4000
		backlogOf(t, "polite")
	}},
	"a list of dead names": {why.Abuse, "ben", func(_ *scene, t *signals.Tick, _ int) {
		t.Web.Lookups, t.Web.Missing = 200, 180
		t.Top["missing/submitter"] = topOf(map[string]int64{"ben": 175, "ann": 5})
	}},
	"a schedule resubmits": {why.Resubmits, "ann", func(_ *scene, t *signals.Tick, _ int) {
		t.Top["starts/origin"] = topOf(map[string]int64{"first": 60, "revisit": 240})
		t.Top["starts/submitter"] = topOf(map[string]int64{"ann": 260, "ben": 40})
		t.Web.Unchanged = t.Web.Answers * 8 / 10
	}},
	"a poison page": {why.Poison, "http://h5.test:80/bad", func(_ *scene, t *signals.Tick, _ int) {
		t.Stages[tasks.KindStore].Faults = map[fault.Kind]int64{fault.Panic: 3}
		t.Top["troubles/page"] = topOf(map[string]int64{"http://h5.test:80/bad": 3})
	}},
	"the machine is full": {why.MachineSaturated, "", func(_ *scene, t *signals.Tick, i int) {
		t.State.Open += 100_000
		backlogOf(t, "backpressure")
		t.Processes[0].Busy = 0.97
	}},
	"memory is full": {why.MachineSaturated, "", func(_ *scene, t *signals.Tick, _ int) { t.Processes[0].Memory = 7 << 30 }},
	"too few workers": {why.WorkerShortage, "", func(s *scene, t *signals.Tick, i int) {
		f := t.Stages[tasks.KindFetch]
		f.Enqueued, f.Busy = 9000, 2*512*signals.Every
		t.Web.Busy = f.Busy * 9 / 10
		q := t.State.Queues[tasks.KindFetch]
		q.Pending, q.Oldest = 200*(i+1), time.Duration(i+3)*time.Second
		t.State.Queues[tasks.KindFetch] = q
		t.State.Open += 20_000
		backlogOf(t, "backpressure")
	}},
	"a burst": {why.Burst, "", func(s *scene, t *signals.Tick, i int) {
		t.State.Open += int64(max(20_000-300*i, 0))
		backlogOf(t, "backpressure")
	}},
}

const within = int(time.Minute / signals.Every)

// Each trouble is named within a minute, is forgotten within a minute, and healthy crawls are left alone.
func TestVerdicts(t *testing.T) {
	for name, x := range troubles {
		t.Run(name, func(t *testing.T) {
			seeds := uint64(20)
			if testing.Short() {
				seeds = 2 // the race detector runs it
			}
			for seed := range seeds {
				s := &scene{rng: rand.New(rand.NewPCG(seed, 1)), open: 6000}
				for range 60 + s.rng.IntN(60) {
					s.tick(nil)
				}
				if r := why.Judge(s.window()); r.Verdict != why.Healthy {
					t.Fatalf("seed %d: before it began: %s", seed, show(r))
				}
				for i := range within {
					s.tick(func(tick *signals.Tick) { x.change(s, tick, i) })
				}
				r := why.Judge(s.window())
				if r.Verdict != x.verdict || x.who != "" && !slices.ContainsFunc(r.Who, func(w why.Who) bool { return w.Name == x.who }) {
					t.Fatalf("seed %d: after a minute, want %s %s: %s", seed, x.verdict, x.who, show(r))
				}
				sound(t, r)
				if r.Since.Before(s.ticks[len(s.ticks)-within-1].At) {
					t.Errorf("seed %d: since %s, before it began at %s", seed, r.Since, s.ticks[len(s.ticks)-within].At)
				}
				for range within {
					s.tick(nil)
				}
				if r := why.Judge(s.window()); r.Verdict != why.Healthy {
					t.Fatalf("seed %d: a minute after it was over: %s", seed, show(r))
				}
			}
		})
	}
}

// Two troubles at once are both said, before anything else: neither hides the other, nor does what is no alarm.
func TestTwoAtOnce(t *testing.T) {
	busy := func(_ *scene, t *signals.Tick, _ int) { // hosts push back, and what is left waits for workers
		t.State.Open += 9000
		t.State.Backlog = map[string]int64{"backoff": 9000, "backpressure": t.State.Open - 9500, "polite": 500}
		t.Web.Pushed = 0
	}
	apart := func(_ *scene, t *signals.Tick, _ int) { // most of the hosts push back, and one that does not has most of the pages
		t.State.Backlog = map[string]int64{"backoff": 4000, "polite": t.State.Open - 4000}
		t.Web.Pushed = 0
	}
	for _, x := range []struct {
		first, second string
		also          func(*scene, *signals.Tick, int)
	}{
		{"redis is slow", "a poison page", nil},
		{"hosts push back", "too few workers", busy},
		{"hosts push back", "one large polite host", apart},
		{"a list of dead names", "one large polite host", nil},
		{"a poison page", "one large polite host", nil},
	} {
		s := &scene{rng: rand.New(rand.NewPCG(1, 1)), open: 6000}
		for range 60 {
			s.tick(nil)
		}
		for i := range within {
			s.tick(func(tick *signals.Tick) {
				for _, change := range []func(*scene, *signals.Tick, int){troubles[x.first].change, troubles[x.second].change, x.also} {
					if change != nil {
						change(s, tick, i)
					}
				}
			})
		}
		r := why.Judge(s.window())
		if r.Verdict != troubles[x.first].verdict || len(r.Also) == 0 || r.Also[0] != troubles[x.second].verdict {
			t.Errorf("%s, and %s: %s", x.first, x.second, show(r))
		}
		sound(t, r)
	}
}

// Who brings one host is bounded by that host, and floods nobody.
func TestOneHostIsNoFlood(t *testing.T) {
	s := &scene{rng: rand.New(rand.NewPCG(1, 1)), open: 6000}
	for range 60 {
		s.tick(nil)
	}
	for i := range within {
		s.tick(func(tick *signals.Tick) {
			troubles["a submitter floods"].change(s, tick, i)
			troubles["one large polite host"].change(s, tick, i)
			tick.Top["arrivals/host"].Add("http://h0.test:80", 4000)
		})
	}
	if r := why.Judge(s.window()); r.Verdict != why.PoliteHost || slices.Contains(r.Also, why.Abuse) {
		t.Errorf("%s", show(r))
	}
}

// What a large host has could all be visited at once for the moment in which it is looked at: that is no burst, and no want of workers.
func TestOneMoment(t *testing.T) {
	s := &scene{rng: rand.New(rand.NewPCG(1, 1)), open: 6000}
	for range 60 {
		s.tick(nil)
	}
	for i := range 2 * within {
		s.tick(func(tick *signals.Tick) {
			troubles["one large polite host"].change(s, tick, i)
			tick.State.Open -= int64(i)
			if i%4 == 3 {
				tick.State.Backlog = map[string]int64{"backpressure": tick.State.Open}
			}
		})
		if r := why.Judge(s.window()); i >= within && (r.Verdict != why.PoliteHost || len(r.Also) > 0) {
			t.Fatalf("tick %d: %s", i, show(r))
		}
	}
}

// sound holds what is true of every report.
func sound(t *testing.T, r why.Report) {
	t.Helper()
	said := map[why.Verdict]int{r.Verdict: 1}
	for _, v := range r.Also {
		said[v]++
	}
	for _, x := range r.RuledOut {
		said[x.Verdict]++
		if x.Because == "" {
			t.Errorf("%s is ruled out without a reason", x.Verdict)
		}
	}
	if len(said) != 16 || slices.Max(slices.Collect(maps.Values(said))) > 1 {
		t.Errorf("of 16 causes, each is the verdict, holds too, or is ruled out: %v", said)
	}
	if r.Summary == "" || len(r.Evidence) == 0 || len(r.Actions) == 0 {
		t.Errorf("incomplete: %s", show(r))
	}
}

func show(r why.Report) string {
	b, _ := json.MarshalIndent(r, "", " ")
	return string(b)
}

// A submission is no flood, however many pages it has: only what goes on and on is.
func TestOneSubmission(t *testing.T) {
	s := &scene{rng: rand.New(rand.NewPCG(2, 2)), open: 6000}
	for range 60 {
		s.tick(nil)
	}
	for i := range within {
		s.tick(func(t *signals.Tick) {
			if i < 3 {
				trouble := troubles["a submitter floods"]
				trouble.change(s, t, i)
			} else {
				t.State.Open += 12_000
			}
		})
		if r := why.Judge(s.window()); r.Verdict.Alarm() {
			t.Fatalf("%d ticks after it began: %s", i, show(r))
		}
	}
}

// What is stale or missing gives unknown, and nothing else.
func TestUnknown(t *testing.T) {
	if r := why.Judge(signals.NewWindow(began, why.Length, nil)); r.Verdict != why.Unknown || len(r.RuledOut) != 0 {
		t.Errorf("without a signal: %s", show(r))
	}
	s := &scene{rng: rand.New(rand.NewPCG(1, 1)), open: 6000}
	for range 60 {
		s.tick(nil)
	}
	for range within + 1 {
		s.tick(func(t *signals.Tick) { *t = signals.Tick{Beat: signals.Beat{At: t.At, Span: t.Span}} })
	}
	if r := why.Judge(s.window()); r.Verdict != why.Unknown || r.Freshness < 60 {
		t.Errorf("a minute after the last signal: %s", show(r))
	}

	// Somebody looks, and sees workers of whom nothing is heard; without workers that is what is said.
	for range within {
		s.tick(func(t *signals.Tick) { *t = signals.Tick{Beat: signals.Beat{At: t.At, Span: t.Span, State: t.State}} })
	}
	if r := why.Judge(s.window()); r.Verdict != why.Unknown || !strings.Contains(r.Summary, "workers are running") {
		t.Errorf("workers that say nothing: %s", show(r))
	}
	s.tick(func(t *signals.Tick) {
		*t = signals.Tick{Beat: signals.Beat{At: t.At, Span: t.Span, State: t.State}}
		t.State.Queues = nil
	})
	if r := why.Judge(s.window()); r.Verdict != why.WorkersMissing {
		t.Errorf("no workers, of whom nothing is heard: %s", show(r))
	}
}

// Without Redis nothing else is known, so nothing else is said.
func TestAway(t *testing.T) {
	r := why.Away("connection refused", began)
	if r.Verdict != why.Redis || len(r.Also)+len(r.RuledOut) != 0 || r.ETA != -1 || !strings.Contains(r.Summary, "connection refused") {
		t.Errorf("%s", show(r))
	}
}

func TestNothingToDo(t *testing.T) {
	s := &scene{rng: rand.New(rand.NewPCG(1, 1))}
	for range 60 {
		s.tick(func(t *signals.Tick) {
			*t = signals.Tick{Processes: t.Processes, Beat: signals.Beat{At: t.At, Span: t.Span, State: &signals.State{At: t.At, Closed: 100, Queues: t.State.Queues}}}
		})
	}
	if r := why.Judge(s.window()); r.Verdict != why.Idle {
		t.Errorf("%s", show(r))
	}
	for range 60 {
		s.tick(func(t *signals.Tick) {
			t.State.Open, t.State.Backlog = 50, map[string]int64{"revisit": 50}
		})
	}
	if r := why.Judge(s.window()); r.Verdict != why.Healthy {
		t.Errorf("only revisits that are not due: %s", show(r))
	}
}
