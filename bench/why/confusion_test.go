package why

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/fault"
	"example.org/trawl/fetch"
	"example.org/trawl/internal/paper"
	"example.org/trawl/signals"
	"example.org/trawl/tasks"
	"example.org/trawl/why"
)

var (
	seeds = flag.Int("seeds", 1, "how often each scenario is run, each time with other numbers")
	table = flag.String("table", "", "write the confusion table into this file")
	only  = flag.String("scenario", "", "run this scenario alone")
)

// scenario is one thing that goes wrong.
type scenario struct {
	name    string
	want    why.Verdict    // Healthy: none of the alarming
	who     string         // who is to be named; empty: nobody in particular
	prepare func(w *world) // long before
	begin   func(w *world)
	each    func(w *world, i int) // at every tick while it lasts
	end     func(w *world)
}

// some are n hosts, drawn anew for each seed.
func (w *world) some(n int) (out []string) {
	for _, i := range w.rng.Perm(w.hosts)[:min(n, w.hosts)] {
		out = append(out, hostName(i))
	}
	return out
}

func (w *world) part(from, to float64) []string {
	return w.some(int(math.Ceil(w.between(from, to) * float64(w.hosts))))
}

func (w *world) all(say paper.Say, of ...string) {
	for _, h := range of {
		w.web.Set(h, say)
	}
}

