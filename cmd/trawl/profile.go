package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"example.org/trawl/dashboard"
)

// serveProfiles serves the profiles of a process without a dashboard on TRAWL_PPROF, if that is set, until stop is called. At is
// where, "" for nowhere.
func (a *app) serveProfiles(ctx context.Context) (at string, stop func(), err error) {
	if a.cfg.Profiles == "" {
		return "", func() {}, nil
	}
	port, err := strconv.Atoi(a.cfg.Profiles)
	if err != nil {
		return "", nil, fmt.Errorf("TRAWL_PPROF: %w", err)
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", dashboard.Address(a.login(), port))
	if err != nil {
		return "", nil, fmt.Errorf("profiles on TRAWL_PPROF: %w: 0 takes any port that is free", err)
	}
	srv := &http.Server{Handler: dashboard.Profiles(a.login()), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ln) // until it is closed
	}()
	at = ln.Addr().String()
	if tcp := ln.Addr().(*net.TCPAddr); tcp.IP.IsUnspecified() { // as others reach it
		host, _ := os.Hostname()
		at = net.JoinHostPort(host, strconv.Itoa(tcp.Port))
	}
	a.log.InfoContext(ctx, "profiles", "url", "http://"+at+"/debug/pprof/")
	return at, func() { _ = srv.Close(); <-done }, nil
}
