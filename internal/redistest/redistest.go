// Package redistest gives a test a real redis-server of its own.
package redistest

import (
	"os/exec"
	"testing"

	"github.com/redis/go-redis/v9"

	"example.org/trawl/embedded"
)

// Start starts a redis-server, on a socket in a folder of its own, that ends with the test, and returns its URL.
func Start(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("this test needs a real redis-server: make test installs it (Debian's package redis-server)")
	}
	r, err := embedded.Server(t.Context(), path, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r.URL
}

// Client returns a client of a redis-server started by Start, and its URL.
func Client(t testing.TB) (redis.UniversalClient, string) {
	t.Helper()
	url := Start(t)
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(o)
	t.Cleanup(func() {
		if err := rdb.Close(); err != nil {
			t.Error(err)
		}
	})
	return rdb, url
}