var scenarios = []scenario{
	{name: "healthy", want: why.Healthy, prepare: func(w *world) { peace[w.seed%uint64(len(peace))](w) }},
	{
		name: "redis full", want: why.Redis,
		begin: func(w *world) {
			w.memory = w.between(0.71, 0.95)
			w.redis.Used = int64(w.memory * float64(w.redis.Max))
		},
		end: func(w *world) { w.redis.Used, w.memory = 20<<20, 0 },
	},
	{
		name: "redis slow", want: why.Redis,
		begin: func(w *world) { w.redis.Ping = w.lasting(60*time.Millisecond, 400*time.Millisecond) },
		end:   func(w *world) { w.redis.Ping = 300 * time.Microsecond },
	},
	{
		name: "no worker for fetch", want: why.WorkersMissing,
		begin: func(w *world) { w.serve(tasks.KindFetch, 0) },
		end:   func(w *world) { w.serve(tasks.KindFetch, 512) },
	},
	{
		name: "no worker for store", want: why.WorkersMissing,
		begin: func(w *world) { w.serve(tasks.KindStore, 0) },
		end:   func(w *world) { w.serve(tasks.KindStore, 16) },
	},
	{
		name: "disk full", want: why.StorageFailing,
		begin: func(w *world) { w.archive.full.Store(true) },
		end:   func(w *world) { w.archive.full.Store(false) },
	},
	{
		name: "resolver refuses", want: why.DNSDown,
		begin: func(w *world) { w.names.Cut(true) },
		end:   func(w *world) { w.names.Cut(false) },
	},
	{
		name: "line down", want: why.UplinkDown,
		begin: func(w *world) { w.web.Cut(true) },
		end:   func(w *world) { w.web.Cut(false) },
	},
	{
		name: "line full", want: why.Bandwidth,
		begin: func(w *world) { w.web.Line(int(22 * w.pace() * w.between(0.3, 0.6))) }, // the pages have about 22 bytes
		end:   func(w *world) { w.web.Line(0) },
	},
	{
		name: "endless downloads", want: why.LargeDownloads,
		prepare: func(w *world) { w.serve(tasks.KindFetch, 8+int(w.pace())) }, // enough, or nobody would mind
		begin: func(w *world) {
			w.all(func(fetch.Request) paper.Answer {
				return paper.Answer{Took: w.took, Body: 5 * time.Minute}
			}, w.some(int(w.between(0.6, 0.9)*(8+w.pace())))...)
		},
		end: func(w *world) {
			w.all(nil, w.some(w.hosts)...)
			w.web.HangUp()
		},
	},
	{
		name: "database slow", want: why.StorageSlow,
		begin: func(w *world) { w.catalog.takes.Store(int64(w.lasting(600*time.Millisecond, 4*time.Second))) },
		end:   func(w *world) { w.catalog.takes.Store(0) },
	},
	{
		name: "one giant host", want: why.PoliteHost, who: "http://giant.test:80",
		begin: func(w *world) {
			w.submit("cleo", w.delay, pagesOf("giant.test", 0, int(w.between(1.3, 2.5)*float64(w.pages)))...)
		},
		end: func(w *world) { w.cancel(catalog.Choice{Host: "http://giant.test:80"}) },
	},
	{
		name: "hosts push back", want: why.Pushback,
		begin: func(w *world) {
			for _, h := range w.part(0.4, 1) {
				status := []int{http.StatusTooManyRequests, http.StatusServiceUnavailable}[w.rng.IntN(2)]
				after := []string{"5", "10", "20", "40"}[w.rng.IntN(4)] // more would outlast the minute in which it is to be forgotten
				w.web.Set(h, func(fetch.Request) paper.Answer {
					return paper.Answer{Status: status, Header: http.Header{"Retry-After": {after}}, Took: w.took}
				})
			}
		},
		end: func(w *world) { w.all(nil, w.some(w.hosts)...) },
	},
	{
		name: "a submitter floods", want: why.Abuse, who: "cleo",
		each: func(w *world, i int) {
			var urls []string
			n := 10 + int(6*w.pace()*5/floods) // of each: more than is visited
			for h := range floods {
				urls = append(urls, pagesOf(fmt.Sprintf("flood%d.test", h), n*i, w.rng.IntN(n))...)
			}
			w.submit("cleo", w.delay, urls...)
		},
		end: func(w *world) {
			for h := range floods {
				w.cancel(catalog.Choice{Host: fmt.Sprintf("http://flood%d.test:80", h)})
			}
		},
	},
	{
		name: "a list of dead names", want: why.Abuse, who: "ben",
		each: func(w *world, i int) {
			var urls []string
			for n := range 30 + w.rng.IntN(90) {
				urls = append(urls, fmt.Sprintf("http://x%d-%d.gone/", i, n))
			}
			w.submit("ben", w.delay, urls...)
		},
	},
	{
		name: "a schedule resubmits", want: why.Resubmits,
		prepare: func(w *world) { w.submit("ann", w.delay, w.known(2)...) },
		each:    func(w *world, _ int) { w.again("ann", w.known(2)...) },
	},
	{
		name: "a poison page", want: why.Poison,
		begin: func(w *world) { w.catalog.poison.Store(new(w.some(1)[0])) },
		end:   func(w *world) { w.catalog.poison.Store(nil) },
	},
	{
		name: "machine full", want: why.MachineSaturated,
		begin: func(w *world) {
			w.process.Busy = w.between(0.91, 1)
			w.process.CPU = 2 * w.process.Busy
			w.busy.Store(int64(w.lasting(120*time.Millisecond, 250*time.Millisecond)))
			w.flock("bulk", 120, 60, w.took)
		},
		end: func(w *world) {
			w.process.Busy, w.process.CPU = 0.35, 0.6
			w.busy.Store(0)
			w.scatter("bulk", 120)
		},
	},
	{
		name: "too few workers", want: why.WorkerShortage,
		begin: func(w *world) {
			w.serve(tasks.KindFetch, 8+w.rng.IntN(4))
			w.flock("bulk", 120, 45, w.lasting(200*time.Millisecond, 400*time.Millisecond))
		},
		end: func(w *world) {
			w.serve(tasks.KindFetch, 512)
			w.scatter("bulk", 120)
		},
	},
	{
		name: "a burst", want: why.Burst,
		begin: func(w *world) {
			d := w.lasting(400*time.Millisecond, 800*time.Millisecond)
			w.flock("bulk", 12, int(3*time.Minute/d), d)
		},
		end: func(w *world) { w.scatter("bulk", 12) },
	},
}

// floods is over how many hosts a flood goes.
const floods = 20

