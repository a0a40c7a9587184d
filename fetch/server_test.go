package fetch_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.org/trawl/fetch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	local    = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
)

// peer is one connection as the raw server sees it.
type peer struct {
	net.Conn
	r    *bufio.Reader
	gone context.Context // done when the test ends: for servers that keep silent
}

// request reads a request's head as it came.
func (p *peer) request() (string, error) {
	var b bytes.Buffer
	for {
		line, err := p.r.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return b.String(), err
		}
	}
}

func (p *peer) say(s string) { _, _ = io.WriteString(p, s) }

// raw is a server that speaks TCP as it is told: talk gets each connection, which is closed when it returns.
func raw(t *testing.T, talk func(p *peer)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				talk(&peer{c, bufio.NewReader(c), gone})
			})
		}
	})
	t.Cleanup(func() { stop(); _ = l.Close(); wg.Wait() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return "http://raw.test:" + port + "/"
}

// once answers the first request of a connection and hangs up.
func once(answer string) func(p *peer) {
	return func(p *peer) {
		if _, err := p.request(); err == nil {
			p.say(answer)
		}
	}
}

// ok is a whole answer with a length.
func ok(fields, body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", fields, len(body), body)
}

func newClient(t *testing.T, o fetch.Options) *fetch.Client {
	t.Helper()
	o.AllowNets = loopback
	c := fetch.New(o)
	t.Cleanup(c.Close)
	return c
}

// short are clocks for servers that never come to an end; nothing in the tests measures them.
var short = fetch.Options{
	Connect: 200 * time.Millisecond, FirstByte: 200 * time.Millisecond, Idle: 200 * time.Millisecond, Total: 10 * time.Second,
}

// get asks for url on loopback and reads the body to its end.
func get(t *testing.T, c *fetch.Client, r fetch.Request) (resp *fetch.Response, body string, err error) {
	t.Helper()
	if r.Addrs == nil {
		r.Addrs = local
	}
	resp, err = c.Do(t.Context(), r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body) // what came before an error counts too
	return resp, string(b), err
}

// portOf is the port of a test server.
func portOf(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req.URL.Port()
}
