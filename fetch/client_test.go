package fetch_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"example.org/trawl/fault"
	"example.org/trawl/fetch"
)

func TestHeadsAsOnTheWire(t *testing.T) {
	heads := make(chan string, 8)
	url := raw(t, func(p *peer) {
		for {
			head, err := p.request()
			if err != nil {
				return
			}
			heads <- head
			p.say("HTTP/1.1 200 Fine\r\nX-Two: a\r\nX-Two: b\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n" +
				"Content-Encoding: GZIP\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
		}
	})
	c := newClient(t, fetch.Options{UserAgent: "Trawl-test/1 (+http://example.org/bot)"})
	for _, path := range []string{"", "a//b", "?", "?q=a|b", "%zz%20[x]|\"'^`{}", "/double", "/double%zz", "%41~;,=?x=%zz#fragment"} {
		resp, body, err := get(t, c, fetch.Request{URL: url + path, ETag: `W/"x"`, LastModified: "Mon, 02 Jan 2006 15:04:05 GMT"})
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		head := <-heads
		if head != string(resp.RequestHead) {
			t.Errorf("%s: on the wire:\n%s\nkept:\n%s", path, head, resp.RequestHead)
		}
		want, _, _ := strings.Cut(path, "#")
		target := strings.Fields(head)[1]
		if path == "/double%zz" { // what begins with two slashes and is not for net/url goes in absolute form
			want = strings.TrimPrefix(url, "http:") + want
			target = strings.TrimPrefix(target, "http:")
		} else {
			want = "/" + want
		}
		if target != want {
			t.Errorf("target %q, want %q", target, want)
		}
		if got := string(resp.ResponseHead); got != "HTTP/1.1 200 Fine\r\nContent-Encoding: GZIP\r\nX-Two: a\r\nX-Two: b\r\n\r\n" {
			t.Errorf("head of the answer: %q", got)
		}
		if body != "abc" || resp.Encoding != "gzip" || resp.Status != 200 || resp.Proto != "HTTP/1.1" || resp.Remote.Addr() != local[0] {
			t.Errorf("%q %q %d %s %s", body, resp.Encoding, resp.Status, resp.Proto, resp.Remote)
		}
		for _, field := range []string{"User-Agent: Trawl-test/1 (+http://example.org/bot)\r\n", "Accept-Encoding: gzip, br, zstd\r\n", "If-None-Match: W/\"x\"\r\n", "If-Modified-Since: Mon"} {
			if !strings.Contains(head, field) {
				t.Errorf("no %q in\n%s", field, head)
			}
		}
		for _, field := range []string{"Cookie", "Referer", "Authorization"} {
			if strings.Contains(head, field) {
				t.Errorf("%s in\n%s", field, head)
			}
		}
	}
}

func TestRequestsThatAreNone(t *testing.T) {
	c := newClient(t, fetch.Options{})
	for _, r := range []fetch.Request{
		{URL: "ftp://a.test/"},
		{URL: "a.test/"},
		{URL: "http:///x"},
		{URL: "http://user:secret@a.test/"},
		{URL: "http://a.test/", Method: http.MethodPost},
		{URL: "http://a.test/ x\r\nHost: b.test"},
	} {
		r.Addrs = local
		if _, err := c.Do(t.Context(), r); err == nil {
			t.Errorf("%+v was sent", r)
		}
	}
	if _, err := c.Do(t.Context(), fetch.Request{URL: "http://a.test/"}); err == nil || errors.Is(err, fetch.ErrPrivate) {
		t.Errorf("without an address: %v", err)
	}
}

// The name means nothing to any resolver, and no proxy is asked: only the given addresses are dialled, one after the other.
func TestPinnedDialling(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1/")
	url := raw(t, once(ok("", "pinned")))
	closed := netip.MustParseAddr("127.0.0.2") // nobody listens there at this port
	c := fetch.New(fetch.Options{AllowNets: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/30")}})
	defer c.Close()
	resp, body, err := get(t, c, fetch.Request{URL: url, Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1"), closed, local[0]}})
	if err != nil || body != "pinned" {
		t.Fatalf("%q, %v", body, err)
	}
	if resp.Remote.Addr() != local[0] || resp.Times.Connect <= 0 || resp.Times.Start.IsZero() {
		t.Errorf("%s %+v", resp.Remote, resp.Times)
	}
	_, _, err = get(t, c, fetch.Request{URL: url, Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1"), closed}})
	if fault.KindOf(err) != fault.Refused || errors.Is(err, fetch.ErrPrivate) {
		t.Errorf("private and closed: %v", err)
	}
}

// server is net/http's own, over TLS or not, with the client that trusts it.
func server(t *testing.T, h2 bool, h http.HandlerFunc) (url string, c *fetch.Client) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = h2
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c = newClient(t, fetch.Options{RootCAs: roots})
	t.Cleanup(func() { c.Close(); s.Close() })
	return "https://example.com:" + portOf(t, s.URL) + "/", c // the name in httptest's certificate
}

func TestTLS(t *testing.T) {
	for _, tt := range []struct {
		h2    bool
		proto string
	}{{false, "HTTP/1.1"}, {true, "HTTP/2.0"}} {
		url, c := server(t, tt.h2, func(w http.ResponseWriter, r *http.Request) {
			if r.TLS.ServerName != "example.com" || r.Header.Get("Referer") != "" || r.URL.RawQuery != "q=%zz|" {
				t.Errorf("got SNI %q, query %q", r.TLS.ServerName, r.URL.RawQuery)
			}
			_, _ = io.WriteString(w, "over "+r.Proto)
		})
		resp, body, err := get(t, c, fetch.Request{URL: url + "a|b?q=%zz|"})
		if err != nil || resp.Proto != tt.proto || body != "over "+tt.proto {
			t.Fatalf("%q, %v", body, err)
		}
		if !strings.HasPrefix(string(resp.ResponseHead), "HTTP/1.1 200 OK\r\n") || !strings.HasPrefix(string(resp.RequestHead), "GET /a|b?q=%zz| HTTP/1.1\r\nHost: example.com:") {
			t.Errorf("heads:\n%s%s", resp.RequestHead, resp.ResponseHead)
		}
		if resp.Times.TLS <= 0 {
			t.Errorf("times %+v", resp.Times)
		}
		again, _, err := get(t, c, fetch.Request{URL: url + "?q=%zz|"})
		if err != nil || again.Times.TLS != 0 || again.Times.Connect != 0 {
			t.Errorf("the connection was not kept: %v", err)
		}
	}
}

func TestTLSRefused(t *testing.T) {
	url, trusting := server(t, true, func(http.ResponseWriter, *http.Request) {})
	wrongName := strings.Replace(url, "example.com", "elsewhere.test", 1)
	plain := raw(t, func(p *peer) { p.say("HTTP/1.1 400 Bad\r\n\r\n") })
	hangsUp := raw(t, func(*peer) {})
	for name, tt := range map[string]struct {
		c    *fetch.Client
		url  string
		kind fault.Kind
	}{
		"unknown issuer":   {newClient(t, fetch.Options{}), url, fault.TLS},
		"another's name":   {trusting, wrongName, fault.TLS},
		"no TLS there":     {trusting, strings.Replace(plain, "http:", "https:", 1), fault.TLS},
		"hangs up at once": {trusting, strings.Replace(hangsUp, "http:", "https:", 1), fault.Reset},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := get(t, tt.c, fetch.Request{URL: tt.url})
			if fault.KindOf(err) != tt.kind {
				t.Errorf("%v is %s, want %s", err, fault.KindOf(err), tt.kind)
			}
			if at := fetch.TimesOf(err); at.Connect <= 0 || at.TLS <= 0 || at.FirstByte != 0 {
				t.Errorf("times %+v", at)
			}
		})
	}
}

// Go is called once for each request, and until it returns no byte of the request is sent, on a new connection as on a kept one.
func TestGo(t *testing.T) {
	var mu sync.Mutex
	var log []string
	note := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		log = append(log, s)
	}
	url := raw(t, func(p *peer) {
		note("connected")
		for {
			if _, err := p.r.Peek(1); err != nil {
				return
			}
			note("request")
			if _, err := p.request(); err != nil {
				return
			}
			p.say(ok("", "x"))
		}
	})
	c := newClient(t, fetch.Options{})
	for range 3 {
		_, _, err := get(t, c, fetch.Request{URL: url, Go: func(context.Context) error { note("go"); return nil }})
		if err != nil {
			t.Fatal(err)
		}
	}
	want := "go request go request go request"
	mu.Lock()
	defer mu.Unlock()
	var got []string
	for _, s := range log { // when the server notices the connection is its own affair
		if s != "connected" {
			got = append(got, s)
		}
	}
	if strings.Join(got, " ") != want || len(log) != 7 {
		t.Errorf("got %v, want %s over one connection", log, want)
	}
}

var errNotNow = errors.New("not now")

func TestGoRefusesHTTP1(t *testing.T) {
	var bytes atomic.Int64
	ended := make(chan struct{}, 8)
	url := raw(t, func(p *peer) {
		n, _ := io.Copy(io.Discard, p.r)
		bytes.Add(n)
		ended <- struct{}{}
	})
	c := newClient(t, fetch.Options{})
	for range 5 {
		_, _, err := get(t, c, fetch.Request{URL: url, Go: func(context.Context) error { return fault.New(fault.RedisDown, errNotNow) }})
		if !errors.Is(err, errNotNow) || fault.KindOf(err) != fault.RedisDown {
			t.Errorf("error %v", err)
		}
		<-ended
	}
	_, _, err := get(t, c, fetch.Request{URL: url, Go: func(context.Context) error { return errNotNow }})
	if !errors.Is(err, errNotNow) || fault.KindOf(err) != fault.Internal {
		t.Errorf("an error without a kind got one: %v", err)
	}
	<-ended
	if bytes.Load() != 0 {
		t.Errorf("%d bytes were sent", bytes.Load())
	}
}

func TestGoRefusesHTTP2(t *testing.T) {
	var asked atomic.Int64
	url, c := server(t, true, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	if _, _, err := get(t, c, fetch.Request{URL: url}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		_, _, err := get(t, c, fetch.Request{URL: url, Go: func(context.Context) error { return errNotNow }})
		if !errors.Is(err, errNotNow) {
			t.Errorf("error %v", err)
		}
	}
	resp, _, err := get(t, c, fetch.Request{URL: url})
	if err != nil || resp.Times.Connect != 0 {
		t.Errorf("the connection did not survive: %v", err)
	}
	if asked.Load() != 2 {
		t.Errorf("%d requests arrived, want the 2 that were let go", asked.Load())
	}
}

// A kept connection that is dead when it is used again is replaced unseen; Go is asked again for the new one.
func TestDeadKeptConnection(t *testing.T) {
	var conns atomic.Int64
	url := raw(t, func(p *peer) {
		first := conns.Add(1) == 1
		if _, err := p.request(); err != nil {
			return
		}
		p.say(ok("", "x"))
		if first {
			_, _ = p.request() // and hangs up instead of an answer
		}
	})
	c := newClient(t, fetch.Options{})
	if _, _, err := get(t, c, fetch.Request{URL: url}); err != nil {
		t.Fatal(err)
	}
	calls := 0
	_, body, err := get(t, c, fetch.Request{URL: url, Go: func(context.Context) error { calls++; return nil }})
	if err != nil || body != "x" || calls != 2 {
		t.Errorf("%q, %v, Go called %d times", body, err, calls)
	}
}

func TestCallerStops(t *testing.T) {
	arrived := make(chan struct{}, 2)
	url := raw(t, func(p *peer) {
		if _, err := p.request(); err == nil {
			arrived <- struct{}{}
		}
		<-p.gone.Done()
	})
	c := newClient(t, fetch.Options{})
	ctx, cancel := context.WithCancelCause(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := c.Do(ctx, fetch.Request{URL: url, Addrs: local})
		if fault.KindOf(err) != fault.Stopped || !errors.Is(err, errNotNow) {
			t.Errorf("stopped by the caller: %v is %s", err, fault.KindOf(err))
		}
	})
	<-arrived
	cancel(errNotNow)
	wg.Wait()
}

func TestConnectErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String() + "/"
	_ = l.Close()
	c := newClient(t, fetch.Options{})
	if _, _, err := get(t, c, fetch.Request{URL: url}); fault.KindOf(err) != fault.Refused || fetch.TimesOf(err).Connect <= 0 {
		t.Errorf("a closed port: %v, %+v", err, fetch.TimesOf(err))
	}
	c.Close()
	if _, _, err := get(t, c, fetch.Request{URL: url}); fault.KindOf(err) != fault.Stopped {
		t.Errorf("a closed client: %v", err)
	}
}

func TestMaxBody(t *testing.T) {
	for _, tt := range []struct {
		bound int64
		n     int
		err   error
	}{{9, 9, fetch.ErrTooLarge}, {10, 10, nil}, {11, 10, nil}} {
		url := raw(t, once("HTTP/1.1 200 OK\r\n\r\n0123456789"))
		_, body, err := get(t, newClient(t, fetch.Options{MaxBody: tt.bound}), fetch.Request{URL: url})
		if len(body) != tt.n || !errors.Is(err, tt.err) {
			t.Errorf("bound %d: %q, %v", tt.bound, body, err)
		}
	}
}

func TestHead(t *testing.T) {
	url := raw(t, once("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nContent-Encoding: gzip\r\n\r\n"))
	c := newClient(t, fetch.Options{})
	resp, body, err := get(t, c, fetch.Request{URL: url, Method: http.MethodHead})
	if err != nil || body != "" || resp.Header.Get("Content-Length") != "5000" {
		t.Errorf("%q, %v", body, err)
	}
	d, err := c.Decode(strings.NewReader(body), resp.Encoding)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if b, err := io.ReadAll(d); err != nil || len(b) != 0 {
		t.Errorf("an empty body decoded to %q, %v", b, err)
	}
}
