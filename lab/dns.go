package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const dnsTTL = 300 // seconds

// startDNS serves on one port for UDP and TCP.
func (w *Web) startDNS(ctx context.Context, port int) error {
	var lc net.ListenConfig
	var err error
	for range 10 {
		var packets net.PacketConn
		if packets, err = lc.ListenPacket(ctx, "udp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err != nil {
			break
		}
		var streams net.Listener
		if streams, err = lc.Listen(ctx, "tcp4", packets.LocalAddr().String()); err == nil {
			w.nsAddr = packets.LocalAddr().String()
			w.serveDNS(&dns.Server{PacketConn: packets}, &dns.Server{Listener: streams})
			return nil
		}
		_ = packets.Close() // nothing was read yet
		if port != 0 {
			break
		}
	}
	return fmt.Errorf("open the lab's dns port: %w", err)
}

// serveDNS returns when the servers are ready, so that a shutdown right away finds them running.
func (w *Web) serveDNS(servers ...*dns.Server) {
	for _, s := range servers {
		ready := make(chan struct{})
		s.Handler = dns.HandlerFunc(w.resolve)
		s.NotifyStartedFunc = func() { close(ready) }
		w.running.Go(func() {
			if err := s.ActivateAndServe(); err != nil {
				w.log.Error("lab stopped serving dns", "err", err)
			}
		})
		<-ready
		w.dns = append(w.dns, s)
	}
}

// Question is one question that the name server received, whether or not it answered.
type Question struct {
	At   time.Time `json:"at"`
	Name string    `json:"name"` // in lower case, without the last dot
	Type string    `json:"type"` // A, AAAA, …
}

// questions is the log of the name server.
type questions struct {
	mu   sync.Mutex
	list []Question
}

// Questions lists the questions so far, in the order they came. Config.NoLog leaves it empty.
func (w *Web) Questions() []Question {
	w.questions.mu.Lock()
	defer w.questions.mu.Unlock()
	return slices.Clone(w.questions.list)
}

func (w *Web) noteQuestion(name string, qtype uint16) {
	if w.noLog {
		return
	}
	w.questions.mu.Lock()
	defer w.questions.mu.Unlock()
	w.questions.list = append(w.questions.list, Question{w.now(), name, dns.Type(qtype).String()})
}

// serveQuestions writes the questions as JSON lines.
func (w *Web) serveQuestions(rw http.ResponseWriter) {
	rw.Header().Set("Content-Type", "application/jsonl")
	enc := json.NewEncoder(rw)
	for _, q := range w.Questions() {
		if enc.Encode(q) != nil {
			return // the asker is gone
		}
	}
}

// resolve answers A questions for the lab's hosts, unless there is trouble; any other name does not exist.
func (w *Web) resolve(rw dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	m.Authoritative = true
	if len(q.Question) != 1 {
		m.Rcode = dns.RcodeFormatError
		_ = rw.WriteMsg(m) // the asker is gone: nothing to tell it
		return
	}
	question := q.Question[0]
	name := strings.ToLower(strings.TrimSuffix(question.Name, "."))
	w.noteQuestion(name, question.Qtype)
	switch h, trouble := w.host(name), w.trouble.Load().dns(name); {
	case trouble == silent:
		return
	case trouble == refuse:
		m.Rcode = dns.RcodeRefused
	case trouble == servfail:
		m.Rcode = dns.RcodeServerFailure
	case trouble == nxdomain || h == nil:
		m.Rcode = dns.RcodeNameError
	case question.Qtype == dns.TypeA || question.Qtype == dns.TypeANY:
		m.Answer = append(m.Answer, &dns.A{
			Hdr: dns.RR_Header{Name: question.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: dnsTTL},
			A:   net.ParseIP(h.door.ip),
		})
	}
	if len(m.Answer) == 0 && m.Rcode != dns.RcodeRefused && m.Rcode != dns.RcodeServerFailure {
		m.Ns = append(m.Ns, &dns.SOA{
			Hdr: dns.RR_Header{Name: "test.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: dnsTTL},
			Ns:  "ns.lab.test.", Mbox: "root.lab.test.", Serial: 1, Refresh: dnsTTL, Retry: dnsTTL, Expire: dnsTTL, Minttl: dnsTTL,
		})
	}
	_ = rw.WriteMsg(m) // as above
}
