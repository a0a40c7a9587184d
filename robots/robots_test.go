package robots

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestAllowed(t *testing.T) {
	for _, c := range []struct {
		name, robots, agent, path string
		ok                        bool
		rule                      string
	}{
		{"an empty file", "", "Trawl", "/x", true, ""},
		{"a rule", "User-agent: *\nDisallow: /x # why\n", "Trawl", "/xy", false, "Disallow: /x"},
		{"the longest wins", "User-agent: *\nDisallow: /a\nAllow: /a/b", "Trawl", "/a/b/c", true, "Allow: /a/b"},
		{"allow wins a tie", "User-agent: *\nDisallow: /a\nAllow: /a", "Trawl", "/a", true, "Allow: /a"},
		{"robots.txt", "User-agent: *\nDisallow: /", "Trawl", "/robots.txt", true, ""},
		{"no path is the root", "User-agent: *\nDisallow: /$", "Trawl", "", false, "Disallow: /$"},
		{"its own group only", "User-agent: *\nDisallow: /\nUser-agent: trawl\nDisallow: /x", "Trawl", "/y", true, ""},
		{"groups are merged", "User-agent: trawl\nDisallow: /x\nUser-agent: a\nDisallow: /y\nUser-agent: Trawl\nDisallow: /z", "TRAWL", "/z", false, "Disallow: /z"},
		{"of a header the token", "User-agent: trawl\nDisallow: /x", "Trawl/1.0 (+https://example.org/)", "/x", false, "Disallow: /x"},
		{"a line's version is ignored", "User-agent: trawl/2.0\nDisallow: /x", "Trawl", "/x", false, "Disallow: /x"},
		{"not a part of a token", "User-agent: trawler\nDisallow: /x", "Trawl", "/x", true, ""},
		{"an empty rule allows", "User-agent: trawl\nDisallow:\nUser-agent: *\nDisallow: /", "Trawl", "/x", true, ""},
		{"an empty rule ends the names", "User-agent: a\nDisallow:\nUser-agent: trawl\nDisallow: /", "a", "/x", true, ""},
		{"other lines do not", "User-agent: a\nCrawl-delay: 1\nSitemap: /m\nFoo: bar\nUser-agent: trawl\nDisallow: /", "a", "/x", false, "Disallow: /"},
		{"a rule before any agent", "Disallow: /\nUser-agent: a\n", "Trawl", "/x", true, ""},
		{"byte order mark", "\xef\xbb\xbfUser-agent: *\nDisallow: /x", "Trawl", "/x", false, "Disallow: /x"},
		{"old line ends", "User-agent: *\rDisallow: /x\r", "Trawl", "/x", false, "Disallow: /x"},
		{"no colon", "user-agent *\ndisalow /x", "Trawl", "/x", false, "disalow /x"},
		{"no colon and three words", "User-agent: *\nDisallow /x y", "Trawl", "/x", true, ""},
		{"wild card and end", "User-agent: *\nDisallow: /*.gif$", "Trawl", "/a/b.gif", false, "Disallow: /*.gif$"},
		{"not at the end", "User-agent: *\nDisallow: /*.gif$", "Trawl", "/a/b.gif?x", true, ""},
		{"overlap of the last part", "User-agent: *\nDisallow: /aba*ba$", "Trawl", "/aba", true, ""},
		{"a dollar inside", "User-agent: *\nDisallow: /a$b", "Trawl", "/a$b", false, "Disallow: /a$b"},
		{"an escaped star", "User-agent: *\nDisallow: /a%2A", "Trawl", "/a*", false, "Disallow: /a%2A"},
		{"an escaped star is no wild card", "User-agent: *\nDisallow: /a%2Ac", "Trawl", "/abc", true, ""},
		{"hex digits", "User-agent: *\nDisallow: /a%2f", "Trawl", "/a%2F", false, "Disallow: /a%2f"},
		{"an escaped slash is none", "User-agent: *\nDisallow: /a/b", "Trawl", "/a%2Fb", true, ""},
		{"escapes of letters, forbidden", "User-agent: *\nDisallow: /%7Ejoe", "Trawl", "/~joe", false, "Disallow: /%7Ejoe"},
		{"escapes of letters, allowed", "User-agent: *\nDisallow: /\nAllow: /%7Ejoe", "Trawl", "/~joe", false, "Disallow: /"},
		{"characters of a name", "User-agent: *\nDisallow: /ü b", "Trawl", "/%C3%BC%20b", false, "Disallow: /ü b"},
		{"the query counts", "User-agent: *\nDisallow: /*?id=", "Trawl", "/a?id=1", false, "Disallow: /*?id="},
		{"case of the path", "User-agent: *\nDisallow: /X", "Trawl", "/x", true, ""},
	} {
		ok, rule := Parse([]byte(c.robots)).For(c.agent).Allowed(c.path)
		if ok != c.ok || rule != c.rule {
			t.Errorf("%s: Allowed(%q) = %t, %q; want %t, %q", c.name, c.path, ok, rule, c.ok, c.rule)
		}
	}
}

