package weburl

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// pieces are what trouble is made of, in URLs.
var pieces = []string{
	"http:", "https:", "HTTP:", "ws:", "ftp:", "mailto:", "x:", "http://", "https://", "//", "/", "/", "\\", "?", "#", ":", "@", ".", "..", "%2e", "%2E.",
	"%", "%4", "%41", "%7e", "%c3%a9", "%00", "%2f", "a", "B", "x-y_z", "example.org", "www.example.org.", "b\u00fccher", "\u00df", "\u65e5\u672c",
	"\u1e9e", "\u3002", "\uff11", "1", "0x1F", "017", "127.0.0.1", "256", "4294967296", "[::1]", "[", "]", "[1:2::3.4.5.6]", "::", ":80", ":443", ":8080",
	":0080", ":65536", "user:pw@", " ", "\t", "\n", "^", "`", "{", "}", "|", "'", "\"", "<", ">", "~", "!", "*", "&", "=", "+", ";", ",", "$", "\x01", "\x7f", "\xff", "\u00ad",
}

func drawURL(t *rapid.T, label string) string {
	start := rapid.SampledFrom([]string{"", "", "http://", "http://example.org", "https://example.org/", "HTTP:", "ftp://example.org/a/b"}).Draw(t, label+" start")
	return start + strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 12).Draw(t, label), "")
}

// agree compares our reading with that of the library's whole parser, the oracle. Where they differ, the library must be at
// fault in one of the ways that TestWhereTheLibraryErrs pins.
func agree(t interface {
	Helper()
	Fatalf(string, ...any)
}, base, ref string,
) {
	t.Helper()
	var got string
	var err error
	if base == "" {
		got, err = Parse(ref)
	} else {
		got, err = Resolve(base, ref)
	}
	u, libraryErr := library.ParseRef(base, ref)
	want := ""
	if libraryErr == nil {
		want = u.Href(false)
	}
	if (libraryErr != nil) != (err != nil) || got != want {
		if !libraryErrs(base) && !libraryErrs(ref) {
			t.Fatalf("%q on %q: %q, %v; the library has %q, %v", ref, base, got, err, want, libraryErr)
		}
	}
}

// libraryErrs tells whether s has what the library misreads in a host.
func libraryErrs(s string) bool {
	s = strings.ToLower(unescape(clean(s))) // capital sharp s becomes the small one
	for _, sign := range []string{"xn--", "[[", "]]", ".+", ".-", "/+", "@+", "\u00df"} {
		if strings.Contains(s, sign) {
			return true
		}
	}
	digits := 0
	for i := range len(s) {
		if digits++; !isHex(s[i]) {
			digits = 0
		}
		if digits > 15 {
			return true // it takes a label that begins with so great a number for the whole of one
		}
	}
	return false
}

func TestAgreesWithTheLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := drawURL(t, "url")
		agree(t, "", raw)
		agree(t, "http://u:p@example.org:81/a/b/c;d?e#f", raw)
		agree(t, raw, drawURL(t, "ref"))
	})
}

func TestAgreesWithTheLibraryOnTheSuites(t *testing.T) {
	var all []json.RawMessage
	readJSON(t, "wpt_urltestdata.json", &all)
	n := 0
	for _, raw := range all {
		var c struct {
			Input string
			Base  string
		}
		if json.Unmarshal(raw, &c) == nil {
			agree(t, c.Base, c.Input)
			n++
		}
	}
	for _, c := range recordedCases(t) {
		agree(t, "", c.in)
		agree(t, "https://example.org/a/b?c", c.in)
		n++
	}
	t.Logf("%d URLs", n)
}

func TestCanonicalIsIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := drawURL(t, "url")
		once, err := Canonical(raw)
		if err != nil {
			return
		}
		if twice, err := Canonical(once); err != nil || twice != once {
			t.Fatalf("Canonical(%q) = %q, and of that %q, %v", raw, once, twice, err)
		}
		if Host(once) == "" || Hostname(once) == "" || Path(once)[0] != '/' {
			t.Fatalf("parts of %q: %q %q %q", once, Host(once), Hostname(once), Path(once))
		}
	})
}

// Each of these is read here and not by the library; when the library learns one, our own way of reading it may go.
func TestWhereTheLibraryErrs(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"http://xn--a/", "http://xn--a/"},
		{"http://[[::1]]/", ""},
		{"http://a.+1/", "http://a.+1/"},
		{"http://99999999999999999999x/", "http://99999999999999999999x/"},
		{"http://\u1e9e.com/", "http://xn--zca.com/"},
	} {
		if got, _ := Parse(c.in); got != c.want {
			t.Errorf("Parse(%q) = %q, want %q", c.in, got, c.want)
		}
		got := ""
		if u, err := library.Parse(c.in); err == nil {
			got = u.Href(false)
		}
		if got == c.want {
			t.Errorf("the library changed: it now reads %q as the standard does", c.in)
		}
	}
}

func FuzzResolve(f *testing.F) {
	f.Add("http://[1:2::3.4.5.6]:80/a?b#c", "//[::1]:8/..")
	f.Add("http://b\u00fccher.example/", "x:y")
	f.Add("file:///c|/x", "..")
	f.Fuzz(func(t *testing.T, base, ref string) {
		got, err := Resolve(base, ref)
		if err != nil {
			return
		}
		for i := range len(got) {
			if got[i] < ' ' || got[i] >= 0x7f {
				t.Fatalf("%q on %q: %q has an octet that no URL has", ref, base, got)
			}
		}
		again, err := Parse(got)
		if special := strings.HasPrefix(got, "http"); special && (err != nil || again != got) {
			t.Fatalf("%q on %q: %q, and parsed again %q, %v", ref, base, got, again, err)
		}
	})
}
