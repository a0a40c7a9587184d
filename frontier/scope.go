// Package frontier holds the rules by which a page comes to be crawled and when: scope, traps, and the gate that hands out
// the moments at which a host may be touched.
package frontier

import (
	"fmt"
	"regexp"
	"strings"

	"example.org/trawl/weburl"
)

// Everything is the root of a crawl without bounds.
const Everything = "*"

// Root returns what u, as a seed, brings into the scope of its crawl: its host, its registrable domain, its folder or Everything.
// Kind is host, domain, prefix or any.
func Root(kind, u string) string {
	switch kind {
	case "domain":
		return "domain " + weburl.Site(weburl.Hostname(u))
	case "prefix":
		return "prefix " + folder(u)
	case "any":
		return Everything
	}
	return "host " + weburl.Host(u)
}

// folder is u up to the last slash of its path.
func folder(u string) string {
	path := weburl.Path(u)
	base := strings.TrimSuffix(u, path)
	path, _, _ = strings.Cut(path, "?")
	return base + path[:strings.LastIndexByte(path, '/')+1]
}

// Scope decides which links belong to a crawl.
type Scope struct {
	roots            map[string]bool
	include, exclude *regexp.Regexp
}

// NewScope returns the scope that holds what one of the roots holds, matches include and does not match exclude; an empty
// expression says nothing.
func NewScope(roots []string, include, exclude string) (*Scope, error) {
	s := &Scope{roots: make(map[string]bool, len(roots))}
	for _, r := range roots {
		s.roots[r] = true
	}
	var err error
	if s.include, err = compile(include); err != nil {
		return nil, fmt.Errorf("include: %w", err)
	}
	if s.exclude, err = compile(exclude); err != nil {
		return nil, fmt.Errorf("exclude: %w", err)
	}
	return s, nil
}

func compile(expr string) (*regexp.Regexp, error) {
	if expr == "" {
		return nil, nil
	}
	return regexp.Compile(expr)
}

// Holds tells whether the canonical URL u belongs to the crawl, and the rule that decided.
func (s *Scope) Holds(u string) (ok bool, rule string) {
	root, ok := s.root(u)
	switch {
	case !ok:
		return false, "no seed's scope holds it"
	case s.exclude != nil && s.exclude.MatchString(u):
		return false, "--exclude " + s.exclude.String()
	case s.include != nil && !s.include.MatchString(u):
		return false, "--include " + s.include.String()
	}
	return true, root
}

func (s *Scope) root(u string) (string, bool) {
	for _, kind := range []string{"any", "host", "domain"} {
		if r := Root(kind, u); s.roots[r] {
			return r, true
		}
	}
	dir := folder(u)
	origin := len(u) - len(weburl.Path(u))
	for len(dir) > origin {
		if s.roots["prefix "+dir] {
			return "prefix " + dir, true
		}
		dir = dir[:strings.LastIndexByte(dir[:len(dir)-1], '/')+1]
	}
	return "", false
}

// The bounds beyond which a URL is taken for a trap.
const (
	MaxURL      = 2000 // octets of a URL
	MaxSegments = 30   // path segments
	MaxRepeats  = 2    // further times that one path segment may stand again, one after the other or in a cycle
)

// Trap returns why u looks like part of an endless space, or "".
func Trap(u string) string {
	if len(u) > MaxURL {
		return fmt.Sprintf("URL of %d octets, more than %d", len(u), MaxURL)
	}
	path, _, _ := strings.Cut(weburl.Path(u), "?")
	segments := strings.Split(strings.Trim(path, "/"), "/")
	if len(segments) > MaxSegments {
		return fmt.Sprintf("path of %d segments, more than %d", len(segments), MaxSegments)
	}
	// a/a/a/a and a/b/a/b/a/b/a/b: a cycle of up to three segments that stands more than MaxRepeats+1 times in a row.
	for period := 1; period <= 3; period++ {
		run := 0
		for i := period; i < len(segments); i++ {
			if segments[i] == "" || segments[i] != segments[i-period] {
				run = 0
				continue
			}
			if run++; run >= period*(MaxRepeats+1) {
				return fmt.Sprintf("path segment %q again and again", segments[i])
			}
		}
	}
	return ""
}