func TestCrawlDelay(t *testing.T) {
	for _, c := range []struct {
		robots string
		want   time.Duration
		ok     bool
	}{
		{"User-agent: *\nCrawl-delay: 2.5", 2500 * time.Millisecond, true},
		{"User-agent: *\nCrawl-delay: 0", 0, true},
		{"User-agent: *\nCrawl-delay: -1", 0, false},
		{"User-agent: *\nCrawl-delay: NaN", 0, false},
		{"User-agent: *\nCrawl-delay: Inf", 0, false},
		{"User-agent: *\nCrawl-delay: 1e12", 0, false},
		{"User-agent: *\nCrawl-delay: soon", 0, false},
		{"User-agent: *\nCrawl-delay: 86400", 24 * time.Hour, true},
		{"Crawl-delay: 3", 0, false},
		{"User-agent: *\nCrawl-delay: 2\nDisallow: /x\nCrawl-delay: 5", 5 * time.Second, true},
		{"User-agent: *\nCrawl-delay: 2\nUser-agent: trawl\nDisallow: /x", 0, false},
		{"User-agent: a\nCrawl-delay: 2\nUser-agent: trawl\nCrawl-delay: 3\nDisallow: /x", 3 * time.Second, true},
		{"User-agent: a\nUser-agent: trawl\nCrawl-delay: 3\n", 3 * time.Second, true},
	} {
		if d, ok := Parse([]byte(c.robots)).For("Trawl").CrawlDelay(); d != c.want || ok != c.ok {
			t.Errorf("%q: %v, %t; want %v, %t", c.robots, d, ok, c.want, c.ok)
		}
	}
}

func TestSitemaps(t *testing.T) {
	f := Parse([]byte("Sitemap: https://example.org/a.xml\nUser-agent: x\nsite-map: /b.xml\nSITEMAP:https://example.org/a.xml\nSitemap:\n"))
	if got, want := f.Sitemaps(), []string{"https://example.org/a.xml", "/b.xml"}; !slices.Equal(got, want) {
		t.Errorf("sitemaps %q, want %q", got, want)
	}
}

func TestSizeLimit(t *testing.T) {
	head := "User-agent: *\nDisallow: /first\n#"
	fill := func(tail string) []byte { // tail begins the given octets before the limit
		return []byte(head + strings.Repeat("x", MaxSize-len(head)-1-len(tail)) + "\n" + tail)
	}
	for _, c := range []struct {
		name string
		body []byte
		path string
		ok   bool
	}{
		{"before the limit", fill("Disallow: /last"), "/first", false},
		{"the last whole line, no line end", fill("Disallow: /last"), "/last", false},
		{"the last whole line", append(fill("Disallow: /last"), "\nDisallow: /later"...), "/last", false},
		{"beyond the limit", append(fill("Disallow: /last"), "\nDisallow: /later"...), "/later", true},
		{"the line that is cut", append(fill("Disallow: /last"), "-but-one\n"...), "/last", true},
	} {
		if ok, line := Parse(c.body).For("Trawl").Allowed(c.path); ok != c.ok {
			t.Errorf("%s: Allowed(%q) = %t by %q, want %t", c.name, c.path, ok, line, c.ok)
		}
	}
	if ok, _ := Parse(bytes.Repeat([]byte("x"), 2*MaxSize)).For("Trawl").Allowed("/"); !ok {
		t.Error("a file of one endless line forbids something")
	}
}

