package handlers_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/fault"
	"example.org/trawl/fetch"
	"example.org/trawl/internal/paper"
)

// Ten minutes without a resolver: no page fails, none loses a try, the resolver is hardly asked, and all goes on by itself.
func TestTenMinutesWithoutDNS(t *testing.T) {
	inAge(t, func(a *age) {
		a.dns.Keep(20 * time.Second)
		a.start(polite(append(urls("a.test", 120), urls("b.test", 120)...)...))
		a.until(time.Minute, "begin", func() bool { return a.counts().Stored > 40 })
		a.dns.Cut(true)
		a.until(time.Minute, "outage", func() bool { return len(a.outages()) == 1 })
		time.Sleep(time.Minute) // what was handed out comes back when it is its turn
		before, asked := a.counts(), a.dns.Questions()
		time.Sleep(10 * time.Minute)
		if now := a.counts(); now != before || now.Queued > 0 {
			t.Errorf("during the outage the counts went from %+v to %+v", before, now)
		}
		if n := a.dns.Questions() - asked; n > 601 {
			t.Errorf("the resolver was asked %d times in 600 s", n)
		}
		a.dns.Cut(false)
		a.until(4*time.Minute, "end", a.over)
		a.allStored(240)
	})
}

func TestTenMinutesWithoutUplink(t *testing.T) {
	long(t)
	inAge(t, func(a *age) {
		a.start(polite(append(urls("a.test", 120), urls("b.test", 120)...)...))
		a.until(time.Minute, "begin", func() bool { return a.counts().Stored > 40 })
		a.web.Cut(true)
		a.until(time.Minute, "outage", func() bool { return len(a.outages()) == 1 })
		time.Sleep(10 * time.Minute)
		if now := a.counts(); now.Queued > 0 || now.Failed > 0 {
			t.Errorf("during the outage: %+v", now)
		}
		a.web.Cut(false)
		a.until(4*time.Minute, "end", a.over)
		a.allStored(240)
	})
}

func (a *age) outages() []catalog.Outage {
	all, err := a.catalog.Outages(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	return all
}

// allStored checks that all pages are stored, and that none has met an error of its own.
func (a *age) allStored(n int64) {
	a.t.Helper()
	if c := a.counts(); c.Stored != n || c.Failed != 0 || c.Ended != 0 {
		a.t.Errorf("%+v, want %d stored", c, n)
	}
	err := a.catalog.Pages(a.t.Context(), catalog.Filter{}, func(p catalog.Page) error {
		if p.Visits != 1 || p.Tries != 0 {
			a.t.Errorf("%s: %d visits, %d tries", p.URL, p.Visits, p.Tries)
		}
		return nil
	})
	if err != nil {
		a.t.Error(err)
	}
}

// Retry-After, in both of its forms, is the host's: none of its pages is asked for before, and the others are not held up.
func TestRetryAfterHoldsTheHost(t *testing.T) {
	long(t)
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		for name, value := range map[string]func() string{
			"seconds": func() string { return "300" },
			"date":    func() string { return time.Now().Add(5 * time.Minute).UTC().Format(http.TimeFormat) },
		} {
			t.Run(http.StatusText(status)+" "+name, func(t *testing.T) {
				inAge(t, func(a *age) {
					n := 0
					a.web.Set("a.test", func(fetch.Request) paper.Answer {
						if n++; n == 10 {
							return paper.Answer{Status: status, Header: http.Header{"Retry-After": {value()}}, Took: 50 * time.Millisecond}
						}
						return paper.Answer{Took: 50 * time.Millisecond}
					})
					a.start(polite(append(urls("a.test", 60), urls("b.test", 60)...)...))
					a.until(time.Hour, "end", a.over)
					a.allStored(120)
					at := a.web.Requests("a.test")
					if gap := at[10].Sub(at[9]); gap < 299*time.Second || gap > 340*time.Second {
						t.Errorf("the next request came %s after, want 300 s and up to a tenth", gap)
					}
					if b := a.web.Requests("b.test"); b[59].Sub(b[0]) > 70*time.Second {
						t.Errorf("the other host took %s", b[59].Sub(b[0]))
					}
				})
			})
		}
	}
}

