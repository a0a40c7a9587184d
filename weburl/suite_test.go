package weburl

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"golang.org/x/net/idna"
)

func readJSON(t *testing.T, name string, v any) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// score counts the cases of a suite and checks that just the listed differences differ.
type score struct {
	t            *testing.T
	known        map[string]string // a case's input to why it differs
	right, wrong int
}

func (s *score) add(id string, ok bool, format string, args ...any) {
	s.t.Helper()
	reason, listed := s.known[id]
	switch {
	case ok && listed:
		s.t.Errorf("%q is listed as a difference (%s) but passes", id, reason)
	case !ok && !listed:
		s.t.Errorf("%q: "+format, append([]any{id}, args...)...)
	}
	if ok {
		s.right++
	} else {
		s.wrong++
	}
}

func (s *score) log(what string) { s.t.Logf("%s: %d of %d", what, s.right, s.right+s.wrong) }

func TestWebPlatformURLs(t *testing.T) {
	const spaces = "no web scheme: the library keeps a space before ? or # in an opaque path"
	http := score{t: t}
	other := score{t: t, known: map[string]string{
		"non-special:opaque  ?hi":        spaces,
		"non-special:opaque  #hi":        spaces,
		"non-special:opaque \t\t  \t#hi": spaces,
		"non-special:opaque \t\t  #hi":   spaces,
		"non-special:opaque\t\t  \r #hi": spaces,
		"file://xn--/p":                  "a file URL: the library decodes ASCII hosts, too",
	}}
	var all []json.RawMessage
	readJSON(t, "wpt_urltestdata.json", &all)
	for _, raw := range all {
		var c struct {
			Input   string
			Base    *string
			Href    string
			Failure bool
		}
		if json.Unmarshal(raw, &c) != nil {
			continue // a comment
		}
		got, err := "", error(nil)
		about := c.Input + " " + c.Href
		if c.Base != nil {
			got, err = Resolve(*c.Base, c.Input)
			about += " " + *c.Base
		} else {
			got, err = Parse(c.Input)
		}
		s := &other
		if strings.Contains(strings.ToLower(about), "http") {
			s = &http
		}
		s.add(c.Input, (err != nil) == c.Failure && got == c.Href, "got %q, %v, want %q", got, err, c.Href)
	}
	http.log("WHATWG urltestdata, http and https")
	other.log("WHATWG urltestdata, other schemes")
}

func TestWebPlatformToASCII(t *testing.T) {
	const relation = "the library refuses the negated relations, whose decomposition has <, = or >"
	s := score{t: t, known: map[string]string{
		"=\u0338": relation, "<\u0338": relation, ">\u0338": relation,
		"=\u00ad\u0338": relation, "<\u00ad\u0338": relation, ">\u00ad\u0338": relation,
	}}
	var all []json.RawMessage
	readJSON(t, "wpt_toascii.json", &all)
	for _, raw := range all {
		var c struct {
			Input  string
			Output *string
		}
		if json.Unmarshal(raw, &c) != nil {
			continue
		}
		want := ""
		if c.Output != nil {
			want = "https://" + *c.Output + "/x"
		}
		got, err := Parse("https://" + c.Input + "/x")
		s.add(c.Input, got == want && (err != nil) == (want == ""), "got %q, %v, want %q", got, err, want)
	}
	s.log("WHATWG toascii")
}

func TestRFC3986(t *testing.T) {
	const special = "the standard gives a special URL a path"
	s := score{t: t, known: map[string]string{
		"//g":                       special + ": http://g/",
		"http:g":                    "the standard reads it as relative, as RFC 3986 section 5.4.2 lets old parsers do",
		"example://a/b/c/%7Bfoo%7D": "no web scheme: the standard leaves its escapes alone",
	}}
	var suite struct {
		Base    string
		Resolve map[string]string
		Pairs   [][2]string `json:"equivalent_pairs_section6"`
	}
	readJSON(t, "rfc3986.json", &suite)
	for ref, want := range suite.Resolve {
		got, err := Resolve(suite.Base, ref)
		s.add(ref, err == nil && got == want, "got %q, %v, want %q", got, err, want)
	}
	for _, pair := range suite.Pairs {
		a, errA := Canonical(pair[0])
		b, errB := Canonical(pair[1])
		s.add(pair[0], errA == nil && errB == nil && a == b, "canonical %q, %v and %q, %v", a, errA, b, errB)
	}
	s.log("RFC 3986 sections 5.4 and 6.2")
}

func TestCrawlerCommonsResolve(t *testing.T) {
	f, err := os.Open("testdata/cc_url_resolve.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comment, r.TrimLeadingSpace, r.FieldsPerRecord = '#', true, 3
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	s := score{t: t, known: map[string]string{}}
	for _, row := range rows {
		got, err := "", error(nil)
		if row[1] == "" {
			got, err = Parse(row[0])
		} else {
			got, err = Resolve(row[1], row[0])
		}
		s.add(row[0], err == nil && got == row[2], "on %q: got %q, %v, want %q", row[1], got, err, row[2])
	}
	s.log("crawler-commons resolve")
}

func TestIPv4Spellings(t *testing.T) {
	s := score{t: t, known: map[string]string{
		"0000xa": "no octal number, so a name by the standard's section 3.5",
	}}
	var hosts map[string]*string
	readJSON(t, "urlcanon_funky_ipv4.json", &hosts)
	for host, want := range hosts {
		got, err := Canonical("http://" + host + "/")
		if want == nil {
			s.add(host, err != nil, "got %q, want an error", got)
		} else {
			s.add(host, got == "http://"+*want+"/", "got %q, %v, want %s", got, err, *want)
		}
	}
	s.log("urlcanon IPv4")
}

func TestPublicSuffixList(t *testing.T) {
	s := score{t: t}
	var rows [][2]*string
	readJSON(t, "psl_registrable_domain.json", &rows)
	for _, row := range rows {
		if row[0] == nil || strings.Trim(*row[0], ".") == "" || strings.HasPrefix(*row[0], ".") {
			continue // no name at all: Site is given names from canonical URLs
		}
		// The suite's null says "has no registrable domain": such a name is its own site.
		want := *row[0]
		if row[1] != nil {
			want = *row[1]
		}
		want, err := idna.ToASCII(strings.ToLower(want))
		if err != nil {
			t.Fatal(err)
		}
		s.add(*row[0], Site(*row[0]) == want, "got %q, want %q", Site(*row[0]), want)
	}
	s.log("public suffix list")
}
