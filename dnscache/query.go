package dnscache

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	rounds   = 2                      // how often the list of servers is gone through: datagrams get lost
	maxHops  = 8                      // CNAMEs from a name to its address, and questions asked on their way
	udpSize  = 1232                   // what fits one packet nearly everywhere (the DNS flag day's figure)
	grace    = 400 * time.Millisecond // for the IPv6 answer once there are IPv4 addresses
	maxAddrs = 32                     // kept of one name
)

// errLoop is a name whose CNAMEs lead nowhere: it has no address, and asking again will not give it one.
var errLoop = errors.New("CNAMEs without an end")

// reply is the outcome for one type of address.
type reply struct {
	addrs   []netip.Addr
	ttl     time.Duration
	missing bool // the name does not exist at all
	err     error
}

// query asks for both types at once and joins the replies.
func (r *Resolver) query(ctx context.Context, name string) (Answer, error) {
	six, cancel := context.WithCancel(ctx)
	defer cancel()
	var v4, v6 reply
	var wg sync.WaitGroup
	wg.Go(func() { v6 = r.chase(six, name, dns.TypeAAAA) })
	v4 = r.chase(ctx, name, dns.TypeA)
	switch {
	case v4.missing:
		cancel()
	case len(v4.addrs) > 0:
		timer := time.AfterFunc(grace, cancel)
		defer timer.Stop()
	}
	wg.Wait()
	return r.combine(v4, v6)
}

func (r *Resolver) combine(v4, v6 reply) (Answer, error) {
	now := r.o.Now()
	a := Answer{Addrs: slices.Concat(v4.addrs, v6.addrs)}
	a.Addrs = a.Addrs[:min(len(a.Addrs), maxAddrs)]
	if len(a.Addrs) > 0 {
		ttl := r.o.MaxTTL
		for _, p := range []reply{v4, v6} {
			if len(p.addrs) > 0 {
				ttl = min(ttl, p.ttl)
			}
		}
		a.Expires = now.Add(max(ttl, r.o.MinTTL))
		return a, nil
	}
	for _, p := range []reply{v4, v6} {
		if p.missing {
			return Answer{Missing: true, Expires: now.Add(r.negative(p.ttl))}, nil
		}
	}
	if err := errors.Join(v4.err, v6.err); err != nil {
		return Answer{}, err // half an answer does not say that there is no address
	}
	return Answer{Missing: true, Expires: now.Add(r.negative(min(v4.ttl, v6.ttl)))}, nil
}

func (r *Resolver) negative(ttl time.Duration) time.Duration {
	return max(min(ttl, r.o.NegativeTTL), min(r.o.MinTTL, r.o.NegativeTTL))
}

// chase follows name to its addresses. Servers give the chain of CNAMEs with the answer; where one stops half-way it is asked on.
func (r *Resolver) chase(ctx context.Context, name string, qtype uint16) reply {
	out := reply{ttl: r.o.MaxTTL}
	at := dns.Fqdn(name)
	for range maxHops {
		m, err := r.ask(ctx, at, qtype)
		if err != nil {
			return reply{err: err}
		}
		end, ttl, addrs, err := follow(m, at)
		if err != nil {
			return reply{missing: true, ttl: r.o.NegativeTTL}
		}
		out.ttl = min(out.ttl, ttl)
		if len(addrs) > 0 {
			out.addrs = addrs
			return out
		}
		soa, denied := denial(m)
		if m.Rcode == dns.RcodeNameError || denied || end == at {
			out.missing = m.Rcode == dns.RcodeNameError
			if denied {
				out.ttl = min(out.ttl, soa)
			}
			return out
		}
		at = end
	}
	return reply{missing: true, ttl: r.o.NegativeTTL}
}

