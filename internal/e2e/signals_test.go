package e2e

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"example.org/trawl/internal/redistest"
	"example.org/trawl/internal/rig"
	"example.org/trawl/lab"
	"example.org/trawl/signals"
)

// TestProfiles has a worker tell where its profiles are, and serve them to whoever has the login; and the canary on the line says when
// that is cut.
func TestProfiles(t *testing.T) {
	w := rig.Web(t, lab.Config{Seed: 3, Hosts: 3, Pages: 30, Plain: true})
	url := redistest.Start(t)
	s := rig.NewSite(t, w, "REDIS_URL="+url, "TRAWL_PPROF=0", "TRAWL_LOGIN=ann:secret", "TRAWL_CANARY="+w.Seeds()[0])
	s.Start("trawl", "worker")
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(o)
	defer rdb.Close()
	// state is what the worker last said, and its address.
	state := func() (st *signals.State, at string) {
		beats, err := signals.Read(t.Context(), rdb, time.Now().Add(-time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range beats {
			st, at = b.State, b.Process.Profile
		}
		return st, at
	}
	at := ""
	rig.WaitFor(t, "the worker's first words", 20*time.Second, func() bool {
		var st *signals.State
		st, at = state()
		return st != nil && st.Canaries[signals.CanaryUplink].Took > 0 && st.Canaries[signals.CanaryUplink].Err == ""
	})
	_, port, err := net.SplitHostPort(at)
	if err != nil {
		t.Fatal(err)
	}
	for login, want := range map[string]int{"ann:secret": 200, "ann:wrong": 401, "": 401} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+port+"/debug/pprof/goroutine?debug=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		if user, password, ok := strings.Cut(login, ":"); ok {
			r.SetBasicAuth(user, password)
		}
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = a.Body.Close()
		if a.StatusCode != want {
			t.Errorf("login %q: %s, want %d", login, a.Status, want)
		}
	}
	rig.Trouble(t, w, lab.Trouble{Down: []string{"*"}})
	rig.WaitFor(t, "the canary to notice", 30*time.Second, func() bool {
		st, _ := state()
		return st != nil && st.Canaries[signals.CanaryUplink].Err != ""
	})
}

// TestCrawlSaysWhy has the line of a single process cut: it says so once, and once when that is over.
func TestCrawlSaysWhy(t *testing.T) {
	w := rig.Web(t, lab.Config{Seed: 5, Hosts: 4, Pages: 400, Plain: true})
	s := rig.NewSite(t, w, "TRAWL_LOG=info,json")
	p := s.Start(append([]string{"trawl", "crawl", "--depth", "-1", "--delay", "300ms"}, w.Seeds()...)...)
	said := func(what string) func() bool { return func() bool { return strings.Contains(p.Printed(), what) } }
	time.Sleep(2 * signals.Every) // a crawl in order has nothing to say
	if strings.Contains(p.Printed(), `"msg":"why"`) {
		t.Errorf("all is well, and it says %s", p.Printed())
	}
	rig.Trouble(t, w, lab.Trouble{Down: []string{"*"}, DNS: "silent"})
	rig.WaitFor(t, "the line to be missed", 30*time.Second, said(`"msg":"why","verdict":"uplink_down"`))
	rig.Trouble(t, w, lab.Trouble{})
	rig.WaitFor(t, "the line to be back", 60*time.Second, said(`"over":"uplink_down"`))
	if n := strings.Count(p.Printed(), `"verdict":"uplink_down"`); n != 1 {
		t.Errorf("it was said %d times", n)
	}
}