// peace is what may be so while all is well; more of it is no more alarming.
var peace = []func(*world){
	func(*world) {},
	func(w *world) { // many submitters
		for i := range 40 {
			w.submit(fmt.Sprint("sub", i), w.delay, pagesOf(fmt.Sprintf("own%d.test", i), 0, 10+w.rng.IntN(50))...)
		}
	},
	func(w *world) { w.submit("cleo", w.delay, pagesOf("giant.test", 0, 5000)...) }, // one big one
	func(w *world) { // revisits, fewer than visits
		w.submit("ann", w.delay, w.known(0.3)...)
		w.often = func() { w.again("ann", w.known(0.3)...) }
	},
	func(w *world) { // pages that are gone
		w.all(func(fetch.Request) paper.Answer { return paper.Answer{Status: http.StatusNotFound, Took: w.took} }, w.part(0.1, 0.3)...)
	},
	func(w *world) { // a host that is down
		w.all(func(fetch.Request) paper.Answer {
			return paper.Answer{Err: fault.New(fault.Refused, errors.New("refused"))}
		}, w.some(1)...)
	},
	func(w *world) { w.web.Slow(w.lasting(time.Second, 8*time.Second)) }, // slow hosts
	func(w *world) { // a small crawl that ends
		w.bare = true
		for i := range 8 {
			w.submit("ann", w.delay, pagesOf(hostName(i), 0, 5+w.rng.IntN(30))...)
		}
	},
	func(w *world) { w.bare = true }, // nothing to do
}

// known are pages of hosts that have no others, so that they are all visited soon: so many hosts for each of the crawl.
func (w *world) known(times float64) (urls []string) {
	for i := range int(times * float64(w.hosts)) {
		urls = append(urls, pagesOf(fmt.Sprintf("known%d.test", i), 0, 4)...)
	}
	return urls
}

// flock submits pages of many hosts without a delay, which take that long to answer.
func (w *world) flock(name string, n, pages int, took time.Duration) {
	for i := range n {
		host := fmt.Sprintf("%s%d.test", name, i)
		w.web.Set(host, paper.Slowly(took))
		w.submit("ann", 0, pagesOf(host, 0, pages)...)
	}
}

func (w *world) scatter(name string, n int) {
	for i := range n {
		w.cancel(catalog.Choice{Host: fmt.Sprintf("http://%s%d.test:80", name, i)})
	}
}

func (w *world) cancel(c catalog.Choice) {
	if _, err := w.catalog.Cancel(context.Background(), c, "cancelled", time.Now()); err != nil {
		w.t.Log(err)
	}
}

// again submits pages that are stored already, to be visited again.
func (w *world) again(who string, urls ...string) {
	w.batch++
	w.put(tasks.Next{Task: tasks.Admit{Batch: fmt.Sprint("b", w.batch), Crawl: "c", Submitter: who, Origin: tasks.OriginSeed, Again: true, URLs: urls}})
}

// pairs are two things that go wrong at once. Hidden says which are not among them.
var pairs = [][2]string{
	{"resolver refuses", "redis slow"},
	{"disk full", "a submitter floods"},
	{"hosts push back", "too few workers"},
	{"database slow", "a list of dead names"},
	{"one giant host", "hosts push back"},
	{"line full", "a poison page"},
	{"a schedule resubmits", "hosts push back"},
	{"no worker for store", "redis slow"},
	{"redis full", "database slow"},
	{"endless downloads", "database slow"},
	{"line down", "database slow"},
	{"a list of dead names", "one giant host"},
}

func called(name string) scenario {
	return scenarios[slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })]
}

// The time that a scenario is given: until enough is known to call anything normal, to be named, and to be forgotten.
const (
	warm   = 34
	name   = int(time.Minute / signals.Every)
	last   = 18                                    // ticks that the trouble lasts
	behind = int(30 * time.Second / signals.Every) // by which the second of two begins, at most
)

// outcome is what came of one run.
type outcome struct {
	scenario string
	want     []why.Verdict
	said     []why.Verdict // a minute after all began: the verdict, and what else held, as many as are wanted
	right    bool          // from then on, with the right one named or nobody to be named
	named    int           // ticks until it was right first; -1: never
	cleared  int           // ticks until nothing was said any more; -1: not within a minute
	alarms   []why.Verdict
}