// follow walks from name through the CNAMEs of m, and returns where that ends, the least TTL on the way, and the addresses there.
func follow(m *dns.Msg, name string) (end string, ttl time.Duration, addrs []netip.Addr, err error) {
	ttl = 1<<63 - 1
	least := func(h *dns.RR_Header) { ttl = min(ttl, time.Duration(h.Ttl)*time.Second) }
	end = name
	for range maxHops + 1 {
		next := ""
		for _, rr := range m.Answer {
			if !strings.EqualFold(rr.Header().Name, end) || rr.Header().Class != dns.ClassINET {
				continue
			}
			var ip net.IP
			switch rr := rr.(type) {
			case *dns.CNAME:
				next = strings.ToLower(rr.Target)
			case *dns.A:
				ip = rr.A
			case *dns.AAAA:
				ip = rr.AAAA
			default:
				continue
			}
			least(rr.Header())
			if addr, ok := netip.AddrFromSlice(ip); ok && rr.Header().Rrtype == m.Question[0].Qtype {
				addrs = append(addrs, plain(addr, rr.Header().Rrtype))
			}
		}
		if len(addrs) > 0 || next == "" {
			return end, ttl, slices.Compact(addrs), nil
		}
		end = next
	}
	return "", 0, nil, errLoop
}

// plain undoes the 16-byte form of an A record; an IPv4-mapped address in an AAAA record stays what it is, for the guard to see.
func plain(a netip.Addr, rrtype uint16) netip.Addr {
	if rrtype == dns.TypeA {
		return a.Unmap()
	}
	return a
}

// denial returns how long "there is none" is good (RFC 2308 §5), if m says so.
func denial(m *dns.Msg) (time.Duration, bool) {
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return time.Duration(min(soa.Hdr.Ttl, soa.Minttl)) * time.Second, true
		}
	}
	return 0, false
}

// ask puts a question to the servers in turn until one gives an answer that says something about the name.
func (r *Resolver) ask(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
	var errs []error
	for range rounds {
		for _, server := range r.order() {
			m, err := r.exchange(ctx, server, name, qtype)
			if err == nil {
				return m, nil
			}
			if ctx.Err() != nil {
				return nil, ctx.Err() // the server is not to blame
			}
			errs = append(errs, fmt.Errorf("server %s: %w", server, err))
			r.blame(ctx, server, err)
		}
	}
	return nil, errors.Join(errs...)
}

func (r *Resolver) order() []netip.AddrPort {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.servers)
}

// blame puts a server that failed behind the others, so that it is asked only when they fail too.
func (r *Resolver) blame(ctx context.Context, server netip.AddrPort, err error) {
	r.mu.Lock()
	i := slices.Index(r.servers, server)
	moved := i >= 0 && i < len(r.servers)-1
	if moved {
		r.servers = append(slices.Delete(r.servers, i, i+1), server)
	}
	r.mu.Unlock()
	if moved {
		r.o.Log.WarnContext(ctx, "DNS server failed and is asked last", "server", server.String(), "err", err)
	}
}

// exchange asks one server: by UDP, by TCP when the answer was cut, and without EDNS when the server does not know it.
func (r *Resolver) exchange(ctx context.Context, server netip.AddrPort, name string, qtype uint16) (*dns.Msg, error) {
	q := new(dns.Msg).SetQuestion(name, qtype)
	q.SetEdns0(udpSize, false)
	m, err := r.once(ctx, "udp", server, q)
	if err == nil && (m.Rcode == dns.RcodeFormatError || m.Rcode == dns.RcodeNotImplemented) {
		q = new(dns.Msg).SetQuestion(name, qtype)
		m, err = r.once(ctx, "udp", server, q)
	}
	if err == nil && m.Truncated {
		m, err = r.once(ctx, "tcp", server, q)
	}
	switch {
	case err != nil:
		return nil, err
	case m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("answered %s", dns.RcodeToString[m.Rcode])
	}
	return m, nil
}

// once sends q and waits for its answer. What has another ID or question is somebody else's, or a forgery, and is passed over.
func (r *Resolver) once(ctx context.Context, network string, server netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, network, server.String())
	if err != nil {
		return nil, err
	}
	c := &dns.Conn{Conn: raw, UDPSize: udpSize}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := c.WriteMsg(q); err != nil {
		return nil, err
	}
	for {
		m, err := c.ReadMsg()
		if err != nil {
			return nil, err
		}
		if m.Id == q.Id && m.Response && sameQuestion(m, q) {
			return m, nil
		}
	}
}

func sameQuestion(m, q *dns.Msg) bool {
	if len(m.Question) == 0 { // some servers leave it out of their refusals
		return m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError
	}
	return m.Question[0].Qtype == q.Question[0].Qtype && strings.EqualFold(m.Question[0].Name, q.Question[0].Name)
}
