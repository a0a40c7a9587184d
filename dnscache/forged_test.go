package dnscache_test

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"example.org/trawl/dnscache"
	"example.org/trawl/fault"
)

// What does not belong to the question is passed over, and what is no DNS message at all is a failure of the server.
func TestForgedAndMalformed(t *testing.T) {
	full := zone(t, "a.test. 60 IN A 192.0.2.1")
	raw := func(reply func(q *dns.Msg) [][]byte) dnscache.Options {
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			buf := make([]byte, 2048)
			for {
				n, from, err := udp.ReadFrom(buf)
				if err != nil {
					return
				}
				q := new(dns.Msg)
				if q.Unpack(buf[:n]) != nil {
					continue
				}
				for _, b := range reply(q) {
					_, _ = udp.WriteTo(b, from)
				}
			}
		})
		t.Cleanup(func() { _ = udp.Close(); wg.Wait() })
		return dnscache.Options{Timeout: time.Second, Servers: []netip.AddrPort{netip.MustParseAddrPort(udp.LocalAddr().String())}}
	}
	pack := func(m *dns.Msg) []byte {
		b, err := m.Pack()
		if err != nil {
			t.Error(err)
		}
		return b
	}
	forger := raw(func(q *dns.Msg) [][]byte {
		evil, err := dns.NewRR("a.test. 60 IN A 203.0.113.66")
		if err != nil {
			t.Error(err)
		}
		id := new(dns.Msg).SetReply(q)
		id.Id++
		id.Answer = []dns.RR{evil}
		question := new(dns.Msg).SetReply(q)
		question.Question = []dns.Question{{Name: "b.test.", Qtype: q.Question[0].Qtype, Qclass: dns.ClassINET}}
		question.Answer = []dns.RR{evil}
		good := full("udp", q.Question[0])
		good.SetReply(q)
		return [][]byte{pack(id), pack(question), pack(good)}
	})
	if a, err := resolver(t, forger).Lookup(t.Context(), "a.test"); err != nil || texts(a.Addrs) != "192.0.2.1" {
		t.Errorf("with forgeries before the answer: %v, %v", a, err)
	}
	garbage := raw(func(*dns.Msg) [][]byte { return [][]byte{{1, 2, 3}} })
	if a, err := resolver(t, garbage).Lookup(t.Context(), "a.test"); fault.KindOf(err) != fault.DNSDown {
		t.Errorf("garbage: %v, %v", a, err)
	}
}
