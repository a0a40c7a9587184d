package fetch_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.org/trawl/fault"
	"example.org/trawl/fetch"
)

// above are the behaviours that are for the parts above this package, and what they get from it.
var above = map[string]string{
	"retry-after-seconds":    "politeness waits; the status and the field are in Response",
	"retry-after-date":       "politeness waits; the status and both dates are in Response",
	"retry-after-huge":       "politeness caps it",
	"redirect-self":          "nothing is followed here; the limit of hops is the frontier's",
	"ct-lie":                 "Header and Body are given as sent; what is parsed is the extractor's choice",
	"ct-none":                "sniffing is the extractor's",
	"nosniff":                "as ct-lie",
	"robots-401/403/404/410": "every status is an answer here; robots.txt is read by the frontier",
	"robots-redirect-5":      "nothing is followed here",
	"robots-html":            "robots.txt is read by the frontier",
	"cookie-super":           "no cookie is kept at all: see cookie-scope",
	"gzip-bomb-512M":         "bombs are made and measured in TestBombs",
	"double-gzip-bomb":       "bombs are made and measured in TestBombs",
}

// behaviour is a server and what the client is to make of it.
type behaviour struct {
	talk  func(p *peer)
	https bool
	o     fetch.Options
	r     fetch.Request
	check func(t *testing.T, resp *fetch.Response, body string, err error)
}

// fails expects an error of kind k, after a response with the body b if b is not "-".
func fails(k fault.Kind, b string) func(*testing.T, *fetch.Response, string, error) {
	return func(t *testing.T, resp *fetch.Response, body string, err error) {
		if fault.KindOf(err) != k || (b == "-") != (resp == nil) || resp != nil && body != b {
			t.Errorf("response %v, %q, %v (%s); want %s after %q", resp != nil, body, err, fault.KindOf(err), k, b)
		}
		if at := fetch.TimesOf(err); k == fault.FirstByte && at.FirstByte < short.FirstByte {
			t.Errorf("times %+v, want no byte for %s", at, short.FirstByte)
		}
	}
}

// page is what coded answers hold.
const page = "<title>the page</title>"

// coded answers with page in a coding, and expects it both as sent and decoded.
func coded(t *testing.T, name string) behaviour {
	sent := string(encode(t, name, strings.NewReader(page)))
	return behaviour{
		talk: once(ok("Content-Encoding: "+name+"\r\n", sent)),
		check: func(t *testing.T, resp *fetch.Response, body string, err error) {
			if err != nil || body != sent || resp.Encoding != name {
				t.Fatalf("%q, %v: not the bytes as sent", body, err)
			}
			if _, got, err := decode(t, strings.NewReader(body), resp.Encoding, 0, 0); err != nil || string(got) != page {
				t.Errorf("decoded to %q, %v", got, err)
			}
		},
	}
}

// location expects what a Location field becomes.
func location(field, want string) behaviour {
	return behaviour{
		talk: once("HTTP/1.1 302 Found\r\nLocation: " + field + "\r\nContent-Length: 0\r\n\r\n"),
		check: func(t *testing.T, resp *fetch.Response, _ string, err error) {
			if err != nil || resp.Status != http.StatusFound {
				t.Fatalf("%v", err)
			}
			if _, path, _ := strings.Cut(resp.Location, "raw.test:"); resp.Location != want && strings.TrimLeft(path, "0123456789") != want {
				t.Errorf("Location %q, want %q", resp.Location, want)
			}
		},
	}
}

// validator asks with an ETag and expects it in the request, or not.
func validator(etag string, sent bool, answer string, check func(*testing.T, *fetch.Response, string, error)) behaviour {
	return behaviour{
		talk: func(p *peer) {
			head, err := p.request()
			if err != nil {
				return
			}
			if strings.Contains(head, "\r\nIf-None-Match: "+etag+"\r\n") != sent || strings.Contains(head, "Injected") {
				answer = "HTTP/1.1 500 Wrong validator\r\nContent-Length: 0\r\n\r\n"
			}
			p.say(answer)
		},
		r: fetch.Request{ETag: etag}, check: check,
	}
}

func status(want int) func(*testing.T, *fetch.Response, string, error) {
	return func(t *testing.T, resp *fetch.Response, body string, err error) {
		if err != nil || resp.Status != want || body != "" {
			t.Errorf("%+v, %q, %v; want %d", resp, body, err, want)
		}
	}
}

