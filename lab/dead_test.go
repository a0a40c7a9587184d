package lab

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// TestDeadURLs asks for names that nobody has.
func TestDeadURLs(t *testing.T) {
	c := Config{Seed: 7, Hosts: 40, Pages: 40, Domains: 20}
	w := start(t, c)
	c.Seed++
	other := start(t, c)
	list := w.DeadURLs(300)
	if !slices.Equal(list[:20], w.DeadURLs(20)) || slices.Equal(list, other.DeadURLs(300)) || len(w.DeadURLs(-1)) != 0 {
		t.Error("the list is not one of the seed")
	}
	domains := make(map[string]bool)
	for _, raw := range list {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		domains[u.Hostname()] = true
		if strings.Count(u.Hostname(), ".") != 1 || w.host(u.Hostname()) != nil || u.Path == "" {
			t.Errorf("%s", raw)
		}
	}
	if len(domains) != 300 {
		t.Errorf("%d names", len(domains))
	}
	u, err := url.Parse(list[0])
	if err != nil {
		t.Fatal(err)
	}
	if got, err := dns.ExchangeContext(t.Context(), new(dns.Msg).SetQuestion(u.Hostname()+".", dns.TypeA), w.DNS()); err != nil || got.Rcode != dns.RcodeNameError {
		t.Errorf("the name server says of %s: %v, %v", u.Hostname(), got, err)
	}
	if got := string(ask(t, plainClient(t), "GET", w.Control()+"/_dead?n=300").body); got != strings.Join(list, "\n")+"\n" {
		t.Errorf("over HTTP: %.100s", got)
	}
	for _, n := range []string{"0", "-1", "many", "1000001"} {
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, w.Seeds()[0]+"_dead?n="+n, nil))
		if rec.Code != 400 {
			t.Errorf("n=%s: %d", n, rec.Code)
		}
	}
}
