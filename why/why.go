// Package why says what is piling up, and why: a pure function from a window of signals to one verdict, with its evidence, with
// what else holds, and with what was ruled out and by which number. It asks nobody and keeps nothing, so whoever has the same
// signals gets the same verdict, and any moment of the past can be judged again.
package why

import (
	"slices"
	"time"

	"example.org/trawl/signals"
)

// Verdict is the cause of a pile-up, or that there is none.
type Verdict string

// The verdicts. The causes are looked at in this order, and the first that holds is the verdict. Those that are no alarm come last, or
// they would keep one from being told.
const (
	Idle    Verdict = "idle"    // there is nothing to do
	Healthy Verdict = "healthy" // nothing is piling up
	Unknown Verdict = "unknown" // the signals are stale or missing

	Redis            Verdict = "redis"
	WorkersMissing   Verdict = "workers_missing"
	StorageFailing   Verdict = "storage_failing"
	DNSDown          Verdict = "dns_down"
	UplinkDown       Verdict = "uplink_down"
	Bandwidth        Verdict = "bandwidth"
	LargeDownloads   Verdict = "large_downloads"
	StorageSlow      Verdict = "storage_slow"
	Pushback         Verdict = "pushback"
	Abuse            Verdict = "abuse"
	Resubmits        Verdict = "resubmits"
	Poison           Verdict = "poison"
	MachineSaturated Verdict = "machine_saturated"
	WorkerShortage   Verdict = "worker_shortage"
	PoliteHost       Verdict = "polite_host"
	Burst            Verdict = "burst"
)

// Alarm tells whether somebody should look at it: the rest is how things are when all is well.
func (v Verdict) Alarm() bool {
	return !slices.Contains([]Verdict{Idle, Healthy, PoliteHost, Burst}, v)
}

// Length is how far back a window should reach: what is normal is told from its older part.
const Length = 30 * time.Minute

// Report is the answer.
type Report struct {
	Verdict   Verdict    `json:"verdict"`
	Since     *time.Time `json:"since,omitempty"` // as far as the window reaches back
	Summary   string     `json:"summary"`         // one sentence
	Cost      string     `json:"cost,omitempty"`  // what it costs
	ETA       float64    `json:"eta_s"`           // until what waits is through; 0 for nothing, -1 when it cannot be told
	Evidence  []Evidence `json:"evidence"`
	Who       []Who      `json:"who"`       // whose doing it is, where somebody owns half of it and twice his usual share
	Also      []Verdict  `json:"also"`      // what holds too
	RuledOut  []RuledOut `json:"ruled_out"` // and what does not
	Actions   []Action   `json:"actions"`   // what to do: the first is the one
	Freshness float64    `json:"freshness_s"`
}

// Evidence is a signal that speaks for the verdict.
type Evidence struct {
	Signal    string  `json:"signal"`
	Value     float64 `json:"value"`
	Unit      string  `json:"unit"`
	Normal    float64 `json:"normal"`    // what it usually is; 0 when that is not known
	Threshold float64 `json:"threshold"` // 0 for none
}

// Who owns what share of the problem.
type Who struct {
	Dimension string  `json:"dimension"`
	Name      string  `json:"name"`
	Share     float64 `json:"share"`
}

// RuledOut is a verdict that does not hold.
type RuledOut struct {
	Verdict Verdict `json:"verdict"`
	Because string  `json:"because"`
}

// Action is something to do.
type Action struct {
	Do      string `json:"do"`
	Command string `json:"command,omitempty"`
}

// finding is what came of one rule.
type finding struct {
	hit      bool
	because  string // why not
	summary  string
	cost     string
	eta      float64
	evidence []Evidence
	who      []Who
	actions  []Action
}

// rule looks for one cause.
type rule struct {
	verdict Verdict
	look    func(*facts) finding
}

// tree is all rules, in their order.
var tree = []rule{
	{Redis, redis},
	{WorkersMissing, workersMissing},
	{StorageFailing, storageFailing},
	{DNSDown, dnsDown},
	{UplinkDown, uplinkDown},
	{Bandwidth, bandwidth},
	{LargeDownloads, largeDownloads},
	{StorageSlow, storageSlow},
	{Pushback, pushback},
	{Abuse, abuse},
	{Resubmits, resubmits},
	{Poison, poison},
	{MachineSaturated, machineSaturated},
	{WorkerShortage, workerShortage},
	{PoliteHost, politeHost},
	{Burst, burst},
}

// Away is the report of somebody whom Redis does not answer.
func Away(err string, now time.Time) Report {
	return Judge(signals.Window{Now: now, Ticks: []signals.Tick{{Beat: signals.Beat{At: now, State: &signals.State{At: now, Redis: signals.Redis{Err: err}}}}}})
}

// Judge says what is piling up, and why.
func Judge(w signals.Window) Report {
	r := judge(w)
	since := w.Now
	for n := len(w.Ticks) - 1; n > 0; n-- { // back to when the verdict would have been another
		earlier := w
		earlier.Ticks = w.Ticks[:n]
		earlier.Now = w.Ticks[n-1].At
		if w.Ticks[n-1].State == nil || judge(earlier).Verdict != r.Verdict {
			break
		}
		since = earlier.Now
	}
	r.Since = new(since.UTC())
	return r
}

func judge(w signals.Window) Report {
	f := newFacts(w)
	r := Report{Evidence: []Evidence{}, Who: []Who{}, Also: []Verdict{}, RuledOut: []RuledOut{}, Actions: []Action{}, Freshness: f.age().Seconds()}
	take := func(v Verdict, x finding) {
		r.Verdict, r.Summary, r.Cost, r.ETA = v, x.summary, x.cost, x.eta
		r.Evidence, r.Who, r.Actions = append(r.Evidence, x.evidence...), append(r.Who, x.who...), append(r.Actions, x.actions...)
	}
	if x := unknown(f); x.hit {
		take(Unknown, x)
		return r
	}
	for _, rule := range tree {
		switch x := rule.look(f); {
		case !x.hit:
			r.RuledOut = append(r.RuledOut, RuledOut{rule.verdict, x.because})
		case r.Verdict == "":
			take(rule.verdict, x)
		default:
			r.Also = append(r.Also, rule.verdict)
		}
		if f.state.Redis.Err != "" { // it has the queues and the signals: nothing else is known
			break
		}
	}
	switch {
	case r.Verdict != "":
	case f.state.Open == 0 && f.state.Unindexed == 0:
		take(Idle, idle(f))
	default:
		take(Healthy, healthy(f))
	}
	return r
}
