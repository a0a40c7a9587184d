package catalogtest

import (
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"example.org/trawl/catalog"
)

// schedules lists what is due before the given time.
func (w *world) schedules(before time.Time) []catalog.Schedule {
	w.Helper()
	all, err := w.Schedules(w.Context(), before)
	w.must(err)
	for i := range all {
		all[i].Next = all[i].Next.UTC()
	}
	return all
}

// One submission makes one schedule, however often it arrives, and each time that it is due one of many callers has the turn.
func schedules(w *world) {
	ctx := w.Context()
	w.same("schedules", len(w.schedules(w.later())), 0)
	hourly := catalog.Schedule{Key: "hourly", Spec: "@every 1h", Next: w.now.Add(time.Hour), Task: json.RawMessage(`{"crawl": "größe '\"; --"}`)}
	daily := catalog.Schedule{Key: "daily", Spec: "0 3 * * *", Next: w.now.Add(time.Minute), Task: json.RawMessage(`{}`)}
	beside := catalog.Schedule{Key: "beside", Spec: "@every 1h", Next: hourly.Next, Task: json.RawMessage(`[1]`)}
	twice := catalog.Schedule{Key: "hourly", Spec: "@every 2h", Next: w.now, Task: json.RawMessage(`{}`)}
	for _, s := range []catalog.Schedule{hourly, daily, beside, twice} {
		w.must(w.AddSchedule(ctx, s))
	}
	all := w.schedules(w.later())
	if len(all) != 3 {
		w.Fatalf("schedules %+v, want three", all)
	}
	daily.ID, hourly.ID, beside.ID = all[0].ID, all[1].ID, all[2].ID
	w.same("schedules, the next first", all, []catalog.Schedule{daily, hourly, beside})
	w.same("before any is due", len(w.schedules(daily.Next.Add(-time.Millisecond))), 0)
	w.same("when the first is due", w.schedules(daily.Next), []catalog.Schedule{daily})

	due := hourly
	for range 3 {
		w.now = due.Next
		next := w.now.Add(time.Hour)
		var turns atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				mine, err := w.Tick(ctx, due, w.now, next)
				if err != nil {
					w.Error(err)
				}
				if mine {
					turns.Add(1)
				}
			})
		}
		wg.Wait()
		w.same("callers that had the turn", turns.Load(), int32(1))
		due.Next, due.Last = next, new(w.now)
		w.same("schedules", w.schedules(w.later()), []catalog.Schedule{daily, beside, due})
	}

	w.must(w.RemoveSchedule(ctx, due.ID))
	w.is(w.RemoveSchedule(ctx, due.ID), catalog.ErrNotFound)
	if mine, err := w.Tick(ctx, due, w.now, w.later()); mine || err != nil {
		w.Errorf("a schedule that was taken away gave somebody the turn (%v)", err)
	}
	w.same("schedules", w.schedules(w.later()), []catalog.Schedule{daily, beside})
	w.must(w.AddSchedule(ctx, hourly))
	w.same("schedules after it was submitted anew", len(w.schedules(w.later())), 3)
}

// lookAgain plans the next look for the given time.
func lookAgain(at time.Time) func(*catalog.Storing) {
	return func(s *catalog.Storing) {
		last := s.FetchedAt
		s.Plan = func(r catalog.Revisit) catalog.Revisit {
			r.At, r.Last, r.Looks = at, last, r.Looks+1
			return r
		}
	}
}

// planned stores pages of a new host, of which each is to be looked at again when so many minutes have passed.
func (w *world) planned(cr catalog.Crawl, name string, minutes ...int) {
	w.Helper()
	pages := many(name, 1, len(minutes))
	w.admit(cr, pages...)
	w.open()
	at := map[string]time.Time{}
	for i, m := range minutes {
		at[pages[i].URL] = w.now.Add(time.Duration(m) * time.Minute)
	}
	for _, p := range w.handOut() {
		w.store(p, lookAgain(at[p.URL]))
	}
}

