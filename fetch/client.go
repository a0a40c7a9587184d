// Package fetch asks one host one question over HTTP and gives back the answer as it came: no redirect is followed, no cookie
// kept, no coding undone. It connects only to the addresses it is given, and to none that is not part of the public web.
//
// A Response's Body is the payload after HTTP's own framing, with its content coding; Decode undoes that within bounds.
package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"sync/atomic"
	"time"

	"example.org/trawl/fault"
	"example.org/trawl/weburl"
)

// Options are the settings of a Client; a zero field has the default named beside it.
type Options struct {
	UserAgent string         // "Trawl"
	AllowNets []netip.Prefix // let through the guard, with every port
	MaxBody   int64          // bytes: of a body on the wire, and again of the decoded body (64 MiB)
	MaxRatio  int64          // decoded bytes per byte on the wire, looked at beyond the first 10 MiB (2,000)
	Connect   time.Duration  // for all addresses of a host together, and again for TLS (10 s)
	FirstByte time.Duration  // from the request to the whole head of the answer (30 s)
	Idle      time.Duration  // without a byte of the body (20 s)
	Total     time.Duration  // the whole exchange, without the time spent in Request.Go (5 min)
	RootCAs   *x509.CertPool // whom to trust (the system's)
	PerHost   int            // idle connections kept for one host (8)
}

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.Connect, 10*time.Second)
	def(&o.FirstByte, 30*time.Second)
	def(&o.Idle, 20*time.Second)
	def(&o.Total, 5*time.Minute)
	if o.UserAgent == "" {
		o.UserAgent = "Trawl"
	}
	if o.MaxBody <= 0 {
		o.MaxBody = defaultMaxBytes
	}
	if o.MaxRatio <= 0 {
		o.MaxRatio = defaultMaxRatio
	}
	if o.PerHost <= 0 {
		o.PerHost = 8
	}
	return o
}

// Client is an HTTP client for crawling. It is safe for concurrent use.
type Client struct {
	o         Options
	dial      *dialer
	transport *http.Transport
	close     context.CancelFunc
}

// New returns a Client. Close it when it is no longer used.
func New(o Options) *Client {
	o = o.withDefaults()
	closed, cancel := context.WithCancel(context.Background())
	d := &dialer{
		net:     net.Dialer{Control: guard{o.AllowNets}.control},
		allow:   o.AllowNets,
		connect: o.Connect,
		closed:  closed,
		tls: &tls.Config{
			RootCAs:            o.RootCAs,
			NextProtos:         []string{"h2", "http/1.1"},
			ClientSessionCache: tls.NewLRUClientSessionCache(1024),
		},
	}
	return &Client{o: o, dial: d, close: cancel, transport: &http.Transport{
		Proxy:                  nil, // no environment variable may lead the crawl elsewhere
		DialContext:            d.plain,
		DialTLSContext:         d.secure,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // the archive keeps what was sent
		MaxIdleConns:           1024,
		MaxIdleConnsPerHost:    o.PerHost,
		IdleConnTimeout:        45 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream: 1 << 20,
			SendPingTimeout:           15 * time.Second, // a dead connection must not swallow a host's requests for minutes
			PingTimeout:               10 * time.Second,
		},
	}}
}

// Close drops the idle connections and stops connecting. Bodies that are still open stay usable.
func (c *Client) Close() {
	c.close()
	c.transport.CloseIdleConnections()
}

// Decode undoes the content coding of a Body within the client's own bounds; see the function Decode.
func (c *Client) Decode(r io.Reader, encoding string) (io.ReadCloser, error) {
	return Decode(r, encoding, c.o.MaxBody, c.o.MaxRatio)
}

// Request is one question.
type Request struct {
	Method string // GET or HEAD; empty is GET
	URL    string // canonical: see weburl.Canonical
	Addrs  []netip.Addr
	// ETag and LastModified are the validators of the copy we have. One that is not well-formed is not sent.
	ETag, LastModified string
	Accept             string // empty: HTML before anything else
	// Go, if not nil, is called with the connection in hand, just before the request is written: politeness waits there. Its
	// error ends the exchange unsent and is found in Do's error. When a kept connection turns out to be dead, net/http takes
	// another one and Go is called again; so it must give the same slot twice, or a later one.
	Go func(ctx context.Context) error
}

// Response is the answer. Body must be closed.
type Response struct {
	Status int
	Proto  string // as spoken: "HTTP/1.1", "HTTP/2.0"
	Header http.Header
	// RequestHead and ResponseHead are the heads for the archive, in the form of HTTP/1 whatever was spoken, up to and with
	// the empty line. The request's is byte for byte what HTTP/1.1 sends; the response's has its fields sorted, and lacks
	// those that describe the connection, for the body is kept without the transfer coding.
	RequestHead, ResponseHead []byte
	Remote                    netip.AddrPort
	Location                  string // absolute, by the WHATWG rules; empty if there is none or it is no URL
	// Body is the payload with its content coding. Its errors carry kinds: fault.Stalled when nothing came for Options.Idle or
	// the whole took longer than Options.Total, fault.Reset when it ended too early; or are ErrTooLarge after Options.MaxBody bytes.
	// What came before the error is good.
	Body     io.ReadCloser
	Encoding string // content codings in the order applied, lower case, as Decode takes them
	Times    Times
}

// Times is where the time of an exchange went.
type Times struct {
	Start     time.Time     // when the request was let go: after Request.Go
	Connect   time.Duration // 0 on a kept connection
	TLS       time.Duration // 0 on a kept connection
	FirstByte time.Duration // from Start
}

// timed is an error with where the time went until then.
type timed struct {
	error
	times Times
}

func (t *timed) Unwrap() error { return t.error }