// A pattern made to divide a path in more ways than there are atoms is done at once, for each part is looked for once. If this
// test hangs, the matcher has begun to go back.
func TestHostilePatterns(t *testing.T) {
	path := "/" + strings.Repeat("a", 8<<10)
	for _, pattern := range []string{
		"/" + strings.Repeat("a*", 4<<10) + "b",
		"/" + strings.Repeat("*a", 4<<10) + "b$",
		"/" + strings.Repeat("*", 8<<10) + "b",
		strings.Repeat("*"+strings.Repeat("a", 63), 128) + "b$",
	} {
		rules := Parse([]byte(strings.Repeat("User-agent: *\nDisallow: "+pattern+"\n", 50))).For("Trawl")
		if ok, line := rules.Allowed(path); !ok {
			t.Errorf("%.40q fits", line)
		}
		if ok, _ := rules.Allowed(path + "b"); ok {
			t.Errorf("%.40q… does not fit with its b", pattern)
		}
	}
}

// The matcher agrees with the plain definition of the two special characters (RFC 9309 section 2.2.3).
func TestMatchAgainstDefinition(t *testing.T) {
	var matches func(pattern, path string) bool
	matches = func(pattern, path string) bool {
		switch {
		case pattern == "" || pattern == "$" && path == "":
			return true
		case pattern[0] == '*':
			return matches(pattern[1:], path) || path != "" && matches(pattern, path[1:])
		}
		return path != "" && path[0] == pattern[0] && pattern != "$" && matches(pattern[1:], path[1:])
	}
	rapid.Check(t, func(t *rapid.T) {
		pattern := "/" + rapid.StringOfN(rapid.SampledFrom([]rune("aab/**")), 0, 10, -1).Draw(t, "pattern") + rapid.SampledFrom([]string{"", "$"}).Draw(t, "end")
		path := "/" + rapid.StringOfN(rapid.SampledFrom([]rune("aab/")), 0, 12, -1).Draw(t, "path")
		for _, decode := range []bool{true, false} {
			if got, want := parsePattern(pattern, decode).match(path), matches(pattern, path); got != want {
				t.Fatalf("%q on %q: %t, want %t", pattern, path, got, want)
			}
		}
	})
}

func TestNormalForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOf(rapid.SampledFrom([]rune("%%0123456789aAfF/*$~é \x00"))).Draw(t, "s")
		for _, decode := range []bool{true, false} {
			once := normal(s, decode)
			for i := range len(once) {
				if c := once[i]; c <= ' ' || c >= 0x7f {
					t.Fatalf("normal(%q) = %q has an octet that no URL has", s, once)
				}
			}
			if twice := normal(once, decode); twice != once && !stray(s) {
				t.Fatalf("normal(%q) = %q, and of that %q", s, once, twice)
			}
		}
	})
}

// stray tells whether s has a "%" that begins no escape: decoding what follows may make one of it.
func stray(s string) bool {
	for i := range len(s) {
		if s[i] == '%' && (i+2 >= len(s) || hexValue(s[i+1]) < 0 || hexValue(s[i+2]) < 0) {
			return true
		}
	}
	return false
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("User-agent: *\nDisallow: /a*b$\nCrawl-delay: 1\nSitemap: /s"), "/a")
	f.Add([]byte("\xef\xbbuser agent\tx\r\r\nallow %zz"), "%")
	f.Fuzz(func(t *testing.T, body []byte, path string) {
		file := Parse(body)
		for _, agent := range []string{"Trawl", "", "*", "x/1"} {
			ok, rule := file.For(agent).Allowed(path)
			if !ok && rule == "" {
				t.Fatal("forbidden by no line")
			}
		}
	})
}

func ExampleRules_Allowed() {
	file := Parse([]byte("User-agent: *\nDisallow: /private/\nAllow: /private/press/\nCrawl-delay: 2\n"))
	rules := file.For("Trawl")
	fmt.Println(rules.Allowed("/private/letters.html"))
	fmt.Println(rules.Allowed("/private/press/2024.html"))
	fmt.Println(rules.CrawlDelay())
	// Output:
	// false Disallow: /private/
	// true Allow: /private/press/
	// 2s true
}