func (w *world) revisit(cr catalog.Crawl, perDay int64, most int) int {
	w.Helper()
	n, err := w.Revisit(w.Context(), cr.ID, perDay, most, w.now)
	w.must(err)
	return n
}

// A plan is told what the one before it said, and what it says itself is kept.
func plans(w *world) {
	ctx := w.Context()
	cr, u := w.crawl("a"), "http://a.example/"
	var given catalog.Revisit
	plan := func(next catalog.Revisit) catalog.Plan {
		return func(r catalog.Revisit) catalog.Revisit {
			given, given.At = r, time.Time{} // which of the two a look was for is of no concern
			return next
		}
	}
	shows := func(want catalog.Revisit) {
		w.Helper()
		want.Seen, want.Over, want.Gone = 0, 0, 0
		w.same("shown", w.page("a", u).Revisit, want)
		w.exact()
	}
	p := w.seed(cr, page(u))
	shows(catalog.Revisit{})
	was := catalog.Revisit{At: w.now.Add(time.Hour), Last: w.now, Looks: 1, Seen: 0.1, Over: time.Hour + 1}
	w.store(p, func(s *catalog.Storing) { s.Plan = plan(was) })
	w.same("known before the first visit", given, catalog.Revisit{})
	shows(was)
	// Neither who says the same twice nor who lost its page plans anything.
	w.store(p, lookAgain(w.now))
	_, err := w.Store(ctx, catalog.Storing{Page: p.ID, Visit: "another", Plan: plan(catalog.Revisit{})})
	w.is(err, catalog.ErrFenced)
	shows(was)

	for i, look := range []func(catalog.Promoted, catalog.Plan){
		func(p catalog.Promoted, next catalog.Plan) {
			w.store(p, func(s *catalog.Storing) { s.Unchanged, s.Plan = true, next })
		},
		func(p catalog.Promoted, next catalog.Plan) {
			w.shut(catalog.Closing{Page: p.ID, Visit: p.Visit, State: catalog.Ended, Reason: "gone", Now: w.now, Plan: next})
		},
		func(p catalog.Promoted, next catalog.Plan) {
			w.shut(catalog.Closing{Page: p.ID, Visit: p.Visit, State: catalog.Failed, Reason: "reset", Now: w.now, Plan: next})
		},
		func(p catalog.Promoted, next catalog.Plan) {
			w.store(p, func(s *catalog.Storing) { s.Plan = next })
		},
	} {
		w.pass(time.Hour)
		w.same("due", w.revisit(cr, 0, 10), 1)
		was.At = time.Time{}
		shows(was)
		next := catalog.Revisit{At: w.now.Add(time.Hour), Last: w.now, Looks: i + 2, Changes: i, Seen: was.Seen * 3, Over: was.Over * 3, Gone: i % 3}
		look(w.one(), plan(next))
		w.same("known before another visit", given, was)
		shows(next)
		was = next
	}
	// A visit without a plan leaves alone what is known, and one that says never means it.
	w.admission(catalog.Admission{Crawl: cr.ID, Submitter: "ann", Now: w.now, Again: true, Pages: []catalog.Candidate{page(u)}})
	w.store(w.one())
	shows(was)
	w.pass(time.Hour)
	w.same("due", w.revisit(cr, 0, 10), 1)
	w.store(w.one(), lookAgain(time.Time{}))
	w.now = w.later()
	w.same("due", w.revisit(cr, 0, 10), 0)
	w.exact()
}

// Without a plan, a page is not looked at again.
func noPlan(w *world) {
	cr := w.crawl("a")
	w.admit(cr, many("a", 1, 3)...)
	w.open()
	pages := w.handOut()
	w.store(pages[0])
	w.end(pages[1], "not_found")
	w.fail(pages[2], "reset")
	w.now = w.later()
	w.same("due", w.revisit(cr, 0, 10), 0)
	price, err := w.Price(w.Context(), cr.ID, w.now)
	w.must(err)
	w.same("price", price, catalog.Price{})
	for _, p := range w.all(catalog.Filter{}) {
		w.same(p.URL, p.Revisit, catalog.Revisit{})
	}
	w.exact()
}

