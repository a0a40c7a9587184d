package dnscache_test

import (
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answers says what a server tells of a question; nil is silence.
type answers func(network string, q dns.Question) *dns.Msg

// server is a real DNS server on loopback, over UDP and TCP at one port.
type server struct {
	addr netip.AddrPort

	mu    sync.Mutex
	asked []string // "udp A example.org."
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func (s *server) log() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.asked...)
}

func serve(t *testing.T, what answers) *server {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s := &server{addr: netip.MustParseAddrPort(tcp.Addr().String())}
	handle := func(network string) dns.HandlerFunc {
		return func(w dns.ResponseWriter, q *dns.Msg) {
			s.mu.Lock()
			s.asked = append(s.asked, network+" "+dns.TypeToString[q.Question[0].Qtype]+" "+q.Question[0].Name)
			s.mu.Unlock()
			if m := what(network, q.Question[0]); m != nil {
				rcode, truncated := m.Rcode, m.Truncated
				m.SetReply(q)
				m.Rcode, m.Truncated = rcode, truncated
				_ = w.WriteMsg(m)
			}
		}
	}
	var wg sync.WaitGroup
	started := make(chan struct{}, 2)
	notify := func() { started <- struct{}{} }
	us := &dns.Server{PacketConn: udp, Handler: handle("udp"), NotifyStartedFunc: notify}
	ts := &dns.Server{Listener: tcp, Handler: handle("tcp"), NotifyStartedFunc: notify}
	wg.Go(func() { _ = us.ActivateAndServe() })
	wg.Go(func() { _ = ts.ActivateAndServe() })
	<-started
	<-started
	t.Cleanup(func() {
		_ = us.Shutdown()
		_ = ts.Shutdown()
		wg.Wait()
	})
	return s
}

// zone answers from records in text; a name without any does not exist. The SOA of a denial is good for 30 s.
func zone(t *testing.T, records ...string) answers {
	t.Helper()
	var rrs []dns.RR
	for _, r := range records {
		rr, err := dns.NewRR(r)
		if err != nil {
			t.Fatal(err)
		}
		rrs = append(rrs, rr)
	}
	soa, err := dns.NewRR("test. 300 IN SOA ns.test. me.test. 1 2 3 4 30")
	if err != nil {
		t.Fatal(err)
	}
	return func(_ string, q dns.Question) *dns.Msg {
		m := new(dns.Msg)
		known := false
		at := q.Name
		for range 20 {
			next := ""
			for _, rr := range rrs {
				if rr.Header().Name != at {
					continue
				}
				known = true
				if c, ok := rr.(*dns.CNAME); ok {
					m.Answer = append(m.Answer, rr)
					next = c.Target
				} else if rr.Header().Rrtype == q.Qtype {
					m.Answer = append(m.Answer, rr)
					next = ""
				}
			}
			if next == "" {
				break
			}
			at = next
		}
		if !known {
			m.Rcode = dns.RcodeNameError
		}
		if len(m.Answer) == 0 || m.Answer[len(m.Answer)-1].Header().Rrtype == dns.TypeCNAME {
			m.Ns = []dns.RR{soa}
		}
		return m
	}
}

func rcode(code int) answers {
	return func(string, dns.Question) *dns.Msg { return &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: code}} }
}

func silence(string, dns.Question) *dns.Msg { return nil }
