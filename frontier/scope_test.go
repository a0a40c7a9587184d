package frontier_test

import (
	"strings"
	"testing"

	"example.org/trawl/frontier"
	"example.org/trawl/weburl"
)

func TestScope(t *testing.T) {
	for name, tt := range map[string]struct {
		kind             string
		seeds            []string
		include, exclude string
		in, out          []string
	}{
		"host": {
			kind: "host", seeds: []string{"http://example.org/a/b?c"},
			in:  []string{"http://example.org/", "http://example.org/z/", "http://example.org:80/x"},
			out: []string{"https://example.org/", "http://example.org:8080/", "http://www.example.org/", "http://example.org.evil.example/", "http://evil.example/http://example.org/"},
		},
		"host with a port": {
			kind: "host", seeds: []string{"https://example.org:8443/"},
			in:  []string{"https://example.org:8443/x"},
			out: []string{"https://example.org/x", "https://example.org:84/x"},
		},
		"domain": {
			kind: "domain", seeds: []string{"https://www.example.co.uk/a"},
			in:  []string{"http://example.co.uk/", "https://a.b.example.co.uk:99/"},
			out: []string{"https://other.co.uk/", "https://co.uk/", "https://notexample.co.uk/", "https://example.co.uk.evil.example/"},
		},
		"domain where everybody has a name of their own": {
			kind: "domain", seeds: []string{"https://alice.github.io/"},
			in:  []string{"https://alice.github.io/x"},
			out: []string{"https://bob.github.io/", "https://github.io/"},
		},
		"domain of an address": {
			kind: "domain", seeds: []string{"http://192.0.2.7/", "http://[2001:db8::1]/"},
			in:  []string{"http://192.0.2.7:81/", "http://[2001:db8::1]:81/"},
			out: []string{"http://192.0.2.8/", "http://1.192.0.2.7.example/", "http://[2001:db8::2]/"},
		},
		"domain of a single label": {
			kind: "domain", seeds: []string{"http://localhost:8080/"},
			in: []string{"http://localhost/"}, out: []string{"http://localhost.example/", "http://host/"},
		},
		"prefix": {
			kind: "prefix", seeds: []string{"http://example.org/docs/intro.html?v=1/2"},
			in: []string{"http://example.org/docs/", "http://example.org/docs/x/y/z?q=/", "http://example.org/docs/?/"},
			out: []string{
				"http://example.org/", "http://example.org/docs", "http://example.org/docs.html", "http://example.org/docs2/", "http://example.org/x?/docs/",
				"https://example.org/docs/", "http://example.org:81/docs/", "http://example.com/docs/", "http://example.org//docs/",
			},
		},
		"prefix of a whole host": {
			kind: "prefix", seeds: []string{"http://example.org/"},
			in: []string{"http://example.org/", "http://example.org/a/b", "http://example.org//"}, out: []string{"http://example.org.evil.example/", "https://example.org/"},
		},
		"prefix with empty segments": {
			kind: "prefix", seeds: []string{"http://example.org/a//b"},
			in: []string{"http://example.org/a//c", "http://example.org/a//c/d"}, out: []string{"http://example.org/a/c"},
		},
		"any": {kind: "any", seeds: []string{"http://example.org/"}, in: []string{"https://anything.example:99/x"}},
		"several seeds": {
			kind: "host", seeds: []string{"http://a.example/", "http://b.example/"},
			in: []string{"http://a.example/x", "http://b.example/x"}, out: []string{"http://c.example/"},
		},
		"no seed": {kind: "host", out: []string{"http://example.org/"}},
		"include": {
			kind: "host", seeds: []string{"http://example.org/"}, include: `\.html$`,
			in: []string{"http://example.org/a.html"}, out: []string{"http://example.org/", "http://example.org/a.html?x", "http://example.com/a.html"},
		},
		"exclude": {
			kind: "host", seeds: []string{"http://example.org/"}, exclude: `/private/|\?`,
			in: []string{"http://example.org/"}, out: []string{"http://example.org/private/x", "http://example.org/?a"},
		},
		"exclude is stronger": {
			kind: "any", seeds: []string{"http://example.org/"}, include: `html`, exclude: `html`, out: []string{"http://example.org/a.html"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var roots []string
			for _, u := range tt.seeds {
				roots = append(roots, frontier.Root(tt.kind, canonical(t, u)))
			}
			s, err := frontier.NewScope(roots, tt.include, tt.exclude)
			if err != nil {
				t.Fatal(err)
			}
			check := func(urls []string, want bool) {
				for _, u := range urls {
					if ok, rule := s.Holds(canonical(t, u)); ok != want || rule == "" {
						t.Errorf("%s: %v by rule %q, want %v", u, ok, rule, want)
					}
				}
			}
			check(tt.in, true)
			check(tt.out, false)
		})
	}
}

