package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"
)

// door is one address of the lab. It has a server of its own, so that it can be closed and opened again while the others
// go on. Whoever opens or closes one that is being served holds Web.setting.
type door struct {
	ip       string
	port     int
	hosts    []*host      // that share the address; none at the control address
	listener net.Listener // nil: closed
	server   *http.Server // nil: nobody answers yet
	cancel   context.CancelFunc
}

func (d *door) address() string { return net.JoinHostPort(d.ip, strconv.Itoa(d.port)) }

// open begins to listen; port 0 becomes a free one.
func (d *door) open(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", d.address())
	if err != nil {
		return err
	}
	d.listener, d.port = l, l.Addr().(*net.TCPAddr).Port
	return nil
}

// shut refuses connections from the moment it returns, and cuts those there are. A door that is closed stays so.
func (d *door) shut() error {
	if d.listener == nil {
		return nil
	}
	var err error
	if d.server != nil {
		d.cancel()
		err = d.server.Close()
	}
	// The server closes the listener only when it has got as far as accepting.
	if again := d.listener.Close(); err == nil && !errors.Is(again, net.ErrClosed) {
		err = again
	}
	d.listener, d.server = nil, nil
	return err
}

// serve answers at an open door until it is closed.
func (w *Web) serve(d *door, to http.Handler) {
	ctx, cancel := context.WithCancel(context.Background())
	server := &http.Server{
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          slog.NewLogLogger(w.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if ctx.Err() != nil {
				panic(http.ErrAbortHandler) // the connection was accepted just before the door closed
			}
			to.ServeHTTP(rw, r)
		}),
	}
	d.server, d.cancel = server, cancel
	l := d.listener
	w.running.Go(func() {
		defer cancel()
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			w.log.Error("lab stopped serving", "addr", l.Addr().String(), "err", err)
		}
	})
}

// setDoors closes and opens the hosts' doors so that those for which down is true are closed. It goes on after an error, and
// what could not be done is tried again the next time. The caller holds Web.setting.
func (w *Web) setDoors(down func(*door) bool) error {
	var errs []error
	for _, d := range w.doors {
		switch shut := down(d); {
		case shut:
			errs = append(errs, d.shut())
		case d.listener == nil:
			if err := d.open(context.Background()); err != nil {
				errs = append(errs, fmt.Errorf("open %s again: %w", d.address(), err))
				continue
			}
			w.serve(d, w)
		}
	}
	return errors.Join(errs...)
}

// shutDoors closes all doors for good and returns what went wrong first.
func (w *Web) shutDoors() error {
	w.setting.Lock()
	defer w.setting.Unlock()
	w.ended = true
	first := w.control.shut()
	for _, d := range w.doors {
		if err := d.shut(); first == nil {
			first = err
		}
	}
	return first
}

// address is the i-th address of the hosts.
func address(i int) string {
	const each = 250
	return "127.0." + strconv.Itoa(1+i/each) + "." + strconv.Itoa(1+i%each)
}

// listen opens the same port on n addresses. A port that the system chose for the first may be taken on another, so a few
// choices are tried.
func listen(ctx context.Context, n, port int) ([]*door, int, error) {
	var err error
	for range 10 {
		doors, chosen := make([]*door, 0, n), port
		for i := range n {
			d := &door{ip: address(i), port: chosen}
			if err = d.open(ctx); err != nil {
				break
			}
			doors = append(doors, d)
			chosen = d.port
		}
		if err == nil {
			return doors, chosen, nil
		}
		for _, d := range doors {
			_ = d.shut() // nothing was accepted yet
		}
		if port != 0 {
			break
		}
	}
	return nil, 0, fmt.Errorf("open the lab's addresses: %w", err)
}
