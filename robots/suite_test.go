package robots

import (
	"bufio"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	digits    = "the token has a digit or a sign, which RFC 9309 section 2.2.1 rules out: no line names it, as with Google"
	oneName   = "the line has several names; RFC 9309 section 2.2.1 has one a line"
	oneAgent  = "asks for several agents at once; we are one"
	indexHTML = "Google's extension: index.html stands for its directory; by RFC 9309 section 2.2.2 the path is forbidden"
	asWritten = "an Allow line must have a letter's escape as the path has it: in doubt, nothing is fetched"
	html      = "an HTML page: <BR> is no part of a token or number"
)

// known are the cases in which we differ on purpose, by id.
var known = map[string]string{
	"google-063": "the suite wants the path unescaped; a canonical URL is escaped, and RFC 9309 section 2.2.2 allows it",
	"google-065": "as google-063",
	"google-078": indexHTML,
	"cc-342":     indexHTML,
	"cc-486":     indexHTML,
	"cc-495":     asWritten,
	"cc-059":     asWritten,
	"cc-360":     asWritten,
	"cc-017":     digits, "cc-018": digits, "cc-019": digits,
	"cc-144": digits, "cc-145": digits, "cc-146": digits, "cc-147": digits, "cc-148": digits, "cc-149": digits,
	"cc-156": digits, "cc-157": digits, "cc-158": digits, "cc-165": digits, "cc-166": digits, "cc-167": digits,
	"cc-191": digits, "cc-192": digits, "cc-193": digits, "cc-194": digits, "cc-195": digits, "cc-196": digits,
	"cc-199": digits, "cc-200": digits, "cc-201": digits, "cc-202": digits, "cc-214": digits, "cc-216": digits,
	"cc-222": digits, "cc-227": digits, "cc-234": digits, "cc-362": digits, "cc-473": digits,
	"cc-402": digits, "cc-403": digits, "cc-404": digits, "cc-405": digits, "cc-406": digits,
	"cc-271": oneAgent, "cc-272": oneAgent, "cc-273": oneAgent, "cc-277": oneAgent,
	"cc-285": oneName, "cc-286": oneName,
	"cc-289": "the line is a whole header, whose token is Mozilla", "cc-290": "as cc-289",
	"cc-297": "UTF-16; RFC 9309 section 2.2 has UTF-8", "cc-298": "as cc-297",
	"cc-334": html, "cc-335": html, "cc-336": html,
	"cc-471": "a bare URL is no Sitemap line",
	"cc-474": "refuses the whole host for a long delay; we wait",
	"cc-475": "resolves the sitemap; ours is as written",
	"cc-503": "the agent is no token and no header, so only * is for it, as with Google",
}

type verdict struct {
	ID, Test, Class string
	Agents          []string
	Agent           string
	Robots          string
	RobotsB64       string `json:"robots_b64"`
	URLEncoded      string `json:"url_encoded"`
	Allow           bool
	What            string
	Result          any
}

func readVerdicts(t *testing.T, name string) (cases []verdict) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err == nil {
		err = json.Unmarshal(b, &cases)
	}
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

func (v verdict) file(t *testing.T) *File {
	t.Helper()
	if v.RobotsB64 == "" {
		return Parse([]byte(v.Robots))
	}
	b, err := base64.StdEncoding.DecodeString(v.RobotsB64)
	if err != nil {
		t.Fatal(err)
	}
	return Parse(b)
}

// agent is the one agent we are, or the first of those asked for.
func (v verdict) agent() string {
	if len(v.Agents) > 0 {
		return v.Agents[0]
	}
	return v.Agent
}

// target is the path and query of an absolute URL, as written.
func target(url string) string {
	url, _, _ = strings.Cut(url, "#")
	if _, rest, ok := strings.Cut(url, "://"); ok {
		url = rest
	}
	i := strings.IndexAny(url, "/?;")
	if i < 0 {
		return "/"
	}
	return url[i:]
}

// check judges one case and tells whether it is as the suite has it.
func check(t *testing.T, id string, same bool, format string, args ...any) bool {
	t.Helper()
	switch reason, listed := known[id]; {
	case same && listed:
		t.Errorf("%s is listed as a difference (%s) but there is none", id, reason)
	case !same && !listed:
		t.Errorf(id+": "+format, args...)
	}
	return same
}

func TestGoogleCases(t *testing.T) {
	right, all := make(map[string]int), make(map[string]int)
	for _, c := range readVerdicts(t, "google_cases.json") {
		got, line := c.file(t).For(c.agent()).Allowed(target(c.URLEncoded))
		all[c.Class]++
		if check(t, c.ID, got == c.Allow, "%s: %q for %.80q: %t by %.80q, want %t", c.Test, c.agent(), c.URLEncoded, got, line, c.Allow) {
			right[c.Class]++
		}
	}
	for class := range all {
		t.Logf("Google's cases, %s: %d of %d", class, right[class], all[class])
	}
}

func TestCrawlerCommonsCases(t *testing.T) {
	right := 0
	cases := readVerdicts(t, "crawlercommons_cases.json")
	for _, c := range cases {
		got, line := c.file(t).For(c.agent()).Allowed(target(c.URLEncoded))
		if check(t, c.ID, got == c.Allow, "%s: %q for %.80q: %t by %.80q, want %t", c.Test, c.Agents, c.URLEncoded, got, line, c.Allow) {
			right++
		}
	}
	t.Logf("crawler-commons: %d of %d", right, len(cases))
}

func TestCrawlerCommonsDelaysAndSitemaps(t *testing.T) {
	right := 0
	cases := readVerdicts(t, "crawlercommons_delay_sitemaps.json")
	for _, c := range cases {
		var same bool
		var got any
		switch want := c.Result.(type) {
		case []any:
			var maps []any
			for _, m := range c.file(t).Sitemaps() {
				maps = append(maps, m)
			}
			same, got = slices.Equal(maps, want), maps
		case float64:
			d, ok := c.file(t).For(c.agent()).CrawlDelay()
			same, got = ok && d == time.Duration(want)*time.Millisecond, d
		case nil:
			d, ok := c.file(t).For(c.agent()).CrawlDelay()
			same, got = !ok && d == 0, d
		}
		if check(t, c.ID, same, "%s: %v, want %v", c.What, got, c.Result) {
			right++
		}
	}
	t.Logf("crawler-commons delays and sitemaps: %d of %d", right, len(cases))
}

// Of a thousand real files no path may be fetched that Google's parser forbids.
func TestRealFiles(t *testing.T) {
	f, err := os.Open("testdata/real_open.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 8<<20)
	checks, same, forbidden := 0, 0, 0
	for lines.Scan() {
		var c struct {
			Host, Robots string
			Checks       []struct {
				Agent, URL string
				Google     *bool
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		file := Parse([]byte(c.Robots))
		for _, k := range c.Checks {
			if k.Google == nil {
				continue
			}
			checks++
			got, line := file.For(k.Agent).Allowed(target(k.URL))
			switch {
			case got == *k.Google:
				same++
			case got:
				forbidden++
				t.Errorf("%s lets %s fetch %s by %q; Google's parser forbids it", c.Host, k.Agent, k.URL, line)
			default:
				t.Errorf("%s keeps %s from %s by %q; Google's parser allows it", c.Host, k.Agent, k.URL, line)
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	t.Logf("real files: %d of %d as Google's parser, %d forbidden fetches", same, checks, forbidden)
}
