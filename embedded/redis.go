// Package embedded runs a Redis for a Trawl that was given none: a redis-server of its own where one is installed, else
// miniredis, which is part of the program, keeps nothing on disk and is slower. The frontier is in the database, so neither
// loses a page.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// Redis is a Redis that ends with its process.
type Redis struct {
	URL  string
	Kind string // redis-server or miniredis
	stop func() error
}

// Close ends the Redis.
func (r *Redis) Close() error { return r.stop() }

// Start starts a Redis whose data, if it keeps any, is in dir.
func Start(ctx context.Context, dir string, log *slog.Logger) (*Redis, error) {
	path, err := exec.LookPath("redis-server")
	if errors.Is(err, exec.ErrNotFound) {
		log.WarnContext(ctx, "no redis-server is installed: using the built-in miniredis, which is slower and keeps nothing on disk (the pages are safe in the database)")
		return Mini()
	}
	if err != nil {
		return nil, fmt.Errorf("embedded redis: %w", err)
	}
	return Server(ctx, path, dir)
}

// startTime is how long a redis-server may take to answer; it may have a log to read first.
const startTime = 30 * time.Second

// Server starts the redis-server at path with its append-only file in dir, on a socket that only this user can open.
func Server(ctx context.Context, path, dir string) (*Redis, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("embedded redis: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("embedded redis: %w", err)
	}
	// The path of a socket is limited to about 100 octets, so it is not in dir, which may be deep.
	tmp, err := os.MkdirTemp("", "trawl-redis-")
	if err != nil {
		return nil, fmt.Errorf("embedded redis: %w", err)
	}
	socket := filepath.Join(tmp, "s")
	cmd := exec.Command(path, "--port", "0", "--unixsocket", socket, "--unixsocketperm", "700", "--dir", dir,
		"--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction", "--logfile", filepath.Join(dir, "redis.log"), "--daemonize", "no")
	// It must not get the terminal's Ctrl-C, which is for us, nor outlive us.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("embedded redis: %w", err), os.RemoveAll(tmp))
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	r := &Redis{URL: "unix://" + socket, Kind: "redis-server", stop: func() error {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-exited
		}
		return os.RemoveAll(tmp)
	}}
	if err := ready(ctx, socket, exited); err != nil {
		return nil, errors.Join(fmt.Errorf("embedded redis: %w (see %s)", err, filepath.Join(dir, "redis.log")), r.Close())
	}
	return r, nil
}

func ready(ctx context.Context, socket string, exited chan error) error {
	rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, MaxRetries: -1})
	defer rdb.Close()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-exited:
			exited <- err
			return fmt.Errorf("redis-server ended at once: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("redis-server does not answer: %w", ctx.Err())
		case <-tick.C:
			if rdb.Ping(ctx).Err() == nil {
				return nil
			}
		}
	}
}

// Mini starts the built-in one. Its clock stands still by itself, so it is moved.
func Mini() (*Redis, error) {
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		return nil, fmt.Errorf("miniredis: %w", err)
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		const step = 100 * time.Millisecond
		t := time.NewTicker(step)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				m.FastForward(step)
			case <-done:
				return
			}
		}
	}()
	return &Redis{URL: "redis://" + m.Addr(), Kind: "miniredis", stop: func() error {
		close(done)
		<-ended
		m.Close()
		return nil
	}}, nil
}
