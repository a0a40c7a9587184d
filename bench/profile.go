package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/pprof/profile"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
)

// profileFor is how long a worker is looked at, in the middle of its crawl.
const profileFor = 8 * time.Second

// profiles says where the CPU time of a crawl goes, by stage and by part.
func profiles(ctx context.Context, o options) error {
	for _, w := range []struct {
		name string
		run  func(context.Context, *course) (*profile.Profile, int64, error)
	}{{"trawl crawl", profileCrawl}, {"trawl worker", profileWorker}} {
		if !o.wants(w.name) {
			continue
		}
		err := o.onCourse(ctx, func(ctx context.Context, c *course) error {
			p, pages, err := w.run(ctx, c)
			if err != nil {
				return err
			}
			return printProfile(os.Stdout, w.name, p, pages)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return nil
}

func profileCrawl(ctx context.Context, c *course) (*profile.Profile, int64, error) {
	file := filepath.Join(c.dir, "cpu.out")
	argv := append([]string{c.trawl("trawl"), "crawl", "--delay", "0", "--max-pages", c.most(), "--cpuprofile", file}, c.web.roots...)
	if err := c.finish(ctx, "trawl", c.env(), argv...); err != nil {
		return nil, 0, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, 0, err
	}
	p, err := profile.ParseData(text)
	return p, int64(c.web.pages), err
}

func profileWorker(ctx context.Context, c *course) (p *profile.Profile, pages int64, err error) {
	c.more = []string{"TRAWL_PPROF=0", "TRAWL_LOG=info,json"} // the log tells where the profiles are
	err = c.cluster(ctx, 1, func(s *system) error {
		if err := c.submit(ctx, s, "--delay", "0"); err != nil {
			return err
		}
		from, err := c.sample(ctx, s, int64(c.web.pages/10))
		if err != nil {
			return err
		}
		if p, err = s.profile(ctx, profileFor); err != nil {
			return err
		}
		to, err := c.sample(ctx, s, 0)
		if err == nil && to.n.Open() == 0 {
			err = errors.New("the crawl was over too soon: want more -pages")
		}
		pages = to.n.Stored - from.n.Stored
		return errors.Join(err, c.watch(ctx, func(_ *sqlite.Catalog, n catalog.Counts) (bool, error) { return n.Open() == 0, nil }))
	})
	return p, pages, err
}

var profilesAt = regexp.MustCompile(`http://[^"]*/debug/pprof/`)

// profile asks the worker for its CPU profile.
func (s *system) profile(ctx context.Context, d time.Duration) (*profile.Profile, error) {
	i := slices.IndexFunc(s.processes, func(p *process) bool { return p.name == "worker" })
	text, err := os.ReadFile(s.processes[i].log)
	if err != nil {
		return nil, err
	}
	at := profilesAt.Find(text)
	if at == nil {
		return nil, fmt.Errorf("the worker does not say where its profiles are: %s", last(text, 2000))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%sprofile?seconds=%d", at, int(d.Seconds())), nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", at, resp.Status, bytes.TrimSpace(body))
	}
	if err != nil {
		return nil, err
	}
	return profile.ParseData(body)
}

// rule says what the CPU time of functions whose names begin in one of these ways is for.
type rule struct {
	what  string
	names []string
}

const (
	reads    = "network: reads"
	collects = "runtime: garbage collection"
	other    = "other"
	module   = "example.org/trawl/"
	sqliteDB = module + "catalog/sqlite."
)

// above hold wherever on the stack the function is, the first of them first: what is below it is done for it.
var above = []rule{
	{collects, []string{"runtime.gcBgMarkWorker", "runtime.gcAssistAlloc", "runtime.gcStart", "runtime.gcMarkTermination", "runtime.bgsweep", "runtime.bgscavenge", "runtime.deductSweepCredit"}},
	{"Redis client", []string{"github.com/redis/go-redis/"}},
	{reads, []string{"net.(*conn).Read", "net.(*netFD).Read"}},
	{"network: writes, dials", []string{"net.(*conn).Write", "net.(*netFD)", "net.(*Dialer)"}},
	{"full-text index", []string{sqliteDB + "(*Catalog).IndexBatch", sqliteDB + "(*index)"}},
}

// partRules are about the first function from the leaf up that one of them names.
var partRules = []rule{
	{"WARC: gzip", []string{"github.com/klauspost/compress/gzip.(*Writer)", "github.com/klauspost/compress/flate.(*compressor)", "github.com/klauspost/compress/flate.(*Writer)"}},
	{"WARC: the rest", []string{module + "archive."}},
	{"digests", []string{"crypto/sha1.", "crypto/sha256.", "crypto/internal/"}},
	{"decode", []string{"github.com/klauspost/compress/gzip.(*Reader)", "github.com/klauspost/compress/zstd.", "github.com/andybalholm/brotli.", module + "fetch.Decode"}},
	{"charset", []string{"golang.org/x/text/encoding", "golang.org/x/text/transform.", module + "extract.Decode"}},
	{"parse", []string{module + "extract.", "golang.org/x/net/html."}},
	{"URLs", []string{module + "weburl.", "github.com/nlnwa/whatwg-url/", module + "frontier.LookAt"}},
	{"near-duplicates", []string{module + "simhash."}},
	{"text compressed", []string{"github.com/klauspost/compress/s2."}},
	{"catalog: SQL", []string{sqliteDB, "database/sql.", "modernc.org/"}},
	{"HTTP", []string{module + "fetch.", "net/http.", "net/textproto.", module + "dnscache."}},
	{"JSON", []string{"encoding/json.", module + "tasks."}},
	{"asynq and what hands tasks on", []string{"github.com/hibiken/asynq", module + "queue.", module + "inline."}},
	{"events and signals", []string{module + "events.", module + "signals.", module + "metrics.", module + "observe.", module + "why.", module + "status.", "go.opentelemetry.io/", "github.com/prometheus/"}},
	{"stages and gate", []string{module + "handlers.", module + "frontier.", module + "pipeline.", module + "robots.", module + "sitemap."}},
	{"runtime: scheduler", []string{"runtime.mcall", "runtime.mstart", "runtime.schedule", "runtime.findRunnable", "runtime.sysmon", "runtime.park_m", "runtime.goexit0", "runtime.morestack", "runtime.gosched", "runtime.systemstack"}},
}

const stages = module + "handlers.(*Crawler)."

var stageRules = []rule{
	{"admit", []string{stages + "Admit"}},
	{"resolve", []string{stages + "Resolve"}},
	{"head", []string{stages + "Head"}},
	{"fetch", []string{stages + "Fetch", "net/http."}},
	{"store", []string{stages + "Store"}},
	{"index", []string{stages + "Index"}},
	{"promote", []string{stages + "Promote", stages + "refill"}},
	{"the catalog's writer, for all stages", []string{sqliteDB + "(*writer)"}},
	{"between stages: queue, events, signals", []string{
		"github.com/redis/go-redis/", "github.com/hibiken/asynq", module + "queue.", module + "inline.", module + "events.", module + "signals.", module + "pipeline.", module + "observe.", module + "metrics.", module + "why.",
	}},
	{"runtime: scheduler", partRules[len(partRules)-1].names},
}

// named is what the first rule says that names f.
func named(rules []rule, f string) (what string) {
	for _, r := range rules {
		if slices.ContainsFunc(r.names, func(n string) bool { return strings.HasPrefix(f, n) }) {
			return r.what
		}
	}
	return ""
}

// partOf and stageOf say what the CPU time of a stack, from the leaf up, is for.
func partOf(stack []string) string {
	for _, r := range above {
		if slices.ContainsFunc(stack, func(f string) bool { return named([]rule{r}, f) != "" }) {
			return r.what
		}
	}
	return upward(partRules, stack)
}

func stageOf(stack []string) string {
	if slices.ContainsFunc(stack, func(f string) bool { return named(above[:1], f) != "" }) {
		return collects
	}
	return upward(stageRules, stack)
}

func upward(rules []rule, stack []string) string {
	for _, f := range stack {
		if what := named(rules, f); what != "" {
			return what
		}
	}
	return other
}

// shares adds up a CPU profile by what of says of each stack.
func shares(p *profile.Profile, of func(stack []string) string) map[string]time.Duration {
	out := map[string]time.Duration{}
	for _, s := range p.Sample {
		var stack []string
		for _, l := range s.Location {
			for _, line := range l.Line { // what is inlined comes first
				if line.Function != nil {
					stack = append(stack, line.Function.Name)
				}
			}
		}
		out[of(stack)] += time.Duration(s.Value[len(s.Value)-1])
	}
	return out
}

// printProfile prints where the time for so many pages went.
func printProfile(out io.Writer, name string, p *profile.Profile, pages int64) error {
	if pages == 0 || len(p.Sample) == 0 {
		return errors.New("no page was stored while the profile was made")
	}
	var sum time.Duration
	for _, by := range []struct {
		title string
		of    func([]string) string
	}{{"stage", stageOf}, {"part", partOf}} {
		all := shares(p, by.of)
		sum = 0
		for _, d := range all {
			sum += d
		}
		fmt.Fprintf(out, "\n| %s, %d pages: %s | ms CPU a page | %% |\n|---|---|---|\n", name, pages, by.title)
		for _, what := range slices.SortedFunc(maps.Keys(all), func(a, b string) int { return cmp.Or(cmp.Compare(all[b], all[a]), cmp.Compare(a, b)) }) {
			fmt.Fprintf(out, "| %s | %.3f | %.1f |\n", what, all[what].Seconds()*1000/float64(pages), 100*all[what].Seconds()/sum.Seconds())
		}
		fmt.Fprintf(out, "| sum | %.3f | 100 |\n", sum.Seconds()*1000/float64(pages))
	}
	_, err := fmt.Fprintf(out, "\n%s: network reads are %.1f %% of the CPU time.\n", name, 100*shares(p, partOf)[reads].Seconds()/sum.Seconds())
	return err
}