// is tells whether the first causes of a report are those that are wanted, in any order.
func (o *outcome) is(r why.Report) bool {
	if o.want[0] == why.Healthy {
		return !r.Verdict.Alarm()
	}
	return !slices.ContainsFunc(o.want, func(v why.Verdict) bool { return !slices.Contains(o.first(r), v) })
}

func (o *outcome) first(r why.Report) []why.Verdict {
	all := append([]why.Verdict{r.Verdict}, r.Also...)
	return all[:min(len(all), len(o.want))]
}

// run lets things go wrong, each a while after the other, and then all end at once.
func run(t *testing.T, seed uint64, of ...scenario) (o outcome) {
	o = outcome{named: -1, cleared: -1}
	var names []string
	for _, s := range of {
		o.want, names = append(o.want, s.want), append(names, s.name)
	}
	o.scenario = strings.Join(names, " + ")
	inWorld(t, seed, func(w *world) {
		for _, s := range of {
			do(s.prepare, w)
		}
		if !w.bare {
			w.load()
		}
		for i := range warm {
			if r := w.tick(); i > 1 && r.Verdict.Alarm() {
				o.alarms = append(o.alarms, r.Verdict)
			}
		}
		begins := make([]int, len(of))
		if len(of) > 1 {
			begins[w.rng.IntN(len(of))] = w.rng.IntN(behind + 1)
		}
		all := slices.Max(begins)
		for i := range all + last {
			for n, s := range of {
				if i == begins[n] {
					time.Sleep(w.lasting(0, signals.Every/time.Duration(len(of)))) // not with the beat
					do(s.begin, w)
				}
				if s.each != nil && i >= begins[n] {
					s.each(w, i-begins[n])
				}
			}
			r := w.tick()
			i -= all
			if o.named < 0 && i >= 0 && o.is(r) {
				o.named = i + 1
			}
			if i == name-1 || i > name-1 && o.right {
				o.said, o.right = o.first(r), o.is(r) && (len(of) > 1 || of[0].who == "" || slices.ContainsFunc(r.Who, func(x why.Who) bool { return x.Name == of[0].who }))
				if !o.right {
					t.Logf("%s, seed %d, tick %d: %s: %s; also %v; ruled out %s", o.scenario, seed, i, r.Verdict, r.Summary, r.Also, reason(r, o.want))
				}
			}
		}
		for _, s := range of {
			do(s.end, w)
		}
		for i := range name {
			r := w.tick()
			if o.cleared < 0 && (!r.Verdict.Alarm() || o.want[0] == why.Healthy) && (!slices.Contains(o.want, r.Verdict) || len(of) > 1 || !r.Verdict.Alarm()) {
				o.cleared = i + 1
			}
			if i == name-1 && r.Verdict.Alarm() {
				t.Logf("%s, seed %d, a minute after it was over: %s: %s", o.scenario, seed, r.Verdict, r.Summary)
				o.cleared = -1
			}
		}
	})
	return o
}

func do(f func(*world), w *world) {
	if f != nil {
		f(w)
	}
}

func reason(r why.Report, of []why.Verdict) (out []string) {
	for _, x := range r.RuledOut {
		if slices.Contains(of, x.Verdict) {
			out = append(out, fmt.Sprintf("%s: %s", x.Verdict, x.Because))
		}
	}
	return out
}