// A bare 429 holds the host for a minute, then two, four and so on, each with a single request; after half an hour without one it
// is forgiven.
func TestBare429Doubles(t *testing.T) {
	long(t)
	inAge(t, func(a *age) {
		angry := true
		a.web.Set("a.test", func(fetch.Request) paper.Answer {
			if angry {
				return paper.Answer{Status: http.StatusTooManyRequests, Took: 50 * time.Millisecond}
			}
			return paper.Answer{Took: 50 * time.Millisecond}
		})
		a.start(polite(urls("a.test", 2500)...))
		a.until(20*time.Minute, "four times", func() bool { return len(a.web.Requests("a.test")) == 4 })
		at := a.web.Requests("a.test")
		for i, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute} {
			if gap := at[i+1].Sub(at[i]); gap < want || gap > want+want/10+2*time.Second {
				t.Errorf("request %d came %s after the one before, want %s and up to a tenth", i+2, gap, want)
			}
		}
		if h := a.host("a.test"); h.Trouble.State != catalog.HostBackoff || h.Trouble.Fault != string(fault.PushedBack) {
			t.Errorf("%+v", h.Trouble)
		}
		angry = false
		a.until(20*time.Minute, "release", func() bool { return a.host("a.test").Trouble.State == catalog.HostOK })
		time.Sleep(31 * time.Minute)
		angry = true
		a.until(time.Minute, "hold", func() bool { return a.host("a.test").Trouble.State == catalog.HostBackoff })
		x := a.host("a.test").Trouble
		if wait := x.Until.Sub(x.Since); wait < time.Minute || wait > 66*time.Second {
			t.Errorf("after half a quiet hour it is held for %s, want a minute again", wait)
		}
		if c := a.counts(); c.Failed != 0 {
			t.Errorf("%+v", c)
		}
	})
}

// A dead host costs a few probes an hour, one request each; its pages keep their tries, and are all stored when it is back.
func TestDeadHostCostsAFewProbes(t *testing.T) {
	long(t)
	inAge(t, func(a *age) {
		dead := false
		a.web.Set("a.test", func(fetch.Request) paper.Answer {
			if dead {
				return paper.Answer{Took: time.Second, Err: fault.New(fault.Refused, http.ErrServerClosed)}
			}
			return paper.Answer{Took: 50 * time.Millisecond}
		})
		a.start(polite(urls("a.test", 200)...))
		a.until(time.Minute, "begin", func() bool { return a.counts().Stored > 20 })
		dead = true
		time.Sleep(time.Hour)
		before := a.web.Touches("a.test")
		time.Sleep(3 * time.Hour)
		if n := a.web.Touches("a.test") - before; n < 3 || n > 15 {
			t.Errorf("%d requests in three hours, want a few an hour", n)
		}
		if h := a.host("a.test"); h.Trouble.State != catalog.HostDead || h.Trouble.Fault != string(fault.Refused) || h.Queued > 0 {
			t.Errorf("%+v", h)
		}
		dead = false
		a.until(30*time.Minute, "end", a.over)
		a.allStored(200)
	})
}

// A host that answers everything with 500 is left alone after a few pages, and those it was not asked for keep their tries.
func TestBreaker(t *testing.T) {
	long(t)
	inAge(t, func(a *age) {
		broken := true
		a.web.Set("a.test", func(fetch.Request) paper.Answer {
			if broken {
				return paper.Answer{Status: http.StatusInternalServerError, Took: 50 * time.Millisecond}
			}
			return paper.Answer{Took: 50 * time.Millisecond}
		})
		a.start(polite(urls("a.test", 100)...))
		time.Sleep(2 * time.Hour)
		if n := len(a.web.Requests("a.test")); n > 30 {
			t.Errorf("%d requests in two hours", n)
		}
		p, err := a.catalog.Page(a.t.Context(), "c", urls("a.test", 100)[0])
		tried, terr := a.catalog.Attempts(a.t.Context(), p.ID)
		if err := errors.Join(err, terr); err != nil || len(tried) == 0 || tried[0].Took.FirstByte != 50*time.Millisecond {
			t.Errorf("%+v, %v: want what the answer took", tried, err)
		}
		broken = false
		a.until(2*time.Hour, "end", a.over)
		if c := a.counts(); c.Stored != 100 {
			t.Errorf("%+v", c)
		}
	})
}

