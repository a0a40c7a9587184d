package embedded_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"example.org/trawl/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var discard = slog.New(slog.DiscardHandler)

func client(t *testing.T, r *embedded.Redis) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(o)
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

func server(t *testing.T, dir string) *embedded.Redis {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("this test needs a real redis-server (Debian's package redis-server)")
	}
	r, err := embedded.Server(t.Context(), path, dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestServerKeepsItsData(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", 30)) // deeper than the path of a socket may be long
	first := server(t, dir)
	rdb := client(t, first)
	if err := rdb.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	for option, want := range map[string]string{"maxmemory-policy": "noeviction", "port": "0"} {
		if got := rdb.ConfigGet(t.Context(), option).Val()[option]; got != want {
			t.Errorf("%s is %q, want %q", option, got, want)
		}
	}
	socket := strings.TrimPrefix(first.URL, "unix://")
	if i, err := os.Stat(socket); err != nil || i.Mode().Perm()&0o077 != 0 {
		t.Errorf("others can open the socket: %v, %v", i.Mode(), err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(socket)); !os.IsNotExist(err) {
		t.Errorf("the socket's folder is left: %v", err)
	}
	second := server(t, dir)
	defer second.Close()
	if v, err := client(t, second).Get(t.Context(), "k").Result(); v != "v" {
		t.Errorf("after a restart k is %q (%v)", v, err)
	}
}

// script is a program that is taken for a redis-server.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "redis-server")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestServerThatEndsAtOnce(t *testing.T) {
	if _, err := embedded.Server(t.Context(), script(t, "exit 3"), t.TempDir()); err == nil || !strings.Contains(err.Error(), "ended at once") || !strings.Contains(err.Error(), "redis.log") {
		t.Errorf("%v: want what happened, and where more is told", err)
	}
}

// A server that never answers must not go on when nobody knows of it any more.
func TestServerThatDoesNotAnswerIsEnded(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	path := script(t, fmt.Sprintf("echo $$ > %s.new; mv %s.new %s; exec tail -f /dev/null", pidFile, pidFile, pidFile))
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		r, err := embedded.Server(ctx, path, t.TempDir())
		if err == nil {
			_ = r.Close()
		}
		failed <- err
	}()
	var pid int
	tick, deadline := time.NewTicker(5*time.Millisecond), time.After(20*time.Second)
	defer tick.Stop()
	for pid == 0 {
		select {
		case <-tick.C:
			b, _ := os.ReadFile(pidFile)
			pid, _ = strconv.Atoi(strings.TrimSpace(string(b)))
		case <-deadline:
			t.Fatal("the program was not started")
		}
	}
	cancel()
	if err := <-failed; err == nil {
		t.Fatal("it was taken for a Redis")
	}
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("the process is still there: %v", err)
	}
}

func TestWithoutARedisServerThereIsMini(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	r, err := embedded.Start(t.Context(), t.TempDir(), discard)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Kind != "miniredis" {
		t.Fatalf("it is a %s", r.Kind)
	}
	rdb, ctx := client(t, r), t.Context()
	defer rdb.Close() // before the server: it waits for its connections
	if v, err := redis.NewScript(`redis.call('SET', KEYS[1], ARGV[1]); return redis.call('GET', KEYS[1])`).Run(ctx, rdb, []string{"k"}, "lua").Text(); v != "lua" {
		t.Errorf("Lua: %q, %v", v, err)
	}
	id, err := rdb.XAdd(ctx, &redis.XAddArgs{Stream: "s", Values: []any{"f", "1"}}).Result()
	if err != nil {
		t.Fatal(err)
	}
	if err := rdb.XGroupCreate(ctx, "s", "g", "0").Err(); err != nil {
		t.Fatal(err)
	}
	got, err := rdb.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "g", Consumer: "c", Streams: []string{"s", ">"}, Count: 10}).Result()
	if err != nil || len(got) != 1 || got[0].Messages[0].ID != id {
		t.Errorf("streams: %v, %v", got, err)
	}
	// Its clock is moved, so that what is to expire does.
	if err := rdb.Set(ctx, "short", "x", 200*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	tick, deadline := time.NewTicker(10*time.Millisecond), time.After(20*time.Second)
	defer tick.Stop()
	for rdb.Exists(ctx, "short").Val() == 1 {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("its clock stands still")
		}
	}
}