// TestConfusion runs every scenario, and every pair. Of all, 19 in 20 are named rightly within a minute and forgotten within another,
// both of a pair before anything else, and a healthy crawl raises no alarm.
func TestConfusion(t *testing.T) {
	if testing.Short() {
		t.Skip("minutes of synthetic crawls: not with -short")
	}
	var runs [][]scenario
	for _, s := range scenarios {
		runs = append(runs, []scenario{s})
	}
	for _, p := range pairs {
		runs = append(runs, []scenario{called(p[0]), called(p[1])})
	}
	var mu sync.Mutex
	all := make([][]outcome, len(runs))
	t.Run("scenarios", func(t *testing.T) {
		for i, of := range runs {
			for seed := range uint64(*seeds) {
				name := of[0].name
				if len(of) > 1 {
					name += " + " + of[1].name
				}
				if *only != "" && !strings.Contains(name, *only) {
					continue
				}
				t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) {
					t.Parallel()
					o := run(t, seed, of...)
					mu.Lock()
					defer mu.Unlock()
					all[i] = append(all[i], o)
				})
			}
		}
	})
	text := confusion(all)
	t.Log("\n" + text)
	if *table != "" {
		if err := os.WriteFile(*table, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var good, of [3]int // of one cause, and of two
	alarms := 0
	for _, o := range slices.Concat(all...) {
		n := len(o.want)
		of[n]++
		if o.right && o.named <= name {
			good[n]++
		}
		alarms += len(o.alarms)
		if o.want[0] == why.Healthy && !o.right || o.cleared < 0 {
			t.Errorf("%s: said %v, cleared after %d ticks", o.scenario, o.said, o.cleared)
		}
	}
	for n := range of {
		if float64(good[n]) < 0.95*float64(of[n]) {
			t.Errorf("%d of %d with %d causes are right", good[n], of[n], n)
		}
	}
	if alarms > 0 {
		t.Errorf("%d alarms before anything went wrong", alarms)
	}
}

const (
	preface = `# What was wrong, and what the diagnosis said

Made by ` + "`make bench-why`" + `: each line %d times, in synthetic time, with other numbers each time. Everything is real but network, queue and
clock. Right is what ` + "`trawl why`" + ` says a minute after it began, with the one who is to blame where there is one.

| scenario | right | named after (median) | forgotten after (median) | said instead |
|---|---|---|---|---|
`
	prefacePairs = `
## Two at once

The second begins up to 30 s after the first, both end together. Both should be what is said first (the verdict, and the first of *also*) a minute
after both began; first is the one that was the verdict.

| pair | both in the top two | first | named after (median) | forgotten after (median) | said instead |
|---|---|---|---|---|---|
`
	hidden = `
Some pairs cannot be seen together, for one takes away what the other shows itself in. Where nobody fetches, where the line or the resolver is
down, and where Redis or the disk is full, nothing is asked: then no host pushes back, no download is endless, no line is full, no name turns
out to be dead, and nothing waits for a stage that nobody runs. A full line and endless downloads both show as bodies that take long, a full
machine and too few workers both as places that are taken: the one that explains the other is said. A burst is what is left when workers are enough.
`
)

// confusion is the tables: a line for each scenario and each pair, with what was said a minute after it began.
func confusion(runs [][]outcome) string {
	var out strings.Builder
	fmt.Fprintf(&out, preface, *seeds)
	for i, all := range runs {
		if i == len(scenarios) {
			fmt.Fprint(&out, prefacePairs)
		}
		if len(all) == 0 {
			continue
		}
		var named, cleared []int
		first, wrong := map[string]int{}, map[string]int{}
		right := 0
		for _, o := range all {
			named, cleared = append(named, o.named), append(cleared, o.cleared)
			first[string(o.said[0])]++
			if o.right {
				right++
			} else {
				wrong[fmt.Sprint(o.said)]++
			}
		}
		fmt.Fprintf(&out, "| %s | %d of %d | ", all[0].scenario, right, len(all))
		if i >= len(scenarios) {
			fmt.Fprintf(&out, "%s | ", often(first))
		}
		fmt.Fprintf(&out, "%s | %s | %s |\n", seconds(named), seconds(cleared), often(wrong))
	}
	fmt.Fprint(&out, hidden)
	return out.String()
}

// often lists what was said, and how often.
func often(n map[string]int) string {
	var out []string
	for _, v := range slices.SortedFunc(maps.Keys(n), func(a, b string) int { return cmp.Or(cmp.Compare(n[b], n[a]), cmp.Compare(a, b)) }) {
		out = append(out, fmt.Sprintf("%s %d", strings.Trim(v, "[]"), n[v]))
	}
	return cmp.Or(strings.Join(out, ", "), "–")
}

func seconds(ticks []int) string {
	slices.Sort(ticks)
	if m := ticks[len(ticks)/2]; m >= 0 {
		return (time.Duration(m) * signals.Every).String()
	}
	return "–"
}
