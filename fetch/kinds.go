package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"golang.org/x/net/http2"

	"example.org/trawl/fault"
)

// The reasons with which an exchange is cancelled by its own clocks.
var (
	errFirstByte = &fault.Error{Kind: fault.FirstByte, Err: errors.New("no answer in time")}
	errIdle      = &fault.Error{Kind: fault.Stalled, Err: errors.New("no byte of the body in time")}
	errTotal     = &fault.Error{Kind: fault.Stalled, Err: errors.New("the exchange took too long")}
	errClosed    = errors.New("body closed")
)

// lostText is what net/http says when a peer does not answer HTTP/2's pings. It has neither a type nor an exported value, and is
// the only text this package reads.
const lostText = "http2: client connection lost"

// errorKind names what went wrong once there was a connection; timeout is the kind of a timeout in this part of the exchange.
// What has no type of its own in net/http is a complaint of its parser: about the peer's words, or, when the peer has hung up
// (ended), about their being cut short.
func errorKind(err error, timeout fault.Kind, ended bool) fault.Kind {
	var netErr net.Error
	var stream http2.StreamError
	var alert tls.AlertError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		return fault.Reset
	case errors.As(err, &alert), errors.As(err, &record):
		return fault.TLS
	case errors.As(err, &stream):
		return streamKind(stream)
	case errors.Is(err, syscall.ETIMEDOUT), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return fault.Unreachable
	case errors.As(err, &netErr) && netErr.Timeout():
		return timeout
	case ended, lost(err):
		return fault.Reset
	}
	return fault.Protocol
}

// streamKind tells a stream that the peer gave up from one that net/http gave up because of what it was sent.
func streamKind(e http2.StreamError) fault.Kind {
	switch e.Code {
	case http2.ErrCodeProtocol, http2.ErrCodeFlowControl, http2.ErrCodeFrameSize, http2.ErrCodeCompression:
		return fault.Protocol
	}
	return fault.Reset
}

func lost(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if err.Error() == lostText {
			return true
		}
	}
	return false
}

// explain gives err its kind, looking first at why the exchange was cancelled, if it was: what net/http says after that is
// only the echo.
func explain(ctx context.Context, what string, err error, timeout fault.Kind, wire *conn) error {
	if ctx.Err() != nil {
		cause := context.Cause(ctx)
		switch ours := (*fault.Error)(nil); {
		case errors.As(cause, &ours), errors.Is(cause, ctx.Err()):
			err = cause
		default: // the caller's own reason, which must not be taken for the host's doing
			err = fmt.Errorf("%w: %w", ctx.Err(), cause)
		}
	}
	err = fmt.Errorf("%s: %w", what, err)
	switch {
	case errors.Is(err, ErrPrivate), errors.Is(err, context.Canceled):
		return err // no kind: refused by us, or stopped by the caller
	case errors.Is(err, context.DeadlineExceeded):
		return fault.New(fault.Stalled, err)
	}
	return fault.New(errorKind(err, timeout, wire != nil && wire.ended.Load()), err)
}