// Patience has an end: then pages fail of what the host's trouble is, without a request each.
func TestPatience(t *testing.T) {
	long(t)
	inAge(t, func(a *age) {
		a.Policy.Patience = 10 * time.Minute
		a.web.Set("a.test", func(fetch.Request) paper.Answer {
			return paper.Answer{Took: time.Second, Err: fault.New(fault.Refused, http.ErrServerClosed)}
		})
		a.start(polite(append(urls("a.test", 3000), urls("b.test", 10)...)...))
		took := a.until(time.Hour, "end", a.over)
		if took < 10*time.Minute || took > 25*time.Minute {
			t.Errorf("it took %s", took)
		}
		if c := a.counts(); c.Failed != 3000 || c.Stored != 10 {
			t.Errorf("%+v", c)
		}
		if n := a.web.Touches("a.test"); n > 15 {
			t.Errorf("%d requests", n)
		}
		f, err := a.catalog.Failures(a.t.Context(), catalog.Choice{})
		if err != nil || len(f) != 1 || f[0].Fault != string(fault.Refused) || f[0].Pages != 3000 || f[0].Hosts != 1 {
			t.Errorf("%+v, %v", f, err)
		}
	})
}

// A changed delay holds within two seconds, whether a host's own or its crawl's, also for the minute that was handed out before:
// the gaps grow at once when it does, and shrink at once when it is taken back.
func TestDelayChanges(t *testing.T) {
	for what, change := range map[string]func(a *age, delay time.Duration){
		"host": func(a *age, delay time.Duration) {
			own := &catalog.HostLimits{Delay: delay, PerHost: 1}
			if delay == time.Second { // as the crawl has it
				own = nil
			}
			if err := a.catalog.SetHost(a.t.Context(), "http://a.test:80", own, time.Now()); err != nil {
				a.t.Fatal(err)
			}
		},
		"crawl": func(a *age, delay time.Duration) {
			task := polite("http://a.test/0")
			task.Settings = fmt.Appendf(nil, `{"delay":%d}`, delay)
			a.submit(task)
		},
	} {
		t.Run(what, func(t *testing.T) {
			inAge(t, func(a *age) {
				a.start(polite(append(urls("a.test", 300), urls("b.test", 300)...)...))
				a.until(time.Minute, "begin", func() bool { return a.counts().Stored > 40 })
				for _, tt := range []struct {
					delay, lasts time.Duration
				}{{5 * time.Second, 6 * time.Minute}, {time.Second, time.Minute}, {2 * time.Second, 20 * time.Second}} {
					change(a, tt.delay)
					from := time.Now().Add(2 * time.Second)
					time.Sleep(2*time.Second + tt.lasts)
					least, n := gaps(a.web.Requests("a.test"), from)
					t.Logf("with a delay of %s, %d requests in %s, at least %s apart", tt.delay, n, tt.lasts, least)
					if want := int(tt.lasts / tt.delay); least < tt.delay || n < want*4/5 {
						t.Errorf("with a delay of %s, %d requests in %s, two of them %s apart", tt.delay, n, tt.lasts, least)
					}
				}
				if least, n := gaps(a.web.Requests("b.test"), a.began); what == "host" && (least < time.Second || n < 255) {
					t.Errorf("the other host was asked %d times, at least %s apart", n, least)
				}
				change(a, 0)
				a.until(2*time.Minute, "end", a.over)
				a.allStored(600)
			})
		})
	}
}

// gaps are the least of those between the moments that are not before the given time, and how many moments those are.
func gaps(at []time.Time, from time.Time) (least time.Duration, n int) {
	least = time.Hour
	for i, t := range at {
		if t.Before(from) {
			continue
		}
		if n++; n > 1 {
			least = min(least, t.Sub(at[i-1]))
		}
	}
	return least, n
}
