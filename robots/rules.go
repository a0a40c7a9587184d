package robots

import (
	"slices"
	"strings"
	"time"
)

// Rules are what a robots.txt says to one agent.
type Rules struct {
	rules []rule
	delay time.Duration
	timed bool
}

type rule struct {
	pattern
	allow bool
	line  string // as written, for people
}

// For returns the rules for agent, a product token such as "Trawl" in any case; of a whole User-Agent header ("Trawl/1.0 (+…)")
// the token at its beginning is taken. All groups that name the agent count as one; only where there is none do the groups
// for "*" count (RFC 9309 section 2.2.1).
func (f *File) For(agent string) Rules {
	if strings.ContainsAny(agent, "/(") {
		agent = agent[:tokenLen(agent)]
	}
	token := strings.ToLower(agent)
	if token == "" || !slices.ContainsFunc(f.groups, func(g group) bool { return slices.Contains(g.agents, token) }) {
		token = "*"
	}
	var r Rules
	for _, g := range f.groups {
		if slices.Contains(g.agents, token) {
			r.rules = append(r.rules, g.rules...)
		}
	}
	for _, d := range f.delays {
		if slices.Contains(d.agents, token) {
			r.delay, r.timed = max(r.delay, d.wait), true
		}
	}
	return r
}

// Allowed tells whether path, with its query and escaped as in a canonical URL, may be fetched, and which line of the file decided
// that; rule is "" where none did. The longest pattern that fits decides, and of two as long the one that allows (RFC 9309
// section 2.2.2). "/robots.txt" is always allowed.
func (r Rules) Allowed(path string) (ok bool, rule string) {
	if path == "/robots.txt" {
		return true, ""
	}
	if path == "" || path[0] != '/' {
		path = "/" + path
	}
	written, decoded := normal(path, false), normal(path, true)
	ok = true
	longest := 0
	for _, c := range r.rules {
		if c.octets < longest || c.octets == longest && (ok || !c.allow) {
			continue
		}
		path := decoded
		if c.allow {
			path = written
		}
		if c.match(path) {
			ok, rule, longest = c.allow, c.line, c.octets
		}
	}
	return ok, rule
}

// CrawlDelay returns the least time between two fetches that the file asks of the agent, the longest where it names several; ok is
// false where it names none. RFC 9309 has no such line, but many files do.
func (r Rules) CrawlDelay() (d time.Duration, ok bool) { return r.delay, r.timed }