// flood writes until the client hangs up.
func flood(head, line string) func(p *peer) {
	return func(p *peer) {
		if _, err := p.request(); err != nil {
			return
		}
		p.say(head)
		block := []byte(strings.Repeat(line, 1000))
		for p.gone.Err() == nil {
			if _, err := p.Write(block); err != nil {
				return
			}
		}
	}
}

// drip answers with head and then text, a byte at a time, over and over until the client hangs up.
func drip(head, text string) func(p *peer) {
	return func(p *peer) {
		if _, err := p.request(); err != nil {
			return
		}
		p.say(head)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-p.gone.Done():
				return
			case <-tick.C:
				if _, err := p.Write([]byte{text[i%len(text)]}); err != nil {
					return
				}
			}
		}
	}
}

// hang says something and then nothing.
func hang(say string) func(p *peer) {
	return func(p *peer) {
		if _, err := p.request(); err == nil {
			p.say(say)
		}
		_, _ = io.Copy(io.Discard, p.r) // until the client hangs up
	}
}

func behaviours(t *testing.T) map[string]behaviour {
	quick := short
	quick.FirstByte, quick.Idle = 10*time.Second, 10*time.Second
	quick.Total = 300 * time.Millisecond
	noConds := "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n"
	whole := encode(t, "gzip", bytes.NewReader(bytes.Repeat([]byte(page), 1000)))
	half := string(whole[:len(whole)/2])
	return map[string]behaviour{
		"etag-304":              validator(`"a"`, true, noConds, status(http.StatusNotModified)),
		"weak-etag":             validator(`W/"a"`, true, noConds, status(http.StatusNotModified)),
		"304-without-validator": {talk: once(noConds), check: fails(fault.Protocol, "-")},
		"etag-crlf":             validator("\"a\"\r\nInjected: 1", false, ok("", ""), status(http.StatusOK)),
		"etag-unquoted":         validator("a b", false, ok("", ""), status(http.StatusOK)),
		"nul-in-header":         {talk: once("HTTP/1.1 200 OK\r\nETag: \"a\x00b\"\r\n\r\n"), check: fails(fault.Protocol, "-")},
		"gzip-ok":               coded(t, "gzip"),
		"gzip-x-gzip":           coded(t, "x-gzip"),
		"deflate-zlib":          coded(t, "deflate"),
		"br":                    coded(t, "br"),
		"zstd":                  coded(t, "zstd"),
		"gzip-trunc": {
			talk: once(ok("Content-Encoding: gzip\r\n", half)),
			check: func(t *testing.T, resp *fetch.Response, body string, err error) {
				if err != nil || body != half {
					t.Fatal(err)
				}
				n, _, err := decode(t, strings.NewReader(body), resp.Encoding, 0, 0)
				if n == 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%d bytes, %v", n, err)
				}
			},
		},
		"cl-dup-differs":    {talk: once("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"), check: fails(fault.Protocol, "-")},
		"cl-too-long":       {talk: once("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), check: fails(fault.Reset, "abc")},
		"chunk-cut":         {talk: once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"), check: fails(fault.Reset, "abc")},
		"chunk-bad-size":    {talk: once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nZZ\r\n"), check: fails(fault.Protocol, "abc")},
		"trailer-flood":     {talk: flood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", "X-Trailer: aaaaaaaaaaaaaaaa\r\n"), check: fails(fault.Protocol, "abc")},
		"header-flood":      {talk: flood("HTTP/1.1 200 OK\r\n", "X-Header: aaaaaaaaaaaaaaa\r\n"), check: fails(fault.Protocol, "-")},
		"no-answer":         {talk: hang(""), o: short, check: fails(fault.FirstByte, "-")},
		"slow-header":       {talk: drip("HTTP/1.1 200 OK\r\nX-Slow: ", "a"), o: short, check: fails(fault.FirstByte, "-")},
		"half-a-header":     {talk: hang("HTTP/1.1 200 OK\r\nX-"), o: short, check: fails(fault.FirstByte, "-")},
		"stalled-body":      {talk: hang("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), o: short, check: fails(fault.Stalled, "abc")},
		"endless-status":    {talk: flood("", "HTTP/1.1 103 Early Hints\r\n\r\n"), check: fails(fault.Protocol, "-")},
		"not-http":          {talk: once("SSH-2.0-OpenSSH_9.6\r\n"), check: fails(fault.Protocol, "-")},
		"switch":            {talk: once("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), check: fails(fault.Protocol, "-")},
		"hangs-up":          {talk: once(""), check: fails(fault.Reset, "-")},
		"hangs-up-unasked":  {talk: func(*peer) {}, check: fails(fault.Reset, "-")},
		"hangs-up-half-way": {talk: once("HTTP/1.1 200 OK\r\nX-"), check: fails(fault.Reset, "-")},
		"status-cut":        {talk: once("HTTP/1.1 20"), check: fails(fault.Reset, "-")},
		"trailer-cut":       {talk: once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: "), check: fails(fault.Reset, "abc")},
		"drip-body": {
			talk: drip("HTTP/1.1 200 OK\r\n\r\n", "x"), o: quick,
			check: func(t *testing.T, _ *fetch.Response, body string, err error) {
				if fault.KindOf(err) != fault.Stalled || strings.Trim(body, "x") != "" {
					t.Errorf("%q, %v", body, err)
				}
			},
		},
		"endless-body": {
			talk: flood("HTTP/1.1 200 OK\r\n\r\n", "endless "), o: fetch.Options{MaxBody: 1 << 20},
			check: func(t *testing.T, _ *fetch.Response, body string, err error) {
				if len(body) != 1<<20 || !errors.Is(err, fetch.ErrTooLarge) {
					t.Errorf("%d bytes, %v", len(body), err)
				}
			},
		},
		"bare-lf": {
			talk: once("HTTP/1.1 200 OK\nContent-Length: 3\n\nabc"),
			check: func(t *testing.T, resp *fetch.Response, body string, err error) {
				if err != nil || body != "abc" || resp.Status != http.StatusOK {
					t.Errorf("%q, %v", body, err)
				}
			},
		},
		"redirect-scheme":   location("file:///etc/passwd", "file:///etc/passwd"),
		"redirect-script":   location("javascript:alert(1)", "javascript:alert(1)"),
		"redirect-nowhere":  location("http://[", ""),
		"redirect-relative": location("../x?y", "/x?y"),
		"redirect-nonascii": location("/caf\u00e9 x", "/caf%C3%A9%20x"),
		"redirect-latin1":   location("/caf\xe9", "/caf%C3%A9"),
		"tls-expired":       {talk: func(p *peer) { _, _ = p.Read(make([]byte, 9)); p.say("\x15\x03\x03\x00\x02\x02\x28") }, https: true, check: fails(fault.TLS, "-")},
		"tls-slow":          {talk: hang(""), https: true, o: short, check: fails(fault.TLS, "-")},
		"cookie-scope": {
			talk: func(p *peer) {
				for cookie := "Set-Cookie: a=b; Domain=raw.test\r\n"; ; {
					head, err := p.request()
					if err != nil {
						return
					}
					p.say(ok(cookie, fmt.Sprint(strings.Contains(head, "Cookie"))))
				}
			},
			check: func(t *testing.T, _ *fetch.Response, body string, err error) {
				if err != nil || body != "false" {
					t.Errorf("a cookie was sent: %q, %v", body, err)
				}
			},
		},
	}
}

func TestBehaviours(t *testing.T) {
	var suite []struct{ ID, Server, Expect string }
	load(t, "behaviours.json", &suite)
	all := behaviours(t)
	passed, elsewhere, total := 0, 0, len(suite)
	for _, s := range suite {
		_, here := all[s.ID]
		switch reason := above[s.ID]; {
		case here == (reason != ""):
			t.Errorf("%s must be tested here or be said to be another's, not both", s.ID)
		case !here:
			elsewhere++
			t.Logf("%s: %s", s.ID, reason)
		}
	}
	for id, b := range all {
		fine := t.Run(id, func(t *testing.T) {
			url := raw(t, b.talk)
			if b.https {
				url = strings.Replace(url, "http:", "https:", 1)
			}
			c := newClient(t, b.o)
			times := 1
			if id == "cookie-scope" {
				times = 2
			}
			for range times {
				b.r.URL = url
				resp, body, err := get(t, c, b.r)
				b.check(t, resp, body, err)
			}
		})
		for _, s := range suite {
			if s.ID == id && fine {
				passed++
			}
		}
	}
	t.Logf("behaviours: %d of %d here, %d for the parts above, %d of our own", passed, total, elsewhere, len(all)-passed)
}