// TimesOf returns where the time of an exchange went that ended with err, an error of Do. FirstByte is then how long none came.
func TimesOf(err error) Times {
	if t := (*timed)(nil); errors.As(err, &t) {
		return t.times
	}
	return Times{}
}

// Do sends r and returns when the head of the answer is there. Every status is an answer, only a 304 nobody asked for is not.
// Errors carry fault kinds; an ErrPrivate, an error of Request.Go without one, and the end of ctx have none. See TimesOf.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	req, err := c.build(r)
	if err != nil {
		return nil, fmt.Errorf("request for %s: %w", r.URL, err)
	}
	what := req.Method + " " + r.URL
	head, err := requestHead(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, addrsKey{}, r.Addrs))
	x := &exchange{ctx: ctx, cancel: cancel, o: c.o, gate: r.Go}
	x.total = time.AfterFunc(c.o.Total, func() { cancel(errTotal) })
	x.first = time.AfterFunc(c.o.Total, func() { cancel(errFirstByte) })
	x.first.Stop()

	trace := &httptrace.ClientTrace{GotConn: x.gotConn, GotFirstResponseByte: x.gotByte}
	resp, err := c.transport.RoundTrip(req.WithContext(httptrace.WithClientTrace(ctx, trace)))
	x.first.Stop()
	if err == nil {
		err = x.check(req, resp)
	}
	if err != nil {
		if x.refused != nil {
			err = fmt.Errorf("%s: %w", what, x.refused)
		} else {
			err = &timed{explain(ctx, what, err, fault.FirstByte, x.wire), x.spent(err)}
		}
		x.total.Stop()
		cancel(errClosed)
		return nil, err
	}
	return c.response(x, r, resp, head, what), nil
}

func (c *Client) response(x *exchange, r Request, resp *http.Response, head []byte, what string) *Response {
	idle := time.AfterFunc(c.o.Idle, func() { x.cancel(errIdle) })
	idle.Stop()
	out := &Response{
		Status: resp.StatusCode, Proto: resp.Proto, Header: resp.Header, Remote: x.remote,
		RequestHead: head, ResponseHead: responseHead(resp), Encoding: encodingOf(resp.Header), Times: x.times,
		Body: &body{
			rc: resp.Body, ctx: x.ctx, cancel: x.cancel, total: x.total, idle: idle, wait: c.o.Idle, left: c.o.MaxBody,
			what: "body of " + what, wire: x.wire,
		},
	}
	if at := x.firstAt.Load(); at != 0 {
		out.Times.FirstByte = max(0, time.Duration(at-out.Times.Start.UnixNano()))
	}
	if to := resp.Header.Get("Location"); to != "" {
		if u, err := weburl.Resolve(r.URL, locationText(to)); err == nil {
			out.Location = u
		}
	}
	return out
}

// exchange is one run of Do. Its fields are written by the goroutine of Do only: net/http calls GotConn from RoundTrip.
type exchange struct {
	ctx          context.Context
	cancel       context.CancelCauseFunc
	o            Options
	gate         func(context.Context) error
	total, first *time.Timer
	wire         *conn // nil before there is one
	remote       netip.AddrPort
	times        Times
	refused      error        // why the request was not sent
	firstAt      atomic.Int64 // set from the connection's reader
}

// gotConn runs between the choice of a connection and the first byte of the request.
func (x *exchange) gotConn(info httptrace.GotConnInfo) {
	w, ok := wireOf(info.Conn)
	if !ok {
		x.refuse(info.Conn, errors.New("a connection that we did not make"))
		return
	}
	if a, ok := w.RemoteAddr().(*net.TCPAddr); ok {
		x.remote = netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
	}
	x.wire, x.times = w, Times{}
	if !info.Reused {
		x.times.Connect, x.times.TLS = w.connect, w.tls
	}
	if x.gate != nil {
		x.first.Stop()
		x.total.Stop()
		err := x.gate(x.ctx)
		x.total.Reset(x.o.Total)
		if err != nil {
			x.refuse(info.Conn, err)
			return
		}
	}
	x.firstAt.Store(0)
	x.times.Start = time.Now()
	x.first.Reset(x.o.FirstByte)
}

// refuse makes sure that nothing is sent. Over HTTP/2 a cancelled request is not written, and the connection serves others;
// over HTTP/1 the transport's writer does not look before it writes, so the connection goes.
func (x *exchange) refuse(c net.Conn, err error) {
	x.refused = err
	x.cancel(err)
	if t, ok := c.(*tls.Conn); ok && t.ConnectionState().NegotiatedProtocol == "h2" {
		return
	}
	_ = c.Close()
}

// spent is where the time of an exchange went that ended with err before its answer was there.
func (x *exchange) spent(err error) Times {
	t := x.times
	if x.wire == nil { // there never was a connection
		return TimesOf(err)
	}
	if !t.Start.IsZero() {
		t.FirstByte = time.Since(t.Start)
	}
	return t
}

func (x *exchange) gotByte() { x.firstAt.CompareAndSwap(0, time.Now().UnixNano()) }

// check finds what net/http lets pass and we do not.
func (x *exchange) check(req *http.Request, resp *http.Response) error {
	var err error
	switch {
	case x.ctx.Err() != nil: // a clock ran out while the answer was on its way
		err = x.ctx.Err()
	case resp.StatusCode == http.StatusSwitchingProtocols:
		err = fault.New(fault.Protocol, errors.New("protocol switched unasked"))
	case resp.StatusCode == http.StatusNotModified && !conditional(req):
		err = fault.New(fault.Protocol, errors.New("304 to an unconditional request"))
	}
	if err != nil {
		_ = resp.Body.Close()
	}
	return err
}
