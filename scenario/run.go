package scenario

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"example.org/trawl/observe"
	"example.org/trawl/signals"
	"example.org/trawl/why"
)

// Options say what to run.
type Options struct {
	Name  string
	Seed  uint64 // of the web, of who is hit, and of how hard
	Trawl string // the program whose processes are started; empty: this one
	Dir   string // where data and logs are kept; empty: in a directory that is removed afterwards
	Out   io.Writer
	Log   *slog.Logger
	// Within is how long it may take until it is named, and until it is forgotten; 0: a minute.
	Within time.Duration
}

// Outcome is what the diagnosis made of it. Times are in seconds; -1 for never.
type Outcome struct {
	Scenario string        `json:"scenario"`
	Seed     uint64        `json:"seed"`
	Want     why.Verdict   `json:"want"`
	Right    bool          `json:"right"`     // named in time, with who is to blame, forgotten in time, and no other alarm before
	Named    float64       `json:"named_s"`   // after it had begun
	Who      []why.Who     `json:"who"`       // that was named
	Cleared  float64       `json:"cleared_s"` // after it was over
	Instead  []why.Verdict `json:"instead"`   // alarms that were raised beside the right one, in their order
}

// How long things take at most, in real time.
const (
	every    = 500 * time.Millisecond // between two looks
	quiet    = 10 * time.Second       // that all has to be well before it begins
	warm     = 40 * time.Second       // until the half minute that counts is one of a crawl in order
	usualFor = 160 * time.Second      // until the diagnosis knows what is usual
	settle   = 3 * time.Minute        // for all to be well at the beginning
	minute   = time.Minute            // until it is named, and until it is forgotten, where nothing else is said
	holds    = 10 * time.Second       // that it has to go on being said
)

// Run has a scenario happen. An error means that it could not.
func Run(ctx context.Context, o Options) (out Outcome, err error) {
	sc, err := Find(o.Name)
	if err == nil {
		err = sc.Check()
	}
	if err != nil {
		return out, err
	}
	out = Outcome{Scenario: sc.Name, Seed: o.Seed, Want: sc.Want, Named: -1, Cleared: -1, Who: []why.Who{}, Instead: []why.Verdict{}}
	if o.Trawl == "" {
		if o.Trawl, err = os.Executable(); err != nil {
			return out, err
		}
	}
	dir := o.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "trawl-scenario-"); err != nil {
			return out, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	w := &watch{out: o.Out, began: time.Now(), within: cmp.Or(o.Within, minute)}
	w.say("%s, seed %d: %s", sc.Name, o.Seed, sc.About)
	s, err := newStand(ctx, o, sc, dir)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	w.past, w.stand = signals.NewHistory(s.rdb, why.Length), s
	err = w.run(ctx, sc, &out)
	return out, err
}

// watch follows what the diagnosis says.
type watch struct {
	out    io.Writer
	began  time.Time
	stand  *stand
	past   *signals.History
	said   why.Verdict // last
	within time.Duration
}

func (w *watch) say(format string, args ...any) {
	d := time.Since(w.began)
	fmt.Fprintf(w.out, "%3d:%02d  %s\n", int(d.Minutes()), int(d.Seconds())%60, fmt.Sprintf(format, args...))
}

// look asks for the diagnosis as trawl why does, in this process, and says when it is another.
func (w *watch) look(ctx context.Context) why.Report {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := observe.Diagnose(ctx, w.past, w.stand.look())
	if err != nil {
		r = why.Away(err.Error(), time.Now())
	}
	if r.Verdict != w.said {
		w.said = r.Verdict
		w.say("why: %s: %s%s", r.Verdict, r.Summary, names(r.Who))
	}
	return r
}

func names(who []why.Who) string {
	var out []string
	for _, x := range who {
		out = append(out, fmt.Sprintf("%s %s %.0f %%", x.Dimension, x.Name, 100*x.Share))
	}
	if len(out) == 0 {
		return ""
	}
	return " (" + strings.Join(out, ", ") + ")"
}

// until looks again and again until ok, or for so long. It returns how long that took, and the last report.
func (w *watch) until(ctx context.Context, most time.Duration, ok func(why.Report) bool) (took time.Duration, r why.Report, found bool, err error) {
	began := time.Now()
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		if r = w.look(ctx); ctx.Err() == nil && ok(r) {
			return time.Since(began), r, true, nil
		}
		if took = time.Since(began); took > most {
			return took, r, false, nil
		}
		select {
		case <-ctx.Done():
			return took, r, false, ctx.Err()
		case <-t.C:
		}
	}
}

func well(v why.Verdict) bool { return v == why.Healthy || v == why.PoliteHost || v == why.Burst }

