// Package submit is how URLs are submitted: the flags that crawl and enqueue share, and the enqueue command itself.
package submit

import (
	"encoding/json"
	"fmt"
	"os/user"
	"time"

	"github.com/spf13/pflag"

	"example.org/trawl/tasks"
)

// Flags are the flags that crawl and enqueue share.
type Flags struct {
	Crawl                     string
	Submitter                 string
	Depth                     int
	priority                  string
	scope                     string
	include                   string
	exclude                   string
	maxPages                  int64
	maxHostPages, mazePages   int64
	maxPathPages              map[string]int64
	delay                     string
	perHost                   int
	perDomain                 int
	perIP                     int
	adapt                     string
	sitemaps                  string
	revisit                   string
	revisitBudget             int64
	revisitLeast, revisitMost time.Duration
	head                      string
	index                     string

	set *pflag.FlagSet
}

// NewFlags adds the shared flags to set. Depth is the command's own default.
func NewFlags(set *pflag.FlagSet, depth int) *Flags {
	d := tasks.Defaults()
	f := &Flags{set: set}
	set.StringVar(&f.Crawl, "crawl", "default", "name of the crawl")
	set.StringVar(&f.Submitter, "submitter", loginName(), "who asks for the URLs")
	set.IntVar(&f.Depth, "depth", depth, "how many links to follow from the URLs; -1 for no limit")
	set.StringVar(&f.scope, "scope", string(d.Scope), "which links belong to the crawl: host, domain, prefix or any")
	set.StringVar(&f.include, "include", "", "regular expression that links must match")
	set.StringVar(&f.exclude, "exclude", "", "regular expression that links must not match")
	set.Int64Var(&f.maxPages, "max-pages", d.MaxPages, "most pages of the crawl")
	set.Int64Var(&f.maxHostPages, "max-host-pages", 0, "most pages of each host; 0 for no limit")
	set.StringToInt64Var(&f.maxPathPages, "max-path-pages", nil, "most pages below a folder, as `FOLDER=N`: /shop/=500 or http://example.org/shop/=500; may be repeated")
	set.Lookup("max-path-pages").DefValue = ""
	set.Int64Var(&f.mazePages, "maze-pages", d.MazePages, "pages to visit of what looks endless, such as a calendar, before it has led anywhere; 0 for no limit")
	set.StringVar(&f.delay, "delay", d.Delay.String(), "least time between two starts at one host; 0 for none")
	set.IntVar(&f.perHost, "per-host", 0, "connections at once to one host (1 unless the delay is 0, then 16)")
	set.IntVar(&f.perDomain, "per-domain", 0, "press all hosts of a registrable domain no harder than so many hosts; 0 for no limit")
	set.IntVar(&f.perIP, "per-ip", 0, "press all hosts at one address no harder than so many hosts; 0 for no limit")
	set.StringVar(&f.adapt, "adapt", "on", "let the delay grow when a host answers slowly: on or off")
	set.StringVar(&f.sitemaps, "sitemaps", "off", "read the sitemaps that robots.txt names, and feeds, for further pages: on or off")
	set.StringVar(&f.revisit, "revisit", string(d.Revisit), "look at stored pages again, as often as they change: auto or off")
	set.Int64Var(&f.revisitBudget, "revisit-budget", 0, "looks a day at pages of the crawl, spent where they find most; 0 for no limit")
	set.DurationVar(&f.revisitLeast, "revisit-least", d.RevisitLeast, "least time between two looks at a page")
	set.DurationVar(&f.revisitMost, "revisit-most", d.RevisitMost, "most time between two looks at a page")
	set.StringVar(&f.head, "head", string(d.Head), "ask for the header before the body: auto, always or never")
	set.StringVar(&f.priority, "priority", "normal", "high, normal or low")
	set.StringVar(&f.index, "index", "on", "make the pages searchable: on or off")
	return f
}

func loginName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}

// perHostWithoutDelay is how many connections one host gets when there is no delay to keep.
const perHostWithoutDelay = 16

