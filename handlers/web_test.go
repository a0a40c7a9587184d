package handlers_test

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// site answers for one host.
type site func(http.ResponseWriter, *http.Request)

// web is a few hosts on one loopback port, with a name server that knows them and nothing else.
type web struct {
	port string
	dns  string

	mu  sync.Mutex
	log []string // "GET http://a.test/path", without the port
}

// newWeb serves sites by name. Addrs are names that have another address than the web's own; nothing answers there.
func newWeb(t *testing.T, sites map[string]site, addrs map[string]string) *web {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &web{}
	_, w.port, _ = net.SplitHostPort(l.Addr().String())
	srv := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		name, _, _ := net.SplitHostPort(r.Host)
		w.mu.Lock()
		w.log = append(w.log, r.Method+" http://"+name+r.RequestURI)
		w.mu.Unlock()
		sites[name](rw, r)
	})}
	names, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.dns = names.LocalAddr().String()
	ready := make(chan struct{})
	ns := &dns.Server{PacketConn: names, NotifyStartedFunc: func() { close(ready) }, Handler: dns.HandlerFunc(func(rw dns.ResponseWriter, q *dns.Msg) {
		m, asked := new(dns.Msg).SetReply(q), q.Question[0]
		name := strings.TrimSuffix(asked.Name, ".")
		addr, known := addrs[name]
		if _, ok := sites[name]; ok && !known {
			addr, known = "127.0.0.1", true
		}
		switch {
		case !known:
			m.Rcode = dns.RcodeNameError
		case asked.Qtype == dns.TypeA:
			m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: asked.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 300}, A: net.ParseIP(addr)}}
		}
		_ = rw.WriteMsg(m) // the asker may be gone
	})}
	var running sync.WaitGroup
	running.Go(func() { _ = srv.Serve(l) })
	running.Go(func() { _ = ns.ActivateAndServe() })
	<-ready
	t.Cleanup(func() {
		_ = srv.Close()
		_ = ns.Shutdown()
		running.Wait()
	})
	return w
}

// url is the address of path at a host of the web.
func (w *web) url(host, path string) string { return "http://" + host + ":" + w.port + path }

// requests lists what was asked since the last call, sorted.
func (w *web) requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	log := w.log
	w.log = nil
	slices.Sort(log)
	return log
}

// pages is a site of pages by path; PORT in a body stands for the web's port. Anything else is 404, robots.txt too.
func pages(bodies map[string]string) site {
	return func(rw http.ResponseWriter, r *http.Request) {
		body, ok := bodies[r.URL.RequestURI()]
		if !ok {
			http.NotFound(rw, r)
			return
		}
		_, port, _ := net.SplitHostPort(r.Host)
		rw.Header().Set("Content-Type", "text/html")
		_, _ = rw.Write([]byte(strings.ReplaceAll(body, "PORT", port)))
	}
}

// with answers at some paths differently.
func (s site) with(paths map[string]site) site {
	return func(rw http.ResponseWriter, r *http.Request) {
		if f, ok := paths[r.URL.RequestURI()]; ok {
			f(rw, r)
			return
		}
		s(rw, r)
	}
}

func status(code int) site {
	return func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(code) }
}

// moved redirects; PORT in the target stands for the web's port.
func moved(to string) site {
	return func(rw http.ResponseWriter, r *http.Request) {
		_, port, _ := net.SplitHostPort(r.Host)
		rw.Header().Set("Location", strings.ReplaceAll(to, "PORT", port))
		rw.WriteHeader(http.StatusFound)
	}
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