// run has it begin, waits until it is named, has it end, and waits until it is forgotten.
func (w *watch) run(ctx context.Context, sc Scenario, out *Outcome) error {
	s := w.stand
	if err := s.load(ctx); err != nil {
		return err
	}
	if err := do(ctx, s, sc.prepare); err != nil {
		return err
	}
	if err := w.warmUp(ctx, sc, out); err != nil {
		return err
	}
	other := func(r why.Report) {
		if r.Verdict.Alarm() && r.Verdict != sc.Want && !slices.Contains(out.Instead, r.Verdict) {
			out.Instead = append(out.Instead, r.Verdict)
		}
	}
	if sc.Want == why.Healthy {
		_, _, alarm, err := w.until(ctx, w.within, func(r why.Report) bool { other(r); return r.Verdict.Alarm() })
		out.Right = !alarm && len(out.Instead) == 0
		out.Named, out.Cleared = 0, 0
		w.say("%s", verdict(*out))
		return err
	}
	before := len(out.Instead)

	w.say("it begins")
	if err := do(ctx, s, sc.begin); err != nil {
		return err
	}
	over := s.background(ctx, sc.during)
	ended := false
	end := func(ctx context.Context) error {
		if ended {
			return nil
		}
		ended = true
		return errors.Join(over(), do(ctx, s, sc.end))
	}
	defer func() { _ = end(context.WithoutCancel(ctx)) }() // also when the run is broken off; else it has ended
	right := func(r why.Report) bool {
		return r.Verdict == sc.Want && (s.who == "" || slices.ContainsFunc(r.Who, func(x why.Who) bool { return x.Name == s.who }))
	}
	took, r, named, err := w.until(ctx, w.within, func(r why.Report) bool { other(r); return right(r) })
	if err != nil {
		return err
	}
	steady := false
	if named {
		out.Named, out.Who = took.Seconds(), r.Who
		w.say("named after %.0f s", took.Seconds())
		_, _, lost, err := w.until(ctx, holds, func(r why.Report) bool { other(r); return !right(r) })
		if err != nil {
			return err
		}
		if steady = !lost; lost {
			w.say("it was not said for %s", holds)
		}
	} else {
		w.say("not named within %s: %s", w.within, reason(r, sc.Want))
	}

	w.say("it ends")
	if err := end(ctx); err != nil {
		return err
	}
	took, _, cleared, err := w.until(ctx, w.within, func(r why.Report) bool { return !r.Verdict.Alarm() && r.Verdict != sc.Want })
	if err != nil {
		return err
	}
	if cleared {
		out.Cleared = took.Seconds()
		w.say("forgotten after %.0f s", took.Seconds())
	}
	out.Right = steady && cleared && before == 0
	w.say("%s", verdict(*out))
	return nil
}

// warmUp waits until all has been well for a while, and what the scenario goes by is known. What is said before is not counted.
func (w *watch) warmUp(ctx context.Context, sc Scenario, out *Outcome) error {
	least := warm
	if sc.usual {
		least = usualFor
	}
	var since time.Time
	var failed error
	_, r, ok, err := w.until(ctx, least+settle, func(r why.Report) bool {
		if !well(r.Verdict) {
			since = time.Time{}
			if time.Since(w.began) > warm && r.Verdict.Alarm() && !slices.Contains(out.Instead, r.Verdict) {
				out.Instead = append(out.Instead, r.Verdict)
			}
			return false
		}
		if since.IsZero() {
			since = time.Now()
		}
		ready := time.Since(since) >= quiet && time.Since(w.began) >= least
		if ready && sc.ready != nil {
			ready, failed = sc.ready(ctx, w.stand)
		}
		return ready || failed != nil
	})
	if err = errors.Join(err, failed); err == nil && !ok {
		err = fmt.Errorf("%s: all was not well within %s, so nothing was made to go wrong: %s: %s", sc.Name, least+settle, r.Verdict, r.Summary)
	}
	return err
}

func do(ctx context.Context, s *stand, f func(context.Context, *stand) error) error {
	if f == nil {
		return nil
	}
	return f(ctx, s)
}

// background runs f until the function that it returns is called, which waits for its end.
func (s *stand) background(ctx context.Context, f func(context.Context, *stand) error) (over func() error) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- do(ctx, s, f) }()
	return func() error { cancel(); return <-ended }
}

// reason is why the diagnosis says that it is not v.
func reason(r why.Report, v why.Verdict) string {
	for _, x := range r.RuledOut {
		if x.Verdict == v {
			return x.Because
		}
	}
	if slices.Contains(r.Also, v) {
		return fmt.Sprintf("it is said too, after %s", r.Verdict)
	}
	return fmt.Sprintf("it said %s%s", r.Verdict, names(r.Who))
}

func verdict(o Outcome) string {
	if o.Right {
		return "right"
	}
	return "wrong"
}

// Table writes outcomes as a table in Markdown, a line for each scenario.
func Table(all []Outcome) string {
	var b strings.Builder
	fmt.Fprintln(&b, "| scenario | verdict | right | named after | forgotten after | said instead |")
	fmt.Fprintln(&b, "|---|---|---|---|---|---|")
	for _, o := range all {
		var instead []string
		for _, v := range o.Instead {
			instead = append(instead, string(v))
		}
		named, cleared := seconds(o.Named), seconds(o.Cleared)
		if o.Want == why.Healthy {
			named, cleared = "–", "–"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", o.Scenario, o.Want, map[bool]string{true: "yes", false: "no"}[o.Right], named, cleared, cmp.Or(strings.Join(instead, ", "), "–"))
	}
	return b.String()
}

func seconds(s float64) string {
	if s < 0 {
		return "never"
	}
	return fmt.Sprintf("%.0f s", s)
}
