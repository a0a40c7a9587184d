// Package robots reads robots.txt as RFC 9309 has it and tells whether a path may be fetched.
//
// Where the RFC leaves freedom, the package follows Google's published parser, which most site owners write for: lines may end in
// CR, LF or both; the colon may be missing where white space stands between two words; keys are known by how they begin
// ("Disallowed:" counts) and in their common misspellings; lines of other kinds neither end a group nor matter. It differs where
// that parser is looser than the RFC: a Disallow line is compared in one normal form of escapes (section 2.2.2), and "Allow:
// /x/index.html" does not allow "/x/". An Allow line with escapes of plain letters, which the two read differently, fits only a
// path with the same escapes: in doubt, nothing is fetched.
//
// The package only reads. What to do where robots.txt is missing or cannot be had (section 2.3.1) is the caller's matter.
package robots

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"
)

// MaxSize is how many octets are read; the rest is ignored, and so is a line that the limit cuts (RFC 9309 section 2.5).
const MaxSize = 500 << 10

// maxLine is how many octets of one line are read: eight times what browsers once took for a URL, less a C string's end.
const maxLine = 2083*8 - 1

// maxDelay is the longest Crawl-delay that is believed; a longer one is a slip.
const maxDelay = 30 * 24 * time.Hour

// File is a robots.txt that has been read. It is never changed, so any number of goroutines may use it.
type File struct {
	groups   []group
	delays   []delay
	sitemaps []string
}

// group is a group of RFC 9309 section 2.1: agents, in lower case, and the rules for them.
type group struct {
	agents []string
	rules  []rule
}

// delay is a Crawl-delay line and the agents named right above it. It is kept apart from the groups because, as a line of another
// kind, it must not end the list of agents of one.
type delay struct {
	agents []string
	wait   time.Duration
}

// Parse reads a robots.txt. Nothing is an error: what is not understood is passed over.
func Parse(body []byte) *File {
	if len(body) > MaxSize {
		cut := body[:MaxSize]
		if next := body[MaxSize]; next != '\n' && next != '\r' {
			cut = cut[:bytes.LastIndexAny(cut, "\r\n")+1]
		}
		body = cut
	}
	// A byte order mark is passed over, even half of one.
	for _, c := range []byte("\xef\xbb\xbf") {
		if len(body) == 0 || body[0] != c {
			break
		}
		body = body[1:]
	}
	p := parser{file: &File{}}
	for len(body) > 0 {
		end := bytes.IndexAny(body, "\r\n")
		if end < 0 {
			end = len(body)
		}
		p.line(string(body[:min(end, maxLine)]))
		body = body[min(end+1, len(body)):]
	}
	return p.file
}

// Sitemaps returns the sitemaps that the file names, for whatever agent, as written and each once.
func (f *File) Sitemaps() []string { return f.sitemaps }

// parser is the state between lines.
type parser struct {
	file *File
	// ruled tells that the last group has rules, so that a further agent begins a new group.
	ruled bool
	// heirs are the agents that a Crawl-delay line would be for; settled tells that a further agent begins a new list.
	heirs   []string
	settled bool
	seen    map[string]bool // sitemaps
}

// line reads one line, without its end.
func (p *parser) line(s string) {
	s, _, _ = strings.Cut(s, "#")
	s = strings.Trim(s, space)
	key, value, ok := cutKey(s)
	if !ok {
		return
	}
	switch kindOf(key) {
	case agentLine:
		p.agent(agentToken(value))
	case allowLine:
		p.rule(s, value, true)
	case disallowLine:
		p.rule(s, value, false)
	case sitemapLine:
		if value != "" && !p.seen[value] {
			if p.seen == nil {
				p.seen = make(map[string]bool)
			}
			p.seen[value] = true
			p.file.sitemaps = append(p.file.sitemaps, value)
		}
	case delayLine:
		p.settled = true
		if wait, ok := parseDelay(value); ok && len(p.heirs) > 0 {
			p.file.delays = append(p.file.delays, delay{p.heirs, wait})
		}
	}
}

func (p *parser) agent(token string) {
	if p.ruled || len(p.file.groups) == 0 {
		p.file.groups = append(p.file.groups, group{})
		p.ruled = false
	}
	g := &p.file.groups[len(p.file.groups)-1]
	g.agents = append(g.agents, token)
	if p.settled {
		p.heirs, p.settled = nil, false
	}
	p.heirs = append(p.heirs, token)
}

func (p *parser) rule(line, value string, allow bool) {
	p.settled = true
	if len(p.file.groups) == 0 {
		return // a rule before any agent is nobody's
	}
	p.ruled = true
	if value == "" {
		return // matches nothing, but ends the list of agents
	}
	g := &p.file.groups[len(p.file.groups)-1]
	g.rules = append(g.rules, rule{pattern: parsePattern(value, !allow), allow: allow, line: line})
}

// parseDelay reads seconds, with a fraction if need be; ok is false for what is no sensible number of them.
func parseDelay(s string) (d time.Duration, ok bool) {
	seconds, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(seconds) || seconds < 0 || seconds > maxDelay.Seconds() {
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}
