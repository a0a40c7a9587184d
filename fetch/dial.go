package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"example.org/trawl/fault"
)

const (
	stagger  = 300 * time.Millisecond // before the next address is tried beside one that has not answered (RFC 8305 §5 has 250 ms)
	maxAddrs = 8                      // of one name: a resolver's answer must not turn us into a port scanner
)

// addrsKey carries Request.Addrs to the dialler through the request's context, the one thing the transport hands on.
type addrsKey struct{}

// dialer connects to the addresses it is given and to no other. It never resolves a name.
type dialer struct {
	net     net.Dialer
	allow   []netip.Prefix
	connect time.Duration // for all addresses of one request together, and again for the TLS handshake
	tls     *tls.Config
	closed  context.Context // done when the client is closed; the transport dials on after a request is given up
}

// conn remembers what it cost to make, and whether the peer has ended it.
type conn struct {
	net.Conn
	connect, tls time.Duration
	ended        atomic.Bool
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		c.ended.Store(true)
	}
	return n, err
}

// wireOf returns our connection below whatever the transport shows.
func wireOf(c net.Conn) (*conn, bool) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	w, ok := c.(*conn)
	return w, ok
}

// plain is the transport's DialContext.
func (d *dialer) plain(ctx context.Context, _, hostport string) (net.Conn, error) {
	c, _, err := d.open(ctx, hostport)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// secure is the transport's DialTLSContext: the handshake is done here so that its errors are known for what they are.
func (d *dialer) secure(ctx context.Context, _, hostport string) (net.Conn, error) {
	c, name, err := d.open(ctx, hostport)
	if err != nil {
		return nil, err
	}
	cfg := d.tls.Clone()
	cfg.ServerName = name
	t := tls.Client(c, cfg)
	ctx, cancel := d.bound(ctx)
	defer cancel()
	start := time.Now()
	if err := t.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		err = fault.New(tlsKind(d.closed, err), fmt.Errorf("handshake with %s: %w", name, err))
		return nil, &timed{err, Times{Connect: c.connect, TLS: time.Since(start)}}
	}
	c.tls = time.Since(start)
	return t, nil
}

// bound limits ctx to the connect time and to the client's life.
func (d *dialer) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, d.connect)
	stop := context.AfterFunc(d.closed, cancel)
	return ctx, func() { stop(); cancel() }
}

func (d *dialer) open(ctx context.Context, hostport string) (*conn, string, error) {
	name, portText, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, "", err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, "", fmt.Errorf("port of %s: %w", hostport, err)
	}
	addrs, _ := ctx.Value(addrsKey{}).([]netip.Addr)
	ctx, cancel := d.bound(ctx)
	defer cancel()
	start := time.Now()
	c, err := d.race(ctx, addrs[:min(len(addrs), maxAddrs)], uint16(port))
	if err != nil {
		if errors.Is(err, ErrPrivate) {
			return nil, "", err
		}
		return nil, "", &timed{fault.New(connectKind(d.closed, err), err), Times{Connect: time.Since(start)}}
	}
	return &conn{Conn: c, connect: time.Since(start)}, name, nil
}

// outcome is how the try of one address ended.
type outcome struct {
	conn net.Conn
	err  error
}

// race tries the addresses in turn, each as soon as the one before has failed or has kept silent for a moment, and returns
// the first connection. Every try has ended when it returns. Of the errors the first that is not our own refusal is given.
func (d *dialer) race(ctx context.Context, addrs []netip.Addr, port uint16) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan outcome, len(addrs))
	timer := time.NewTimer(0)
	defer timer.Stop()

	err := error(fault.New(fault.Internal, errors.New("no address to connect to")))
	errs := make([]error, 0, len(addrs))
	next, running := 0, 0
	for next < len(addrs) || running > 0 {
		turn := timer.C
		if next == len(addrs) {
			turn = nil
		}
		select {
		case <-turn:
			ap := netip.AddrPortFrom(addrs[next], port)
			next++
			running++
			go func() { ended <- d.try(ctx, ap) }()
			timer.Reset(stagger)
		case o := <-ended:
			running--
			if o.err == nil {
				cancel()
				for range running {
					if late := <-ended; late.conn != nil {
						_ = late.conn.Close()
					}
				}
				return o.conn, nil
			}
			errs = append(errs, o.err)
			timer.Reset(0)
		}
	}
	for i, e := range errs {
		if i == 0 || errors.Is(err, ErrPrivate) {
			err = e
		}
	}
	return nil, err
}

// try connects to one address. Our own check comes first, to save the socket; the dialler's control repeats it on the very
// address that is connected to.
func (d *dialer) try(ctx context.Context, ap netip.AddrPort) outcome {
	if err := allowedPort(ap, d.allow); err != nil {
		return outcome{err: err}
	}
	c, err := d.net.DialContext(ctx, "tcp", ap.String())
	return outcome{conn: c, err: err}
}

// connectKind names what went wrong before there was a connection.
func connectKind(closed context.Context, err error) fault.Kind {
	switch {
	case closed.Err() != nil:
		return fault.Stopped
	case errors.Is(err, syscall.ECONNREFUSED):
		return fault.Refused
	case errors.Is(err, syscall.ECONNRESET):
		return fault.Reset
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.EADDRNOTAVAIL):
		return fault.Internal // we are out of descriptors or ports: not the host's fault
	}
	return fault.Unreachable
}

// tlsKind names what went wrong in a handshake. A peer that hangs up in the middle has cut the connection; everything else,
// silence too, is the handshake's own trouble.
func tlsKind(closed context.Context, err error) fault.Kind {
	switch {
	case closed.Err() != nil:
		return fault.Stopped
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fault.Reset
	}
	return fault.TLS
}

// Reach connects to addr, if the guard lets it, and hangs up: nothing is asked.
func (c *Client) Reach(ctx context.Context, addr netip.AddrPort) error {
	ctx, cancel := c.dial.bound(ctx)
	defer cancel()
	conn, err := c.dial.net.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return fault.New(fault.Unreachable, fmt.Errorf("connect to %s: %w", addr, err))
	}
	return conn.Close()
}
