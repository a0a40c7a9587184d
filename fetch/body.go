package fetch

import (
	"context"
	"errors"
	"io"
	"time"

	"example.org/trawl/fault"
)

// ErrTooLarge ends a body that is longer than its bound: everything up to the bound has been delivered.
var ErrTooLarge = errors.New("too large")

// body is the payload as it comes from the wire, under its clocks. It is read by one goroutine.
type body struct {
	rc     io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	total  *time.Timer
	idle   *time.Timer // runs only while a Read waits for the peer: a slow reader is no fault of the host's
	wait   time.Duration
	left   int64
	what   string
	wire   *conn
	err    error // the end, once there is one
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if b.left == 0 {
		return 0, b.probe()
	}
	n, err := b.read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	b.err = err
	return n, err
}

// probe tells a body that ends exactly at its bound from one that goes on.
func (b *body) probe() error {
	var one [1]byte
	for b.err == nil {
		n, err := b.read(one[:])
		if n > 0 {
			err = ErrTooLarge
		}
		b.err = err
	}
	return b.err
}

func (b *body) read(p []byte) (int, error) {
	b.idle.Reset(b.wait)
	n, err := b.rc.Read(p)
	b.idle.Stop()
	if err == nil || err == io.EOF { //nolint:errorlint // io.EOF is the end only when it is bare
		return n, err
	}
	return n, explain(b.ctx, b.what, err, fault.Stalled, b.wire)
}

// Close ends the exchange. The connection is kept for the next request only when the body was read to its end.
func (b *body) Close() error {
	b.total.Stop()
	b.idle.Stop()
	err := b.rc.Close()
	b.cancel(errClosed)
	if b.err == nil {
		b.err = errClosed
	}
	return err
}
