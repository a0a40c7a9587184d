package tasks

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"time"
)

// Settings is what a crawl is told by its submitters; the last submission that names a setting wins. A submission carries
// only what was named, as a JSON object with some of these fields, so that it leaves the rest as it was.
type Settings struct {
	Scope    Scope  `json:"scope"`
	Include  string `json:"include,omitempty"` // regular expression that links must match
	Exclude  string `json:"exclude,omitempty"` // regular expression that links must not match
	MaxPages int64  `json:"max_pages"`
	// MaxHostPages and MaxPathPages bound the pages of each host, and those below a folder ("/shop/" at every host, or
	// "http://example.org/shop/"); 0: no limit.
	MaxHostPages int64            `json:"max_host_pages,omitempty"`
	MaxPathPages map[string]int64 `json:"max_path_pages,omitempty"`
	MazePages    int64            `json:"maze_pages"` // of what looks endless that are visited before it has led anywhere; 0: no limit
	Delay        time.Duration    `json:"delay"`      // least time between two starts at one host
	PerHost      int              `json:"per_host"`   // connections at once to one host
	// PerDomain and PerIP press all hosts of a registrable domain, and all at one address, no harder than so many hosts; 0: no limit.
	PerDomain int      `json:"per_domain,omitempty"`
	PerIP     int      `json:"per_ip,omitempty"`
	NoAdapt   bool     `json:"no_adapt,omitempty"` // the delay stays as it is when the host answers slowly
	Head      HeadMode `json:"head"`
	// Sitemaps says that the sitemaps that robots.txt names, and feeds, are read for further pages.
	Sitemaps bool `json:"sitemaps,omitempty"`
	// Revisit says whether stored pages are looked at again, RevisitBudget how often a day in all (0: as often as they change), and
	// the others how far apart the looks at one page are.
	Revisit       RevisitMode   `json:"revisit,omitempty"`
	RevisitBudget int64         `json:"revisit_budget,omitempty"`
	RevisitLeast  time.Duration `json:"revisit_least,omitempty"`
	RevisitMost   time.Duration `json:"revisit_most,omitempty"`
	NoIndex       bool          `json:"no_index,omitempty"` // pages do not become searchable
	Recrawl       bool          `json:"recrawl,omitempty"`  // submitted pages that are stored already are visited again
}

// Scope says which links belong to a crawl.
type Scope string

// The scopes, each seen from the pages that were submitted.
const (
	ScopeHost   Scope = "host"   // the same scheme, name and port
	ScopeDomain Scope = "domain" // the same registrable domain
	ScopePrefix Scope = "prefix" // below the same folder
	ScopeAny    Scope = "any"
)

// HeadMode says when the header is asked for before the body.
type HeadMode string

// The modes.
const (
	HeadAuto   HeadMode = "auto" // only where the URL's ending says that the body may be refused
	HeadAlways HeadMode = "always"
	HeadNever  HeadMode = "never"
)

// RevisitMode says whether pages are looked at again.
type RevisitMode string

// The modes.
const (
	RevisitOff  RevisitMode = "off"
	RevisitAuto RevisitMode = "auto" // at intervals that follow how often each page changes
)

// Defaults are the settings of a crawl of which nothing was said.
func Defaults() Settings {
	return Settings{Scope: ScopeHost, MaxPages: 10_000, MazePages: 100, Delay: time.Second, PerHost: 1, Head: HeadAuto, Revisit: RevisitOff, RevisitLeast: time.Hour, RevisitMost: 60 * 24 * time.Hour}
}

// Merge returns s with what the JSON object named says instead.
func (s Settings) Merge(named json.RawMessage) (Settings, error) {
	if len(named) == 0 {
		return s, nil
	}
	s.MaxPathPages = maps.Clone(s.MaxPathPages) // what is named is added to it
	if err := json.Unmarshal(named, &s); err != nil {
		return s, fmt.Errorf("settings: %w", err)
	}
	return s, s.Validate()
}

