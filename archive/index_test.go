package archive

import (
	"strings"
	"testing"
)

func TestSURT(t *testing.T) {
	for in, want := range map[string]string{
		"http://www.Example.org:80/A/?c&b#f":  "org,example)/a?b&c",
		"https://example.org":                 "org,example)/",
		"https://example.org:443/?":           "org,example)/",
		"http://example.org:8080/":            "org,example:8080)/",
		"http://user:p@www12.example.org/x/":  "org,example)/x",
		"http://www2example.org/":             "org,www2example)/",
		"http://example.org?b=b&a=b&b=a&a=a":  "org,example)/?a=a&a=b&b=a&b=b",
		"http://example.org/?a0=1&a=1&a":      "org,example)/?a&a=1&a0=1",
		"http://[2001:DB8::1]:8080/":          "[2001:db8::1]:8080)/",
		"http://example.org/a b\r\nc":         "org,example)/a%20b%0d%0ac",
		"dns:Example.org":                     "dns:example.org",
		"http://xn--bcher-kva.example./%C3A/": "example,xn--bcher-kva)/%c3a",
	} {
		if got := surt(in); got != want {
			t.Errorf("surt(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestEntryLine(t *testing.T) {
	warc := map[string]string{
		"WARC-Type": "response", "WARC-Target-URI": "http://example.org/?a=1&b=<>", "WARC-Date": "2026-03-04T05:06:07.123456Z",
		"WARC-Payload-Digest": "sha1:3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ",
	}
	get := func(k string) string { return warc[k] }
	ref := Ref{File: "trawl-x.warc.gz", Offset: 12, Length: 34}
	for head, want := range map[string]string{
		"HTTP/1.1 404 Not Found\r\nContent-Type: text/html; charset=x\r\n\r\n": `"mime":"text/html","status":"404"`,
		"HTTP/1.1 200\r\ncontent-type:\r\n\r\n":                                `"mime":"unk","status":"200"`,
		"rubbish":                                                              `"mime":"unk","status":"-"`,
	} {
		want = `org,example)/?a=1&b=<> 20260304050607 {"url":"http://example.org/?a=1&b=<>",` + want +
			`,"digest":"3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ","length":"34","offset":"12","filename":"trawl-x.warc.gz"}` + "\n"
		if got := newEntry(get, []byte(head)).line(ref); got != want {
			t.Errorf("%q:\n got %s want %s", head, got, want)
		}
	}
	warc["WARC-Type"] = "revisit"
	if got := newEntry(get, []byte("HTTP/1.1 304 Not Modified\r\n\r\n")).line(ref); !strings.Contains(got, `"mime":"warc/revisit","status":"-"`) {
		t.Errorf("revisit: %s", got)
	}
}