// Admit returns the task that submits urls with what the flags say. Settings that were not named stay as the crawl has them.
func (f *Flags) Admit(urls []string) (tasks.Admit, error) {
	t := tasks.Admit{Batch: tasks.NewID(), Crawl: f.Crawl, Submitter: f.Submitter, Origin: tasks.OriginSeed, Reach: f.Depth, URLs: urls}
	if err := t.Validate(); err != nil {
		return t, fmt.Errorf("--%w", err)
	}
	if f.Depth < tasks.NoLimit {
		return t, fmt.Errorf("--depth %d: want 0 or more, or -1 for no limit", f.Depth)
	}
	var err error
	if t.Priority, err = tasks.ParsePriority(f.priority); err != nil {
		return t, fmt.Errorf("--%w", err)
	}
	named, err := f.named()
	if err != nil {
		return t, err
	}
	if len(named) == 0 {
		return t, nil
	}
	if t.Settings, err = json.Marshal(named); err != nil {
		return t, err
	}
	_, err = tasks.Defaults().Merge(t.Settings)
	return t, err
}

// named are the settings whose flags were given, by the names that tasks.Settings has in JSON.
func (f *Flags) named() (map[string]any, error) {
	out := map[string]any{}
	for flag, set := range map[string]struct {
		name  string
		value any
	}{
		"scope": {"scope", f.scope}, "include": {"include", f.include}, "exclude": {"exclude", f.exclude},
		"max-pages": {"max_pages", f.maxPages}, "max-host-pages": {"max_host_pages", f.maxHostPages}, "max-path-pages": {"max_path_pages", f.maxPathPages},
		"maze-pages": {"maze_pages", f.mazePages}, "head": {"head", f.head}, "per-host": {"per_host", f.perHost},
		"revisit": {"revisit", f.revisit}, "revisit-budget": {"revisit_budget", f.revisitBudget},
		"revisit-least": {"revisit_least", f.revisitLeast}, "revisit-most": {"revisit_most", f.revisitMost},
		"per-domain": {"per_domain", f.perDomain}, "per-ip": {"per_ip", f.perIP},
	} {
		if f.set.Changed(flag) {
			out[set.name] = set.value
		}
	}
	if f.set.Changed("delay") {
		d, err := parseDelay(f.delay)
		if err != nil {
			return nil, err
		}
		out["delay"] = d
		if !f.set.Changed("per-host") {
			out["per_host"] = 1
			if d == 0 {
				out["per_host"] = perHostWithoutDelay
			}
		}
	}
	for flag, s := range map[string]struct{ name, value string }{"index": {"no_index", f.index}, "adapt": {"no_adapt", f.adapt}} {
		if !f.set.Changed(flag) {
			continue
		}
		if s.value != "on" && s.value != "off" {
			return nil, fmt.Errorf("--%s %q: want on or off", flag, s.value)
		}
		out[s.name] = s.value == "off"
	}
	if f.set.Changed("sitemaps") {
		if f.sitemaps != "on" && f.sitemaps != "off" {
			return nil, fmt.Errorf("--sitemaps %q: want on or off", f.sitemaps)
		}
		out["sitemaps"] = f.sitemaps == "on"
	}
	return out, nil
}

// parseDelay reads a duration; a bare number means seconds, for that is what robots.txt has.
func parseDelay(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		if d, err = time.ParseDuration(s + "s"); err != nil {
			return 0, fmt.Errorf("--delay %q: want a duration such as 500ms, 2s or 0", s)
		}
	}
	return d, nil
}

// WithRecrawl adds to named settings that stored pages are to be visited again.
func WithRecrawl(named json.RawMessage) (json.RawMessage, error) {
	m := map[string]any{}
	if len(named) > 0 {
		if err := json.Unmarshal(named, &m); err != nil {
			return nil, err
		}
	}
	m["recrawl"] = true
	return json.Marshal(m)
}