// Validate tells what is wrong with s, naming the flag.
func (s Settings) Validate() error {
	var errs []error
	switch s.Scope {
	case ScopeHost, ScopeDomain, ScopePrefix, ScopeAny:
	default:
		errs = append(errs, fmt.Errorf("--scope %q: want host, domain, prefix or any", s.Scope))
	}
	switch s.Head {
	case HeadAuto, HeadAlways, HeadNever:
	default:
		errs = append(errs, fmt.Errorf("--head %q: want auto, always or never", s.Head))
	}
	if s.Revisit != RevisitOff && s.Revisit != RevisitAuto {
		errs = append(errs, fmt.Errorf("--revisit %q: want auto or off", s.Revisit))
	}
	if s.RevisitLeast < time.Minute || s.RevisitMost < s.RevisitLeast {
		errs = append(errs, fmt.Errorf("--revisit-least %s --revisit-most %s: want at least a minute, and the second not below the first", s.RevisitLeast, s.RevisitMost))
	}
	if s.RevisitBudget < 0 {
		errs = append(errs, fmt.Errorf("--revisit-budget %d: want looks a day, or 0 for no limit", s.RevisitBudget))
	}
	if _, err := regexp.Compile(s.Include); err != nil {
		errs = append(errs, fmt.Errorf("--include: %w", err))
	}
	if _, err := regexp.Compile(s.Exclude); err != nil {
		errs = append(errs, fmt.Errorf("--exclude: %w", err))
	}
	if s.MaxPages < 1 {
		errs = append(errs, fmt.Errorf("--max-pages %d: want at least 1", s.MaxPages))
	}
	if s.MaxHostPages < 0 {
		errs = append(errs, fmt.Errorf("--max-host-pages %d: want at least 1, or 0 for no limit", s.MaxHostPages))
	}
	for folder, n := range s.MaxPathPages {
		if n < 0 || !strings.HasSuffix(folder, "/") || !strings.HasPrefix(folder, "/") && !strings.HasPrefix(folder, "http://") && !strings.HasPrefix(folder, "https://") {
			errs = append(errs, fmt.Errorf("--max-path-pages %s=%d: want a folder such as /shop/ or http://example.org/shop/ and a number, 0 for no limit", cut(folder), n))
		}
	}
	if s.MazePages < 0 {
		errs = append(errs, fmt.Errorf("--maze-pages %d: want at least 1, or 0 for no limit", s.MazePages))
	}
	if s.Delay < 0 {
		errs = append(errs, fmt.Errorf("--delay %s: want 0 or more", s.Delay))
	}
	if s.PerHost < 1 {
		errs = append(errs, fmt.Errorf("--per-host %d: want at least 1", s.PerHost))
	}
	if s.PerDomain < 0 {
		errs = append(errs, fmt.Errorf("--per-domain %d: want at least 1, or 0 for no limit", s.PerDomain))
	}
	if s.PerIP < 0 {
		errs = append(errs, fmt.Errorf("--per-ip %d: want at least 1, or 0 for no limit", s.PerIP))
	}
	return errors.Join(errs...)
}

var crawlName = regexp.MustCompile(`^[\pL\pN][\pL\pN._-]{0,63}$`)

// Validate tells what is wrong with the names in a submission.
func (t Admit) Validate() error {
	if !crawlName.MatchString(t.Crawl) {
		return fmt.Errorf("crawl %q: want up to 64 letters, digits, dots, dashes or underscores", cut(t.Crawl))
	}
	if t.Submitter == "" || len(t.Submitter) > 64 {
		return fmt.Errorf("submitter %q: want 1 to 64 characters", cut(t.Submitter))
	}
	return nil
}

// cut keeps a message short.
func cut(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// ParsePriority reads a priority as people write it: high, normal (or nothing) or low.
func ParsePriority(s string) (int, error) {
	switch s {
	case "high":
		return 1, nil
	case "normal", "":
		return 0, nil
	case "low":
		return -1, nil
	}
	return 0, fmt.Errorf("priority %q: want high, normal or low", s)
}
