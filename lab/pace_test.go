package lab

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// arrivals is an answer as it comes: how many bytes there were, and when.
type arrivals struct {
	*httptest.ResponseRecorder
	began, header, last time.Time
	n                   int
	still               time.Duration // the longest time without a byte of the body
	gone                context.CancelFunc
}

func (a *arrivals) WriteHeader(status int) {
	a.header, a.last = time.Now(), time.Now()
	a.ResponseRecorder.WriteHeader(status)
}

func (a *arrivals) Write(b []byte) (int, error) {
	a.still = max(a.still, time.Since(a.last))
	a.last, a.n = time.Now(), a.n+len(b)
	if a.gone != nil {
		a.gone()
	}
	return len(b), nil
}

// took is the time from the request to the last byte.
func (a *arrivals) took() time.Duration { return a.last.Sub(a.began) }

// receive asks without a connection, so that the waits cost no time.
func receive(t *testing.T, w *Web, url string) *arrivals {
	a := &arrivals{ResponseRecorder: httptest.NewRecorder(), began: time.Now()}
	w.ServeHTTP(a, httptest.NewRequestWithContext(t.Context(), http.MethodGet, url, nil))
	return a
}

// near tells whether d is what a rate makes of n bytes, but for what may be made up for and a last piece.
func near(d time.Duration, n int, rate int64) bool {
	want := time.Duration(float64(n) / float64(rate) * float64(time.Second))
	return d > want-catchUp-dripTick && d < want+want/50+dripTick
}

func TestDrip(t *testing.T) {
	w := start(t, Config{Pages: 10, Plain: true})
	synctest.Test(t, func(t *testing.T) {
		set(t, w, Trouble{Drip: map[string]int64{"*": 1000, "h1.lab.test": 7, "h2.lab.test": 0}})
		for i, rate := range []int64{1000, 7, 0} {
			a := receive(t, w, w.Seeds()[i])
			switch {
			case a.Code != 200 || a.n < 2000 || a.header != a.began:
				t.Errorf("h%d: %d, %d bytes, the header after %v", i, a.Code, a.n, a.header.Sub(a.began))
			case rate == 0 && a.took() > 0, rate > 0 && !near(a.took(), a.n, rate):
				t.Errorf("h%d: %d bytes in %v, want %d a second", i, a.n, a.took(), rate)
			case a.still > time.Second:
				t.Errorf("h%d: still for %v", i, a.still)
			}
		}
		if a := receive(t, w, w.Seeds()[0]+"_hosts"); a.took() > 0 || a.n == 0 {
			t.Errorf("the lab's own address: %d bytes in %v", a.n, a.took())
		}
		// Each connection has the rate to itself.
		done := make(chan *arrivals)
		for range 5 {
			go func() { done <- receive(t, w, w.Seeds()[0]) }()
		}
		for range 5 {
			if a := <-done; !near(a.took(), a.n, 1000) {
				t.Errorf("one of five: %d bytes in %v", a.n, a.took())
			}
		}
		set(t, w, Trouble{})
	})
}

// TestLine has hosts send at once, and the line change while they do.
func TestLine(t *testing.T) {
	const size = 100_000
	w := start(t, Config{Hosts: 12, Pages: 12, Plain: true})
	huge := func(line int64) Trouble { return Trouble{Line: line, Huge: map[string]int64{"*": size}} }
	synctest.Test(t, func(t *testing.T) {
		done := make(chan *arrivals)
		ask := func() {
			for _, seed := range w.Seeds()[:10] {
				go func() { done <- receive(t, w, seed) }()
			}
		}
		set(t, w, huge(50_000))
		ask()
		for range 10 {
			a := <-done
			if !near(a.took(), 10*size, 50_000) { // ten share it, and all are done at the same time
				t.Errorf("%d bytes in %v", a.n, a.took())
			}
			if a.n != size || a.still > time.Second || a.header == a.began {
				t.Errorf("%d bytes, still for %v, the header after %v", a.n, a.still, a.header.Sub(a.began))
			}
		}
		if a := receive(t, w, w.Seeds()[0]+"_hosts"); a.took() > 0 {
			t.Errorf("the lab's own address took %v", a.took())
		}
		ask()
		time.Sleep(10 * time.Second) // half of it
		set(t, w, huge(5000))
		time.Sleep(10 * time.Second) // a twentieth
		set(t, w, Trouble{})         // and what is left goes at once
		for range 10 {
			if a := <-done; a.took() != 20*time.Second || a.n != size {
				t.Errorf("%d bytes in %v", a.n, a.took())
			}
		}
		// What is sent by n seconds is what the line lets through.
		set(t, w, huge(1000))
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		a := &arrivals{ResponseRecorder: httptest.NewRecorder(), began: began}
		w.ServeHTTP(a, httptest.NewRequestWithContext(ctx, http.MethodGet, w.Seeds()[0], nil))
		if a.n < 29_000 || a.n > 30_100 {
			t.Errorf("%d bytes in 30 s at 1,000 a second", a.n)
		}
		if since := time.Since(began); since != 30*time.Second {
			t.Errorf("whose asker is gone after 30 s ended after %v", since)
		}
		set(t, w, Trouble{})
	})
}

// TestLineOverLoopback has the same with connections: the line is kept, and no byte is lost.
func TestLineOverLoopback(t *testing.T) {
	const rate = 400_000
	w := start(t, Config{Seed: 7, Hosts: 4, Pages: 40})
	c, truth := client(t, w), w.Truth()
	set(t, w, Trouble{Line: rate, Drip: map[string]int64{"h1.lab.test": 10_000_000}})
	began, bytes := time.Now(), 0
	for _, p := range truth.Pages {
		if p.Digest == "" || bytes > rate/4 {
			continue
		}
		res := ask(t, c, "GET", p.FinalURL)
		if digest(res.body) != p.Digest {
			t.Errorf("%s: %d bytes, want %d", p.URL, len(res.body), p.Size)
		}
		bytes += len(res.body)
	}
	if took := time.Since(began); took < time.Duration(bytes)*time.Second/rate-catchUp {
		t.Errorf("%d bytes in %v are more than %d a second", bytes, took, rate)
	}
	// A host that goes down takes the answers with it that are under way.
	set(t, w, Trouble{Line: 1000})
	res, err := c.Get(w.Seeds()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	set(t, w, Trouble{Line: 1000, Down: []string{"*"}})
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("the answer of a host that is down was whole")
	}
}
