package fetch_test

import (
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"example.org/trawl/fetch"
	"example.org/trawl/weburl"
)

func load(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

func TestAllowedSuite(t *testing.T) {
	var cases []struct {
		Addr string
		Deny *bool
		Why  string
	}
	load(t, "addresses.json", &cases)
	// Where the suite takes either answer, ours is to refuse.
	either := map[string]string{
		"168.63.129.16":    "Azure's metadata service",
		"64:ff9b::808:808": "every NAT64 address is refused: what it leads to is the gateway's choice",
	}
	passed := 0
	for _, c := range cases {
		deny := either[c.Addr] != ""
		if c.Deny != nil {
			deny = *c.Deny
		}
		err := fetch.Allowed(netip.MustParseAddr(c.Addr), nil)
		private := (*fetch.PrivateError)(nil)
		switch {
		case deny != (err != nil):
			t.Errorf("%s (%s): %v", c.Addr, c.Why, err)
		case deny && (!errors.Is(err, fetch.ErrPrivate) || !errors.As(err, &private) || private.Range == ""):
			t.Errorf("%s: the error does not name the range: %v", c.Addr, err)
		default:
			passed++
		}
	}
	t.Logf("addresses: %d of %d", passed, len(cases))
}

func TestAllowed(t *testing.T) {
	lab := []netip.Prefix{netip.MustParsePrefix("127.0.1.0/24"), netip.MustParsePrefix("fd00:1::/64")}
	tests := []struct {
		addr  netip.Addr
		why   string // in the error; empty: allowed
		allow []netip.Prefix
	}{
		{netip.Addr{}, "no address", nil},
		{netip.MustParseAddr("127.0.1.5"), "loopback", nil},
		{netip.MustParseAddr("127.0.1.5"), "", lab},
		{netip.MustParseAddr("::ffff:127.0.1.5"), "", lab},
		{netip.MustParseAddr("127.0.0.1"), "loopback", lab},
		{netip.MustParseAddr("::ffff:127.0.0.1"), "IPv4-mapped", lab},
		{netip.MustParseAddr("::ffff:8.8.8.8"), "IPv4-mapped", nil},
		{netip.MustParseAddr("fd00:1::9"), "", lab},
		{netip.MustParseAddr("fd00:1::9%eth0"), "", lab},
		{netip.MustParseAddr("fe80::1%eth0"), "link-local", nil},
		{netip.MustParseAddr("2606:4700::1%eth0"), "special-purpose", nil},
		{netip.MustParseAddr("169.254.169.254"), "metadata", nil},
		{netip.MustParseAddr("192.31.196.1"), "special-purpose", nil},
		{netip.MustParseAddr("1.1.1.1"), "", lab},
	}
	for _, tt := range tests {
		err := fetch.Allowed(tt.addr, tt.allow)
		if (err == nil) != (tt.why == "") || err != nil && !strings.Contains(err.Error(), tt.why) {
			t.Errorf("%s: %v, want %q", tt.addr, err, tt.why)
		}
	}
}

// canary counts the connections to a listener on 127.0.0.1, which nothing may reach.
func canary(t *testing.T) (port string, hits *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hits = new(atomic.Int64)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			hits.Add(1)
			_ = c.Close()
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	_, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, hits
}

// Every URL is asked for with the addresses that a resolver could give for its host at its worst: a name leads to this machine.
func TestURLSuiteNeverConnects(t *testing.T) {
	var cases []struct{ URL, Why string }
	load(t, "urls.json", &cases)
	port, hits := canary(t)
	client := fetch.New(fetch.Options{})
	defer client.Close()
	passed := 0
	for _, c := range cases {
		u, err := weburl.Canonical(c.URL)
		if err != nil {
			passed++ // not a URL of the web: it never gets as far as a connection
			continue
		}
		addrs := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::ffff:127.0.0.1"), netip.MustParseAddr("::1")}
		if a, err := netip.ParseAddr(strings.Trim(weburl.Hostname(u), "[]")); err == nil {
			addrs = []netip.Addr{a}
		}
		host, _, _ := strings.Cut(strings.SplitN(u, "://", 2)[1], "/")
		atCanary := "http://" + strings.TrimSuffix(host, ":5432") + ":" + port + "/"
		ok := true
		for _, target := range []string{u, atCanary} {
			resp, err := client.Do(t.Context(), fetch.Request{URL: target, Addrs: addrs})
			if err == nil {
				_ = resp.Body.Close()
			}
			if !errors.Is(err, fetch.ErrPrivate) {
				t.Errorf("%s as %s: %v", c.URL, target, err)
				ok = false
			}
		}
		if ok {
			passed++
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("%d connections to this machine", n)
	}
	// The canary itself works: let through by name, it is reached.
	open := fetch.New(fetch.Options{AllowNets: loopback})
	defer open.Close()
	if _, err := open.Do(t.Context(), fetch.Request{URL: "http://x.test:" + port + "/", Addrs: local}); err == nil || errors.Is(err, fetch.ErrPrivate) {
		t.Errorf("the canary's control: %v", err)
	}
	if hits.Load() == 0 {
		t.Error("the canary cannot be reached at all, so it proves nothing")
	}
	t.Logf("urls: %d of %d", passed, len(cases))
}

func TestRefusedPorts(t *testing.T) {
	client := fetch.New(fetch.Options{})
	defer client.Close()
	for _, port := range []string{"22", "25", "6379", "5432", "11211", "0"} {
		_, err := client.Do(t.Context(), fetch.Request{URL: "http://db.test:" + port + "/", Addrs: []netip.Addr{netip.MustParseAddr("8.8.8.8")}})
		private := (*fetch.PrivateError)(nil)
		if !errors.As(err, &private) || port != "0" && private.Port == 0 {
			t.Errorf("port %s: %v", port, err)
		}
	}
}