// What is due waits, the oldest first and so many at once, of one crawl alone.
func revisits(w *world) {
	cr, other := w.crawl("a"), w.crawl("b")
	w.planned(cr, "a", 3, 1, 5, 2, 4, 6)
	w.planned(other, "b", 1, 2, 3)
	waiting := func(want ...string) {
		w.Helper()
		var got []string
		for _, p := range w.all(catalog.Filter{State: catalog.Waiting}) {
			got = append(got, p.URL)
			if !p.Due.Equal(w.now) {
				w.Errorf("%s is due at %v, want %v", p.URL, p.Due, w.now)
			}
		}
		w.same("waiting", sorted(got), want)
		w.exact()
	}
	w.pass(time.Minute - time.Millisecond)
	w.same("too early", w.revisit(cr, 0, 10), 0)
	w.pass(4*time.Minute + time.Millisecond)
	w.same("none at once", w.revisit(cr, 0, 0), 0)
	w.same("two", w.revisit(cr, 0, 2), 2)
	waiting("http://a0.example/1", "http://a0.example/3")
	w.same("two more", w.revisit(cr, 0, 2), 2)
	waiting("http://a0.example/0", "http://a0.example/1", "http://a0.example/3", "http://a0.example/4")
	w.same("the last that is due", w.revisit(cr, 0, 2), 1)
	w.same("none twice", w.revisit(cr, 0, 10), 0)
	w.same("handed out", len(w.handOut()), 5)
	w.state("a", "http://a0.example/5", catalog.Stored)
	w.exact()
	for i := range 3 {
		w.state("b", many("b", 1, 3)[i].URL, catalog.Stored)
	}
}

// A page that waits already, or is visited already, stays where it is, and costs nothing of a budget.
func revisitsOpen(w *world) {
	cr := w.crawl("a")
	w.planned(cr, "a", 1, 2, 3)
	pages := many("a", 1, 3)
	again := func(p catalog.Candidate) {
		w.admission(catalog.Admission{Crawl: cr.ID, Submitter: "ann", Now: w.now, Again: true, Pages: []catalog.Candidate{p}})
	}
	w.pass(time.Minute)
	again(pages[0])
	queued := w.one()
	again(pages[1])
	since := w.now
	w.pass(time.Hour)
	w.same("made to wait", w.revisit(cr, 24*10, 10), 1)
	w.state("a", queued.URL, catalog.Queued)
	w.same("due", w.page("a", pages[1].URL).Due, since)
	w.state("a", pages[2].URL, catalog.Waiting)
	w.owned(queued.ID, queued.Visit, true)
	price, err := w.Price(w.Context(), cr.ID, w.now)
	w.must(err)
	w.same("price", price, catalog.Price{Looks: 1})
	w.store(queued)
	w.same("made to wait again", w.revisit(cr, 0, 10), 0)
	w.exact()
}

func revisitsAtOnce(w *world) {
	cr := w.crawl("a")
	w.planned(cr, "a", make([]int, 20)...)
	var total atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			n, err := w.Revisit(w.Context(), cr.ID, 0, 3, w.now)
			if err != nil {
				w.Error(err)
			}
			total.Add(int32(n))
		})
	}
	wg.Wait()
	w.same("made to wait", total.Load(), int32(20))
	w.exact()
}