// What a seed brings in holds the seed itself, whatever is crawled.
func TestScopeHoldsItsSeeds(t *testing.T) {
	for _, kind := range []string{"host", "domain", "prefix", "any"} {
		for _, u := range []string{
			"http://example.org/", "http://example.org/a", "http://example.org/a/?b=/c/", "https://[2001:db8::1]:8443/a/", "http://192.0.2.1/x", "http://localhost/",
			"http://co.uk/", "http://xn--bcher-kva.example/ü", "http://example.org//", "http://example.org/a//",
		} {
			s, err := frontier.NewScope([]string{frontier.Root(kind, canonical(t, u))}, "", "")
			if err != nil {
				t.Fatal(err)
			}
			if ok, rule := s.Holds(canonical(t, u)); !ok {
				t.Errorf("scope %s of %s does not hold it: %s", kind, u, rule)
			}
		}
	}
}

func TestScopeNamesTheRule(t *testing.T) {
	s, err := frontier.NewScope([]string{frontier.Root("prefix", "http://example.org/a/")}, "[ab]", "c$")
	if err != nil {
		t.Fatal(err)
	}
	for u, want := range map[string]string{
		"http://example.org/a/b":  "prefix http://example.org/a/",
		"http://example.org/x":    "no seed's scope holds it",
		"http://example.org/a/bc": "--exclude c$",
	} {
		if _, rule := s.Holds(u); rule != want {
			t.Errorf("%s: %q, want %q", u, rule, want)
		}
	}
}

func TestScopeRefusesABadExpression(t *testing.T) {
	for want, expr := range map[string][2]string{"include": {"(", ""}, "exclude": {"", "*"}} {
		if _, err := frontier.NewScope(nil, expr[0], expr[1]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error that names %s", expr, err, want)
		}
	}
}

func TestTrap(t *testing.T) {
	path := func(segments string, n int) string { return "http://example.org/" + strings.Repeat(segments, n) }
	for name, tt := range map[string]struct {
		url  string
		trap bool
	}{
		"root":                               {"http://example.org/", false},
		"an ordinary page":                   {"http://example.org/2026/03/04/a-title/?page=2", false},
		"as long as allowed":                 {path("", 1) + strings.Repeat("x", frontier.MaxURL-len(path("", 1))), false},
		"too long":                           {path("", 1) + strings.Repeat("x", frontier.MaxURL-len(path("", 1))+1), true},
		"too long by its query":              {path("?", 1) + strings.Repeat("x", frontier.MaxURL), true},
		"as deep as allowed":                 {numbered(frontier.MaxSegments), false},
		"as deep as allowed, and a slash":    {numbered(frontier.MaxSegments) + "/", false},
		"too deep":                           {numbered(frontier.MaxSegments + 1), true},
		"slashes in the query are no depth":  {path("?", 1) + strings.Repeat("/x", 100), false},
		"a segment three times":              {path("a/", 3), false},
		"a segment four times":               {path("a/", 4), true},
		"four times, further down":           {path("x/", 1) + strings.Repeat("a/", 4) + "page.html", true},
		"four times, but not in a row":       {path("a/b/a/c/a/d/a/e", 1), false},
		"a cycle of two three times":         {path("a/b/", 3), false},
		"a cycle of two four times":          {path("a/b/", 4), true},
		"a cycle of three three times":       {path("a/b/c/", 3), false},
		"a cycle of three four times":        {path("a/b/c/", 4), true},
		"a cycle that is not closed":         {path("a/b/", 3) + "a", false},
		"a date whose parts are alike":       {"http://example.org/12/12/12/", false},
		"a calendar, by query":               {"http://example.org/calendar?next&next&next&next&next", false},
		"empty segments":                     {"http://example.org/a//////b", false},
		"nothing but slashes":                {"http://example.org" + strings.Repeat("/", 20), false},
		"segments that begin alike":          {"http://example.org/a/aa/aaa/aaaa/aaaaa", false},
		"a relative link that went too deep": {"http://example.org/shop/cart/shop/cart/shop/cart/shop/cart/", true},
	} {
		if why := frontier.Trap(tt.url); (why != "") != tt.trap {
			t.Errorf("%s: %q, want a trap: %v", name, why, tt.trap)
		}
	}
}

func numbered(n int) string {
	var u strings.Builder
	u.WriteString("http://example.org")
	for i := range n {
		u.WriteString("/" + string(rune('a'+i%26)) + string(rune('a'+i/26)))
	}
	return u.String()
}

func canonical(t *testing.T, raw string) string {
	t.Helper()
	u, err := weburl.Canonical(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