// A budget is kept however often it is asked for, and what it allows for is saved up for an hour at most.
func revisitBudget(w *world) {
	cr, other := w.crawl("a"), w.crawl("b")
	w.planned(cr, "a", make([]int, 100)...)
	w.planned(other, "b", make([]int, 60)...)
	w.same("at first", w.revisit(cr, 24, 10), 1)
	w.same("at once", w.revisit(cr, 24, 10), 0)
	for _, every := range []time.Duration{10 * time.Minute, 12 * time.Minute, 30 * time.Minute, time.Hour} {
		n := 0
		for range 10 * time.Hour / every {
			w.pass(every)
			n += w.revisit(cr, 24, 10)
		}
		if n != 10 {
			w.Errorf("%d looks in ten hours when asked every %v, want one an hour", n, every)
		}
	}
	w.pass(10 * time.Hour)
	w.same("saved up", w.revisit(cr, 24, 10), 1)
	w.same("after it was used up", w.revisit(cr, 24, 10), 0)
	w.exact()

	// A greater one is not used up at once when there is no room, and another crawl's is its own.
	w.same("at first, in another crawl", w.revisit(other, 240, 4), 4)
	w.same("then", w.revisit(other, 240, 4), 4)
	w.same("what is left", w.revisit(other, 240, 4), 2)
	w.same("and no more", w.revisit(other, 240, 4), 0)
	w.pass(30 * time.Minute)
	w.same("after half an hour", w.revisit(other, 240, 100), 5)
	w.pass(10 * time.Hour)
	w.same("saved up, in another crawl", w.revisit(other, 240, 100), 10)
	w.same("without a budget", w.revisit(other, 0, 100), 35)
	// A look every two hours.
	w.pass(2 * time.Hour)
	w.same("of less than one an hour", w.revisit(cr, 12, 10), 1)
	w.pass(time.Hour)
	w.same("too early", w.revisit(cr, 12, 10), 0)
	w.pass(time.Hour)
	w.same("of less than one an hour", w.revisit(cr, 12, 10), 1)
	w.exact()
}

// A price holds until the next is said by somebody who knew it; looks are counted since.
func prices(w *world) {
	ctx := w.Context()
	cr, other := w.crawl("a"), w.crawl("b")
	is := func(want catalog.Price) {
		w.Helper()
		got, err := w.Price(ctx, cr.ID, w.now)
		w.must(err)
		got.Since = got.Since.UTC()
		if want.Since.IsZero() {
			got.Since = want.Since
		}
		w.same("price", got, want)
		now, err := w.Crawl(ctx, "a")
		w.must(err)
		w.same("price as the crawl tells it", now.Price, want.Seconds)
	}
	is(catalog.Price{})
	w.planned(cr, "a", 1, 2, 3, 4, 5)
	w.planned(other, "b", 1, 2, 3)
	is(catalog.Price{})
	w.pass(3 * time.Minute)
	is(catalog.Price{Late: 3})
	w.revisit(cr, 0, 2)
	w.revisit(other, 0, 3)
	is(catalog.Price{Looks: 2, Late: 1})
	first := w.now
	w.must(w.SetPrice(ctx, cr.ID, time.Time{}, 2.5, first))
	is(catalog.Price{Seconds: 2.5, Since: first, Late: 1})
	w.pass(time.Minute)
	w.must(w.SetPrice(ctx, cr.ID, time.Time{}, 9, w.now))
	is(catalog.Price{Seconds: 2.5, Since: first, Late: 2})
	w.revisit(cr, 0, 1)
	is(catalog.Price{Seconds: 2.5, Since: first, Looks: 1, Late: 1})
	w.pass(time.Hour)
	second := w.now
	w.must(w.SetPrice(ctx, cr.ID, first, 0.125, second))
	w.must(w.SetPrice(ctx, cr.ID, first, 9, second))
	is(catalog.Price{Seconds: 0.125, Since: second, Late: 2})
	// Submitted to again, a crawl keeps its price.
	w.crawl("a")
	is(catalog.Price{Seconds: 0.125, Since: second, Late: 2})
	of, err := w.Price(ctx, other.ID, w.now)
	w.must(err)
	w.same("price of another crawl", of, catalog.Price{Looks: 3})
	w.exact()
}
