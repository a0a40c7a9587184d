// Package control is what an operator does to a crawl under way: pause, resume, cancel and retry. Terminal, API and browser use it
// alike.
package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/fault"
	"example.org/trawl/status"
	"example.org/trawl/tasks"
)

// Verb is what is done.
type Verb string

// What an operator can do.
const (
	Pause  Verb = "pause"  // keep pages from being visited, until Resume
	Resume Verb = "resume" // take a pause back
	Cancel Verb = "cancel" // end pages that are not closed
	Retry  Verb = "retry"  // visit failed pages again
)

// Verbs lists all of them.
func Verbs() []Verb { return []Verb{Pause, Resume, Cancel, Retry} }

// Done is the verb once it is done.
func (v Verb) Done() string {
	return map[Verb]string{Pause: "paused", Resume: "resumed", Cancel: "cancelled", Retry: "retried"}[v]
}

// Catalog is what is asked of the database.
type Catalog interface {
	status.HostCatalog
	Pause(ctx context.Context, what, name string, now time.Time) error
	Resume(ctx context.Context, what, name string, now time.Time) error
	Cancel(ctx context.Context, ch catalog.Choice, reason string, now time.Time) (int64, error)
	Retry(ctx context.Context, ch catalog.Choice, now time.Time) (int64, error)
	// Open is how many chosen pages are not closed.
	Open(ctx context.Context, ch catalog.Choice) (int64, error)
	Failures(ctx context.Context, ch catalog.Choice) ([]catalog.Failures, error)
	FailedPages(ctx context.Context, ch catalog.Choice, before int64, limit int) ([]catalog.FailedPage, error)
}

// Effect is what was done. In JSON it is {"paused":"crawl","name":"docs"} or {"cancelled":17}.
type Effect struct {
	Verb  Verb
	What  string // of Pause and Resume: crawl, host or submitter
	Name  string
	Pages int64 // of Cancel and Retry
}

// MarshalJSON implements json.Marshaler.
func (e Effect) MarshalJSON() ([]byte, error) {
	if e.What != "" {
		return json.Marshal(map[string]string{e.Verb.Done(): e.What, "name": e.Name})
	}
	return json.Marshal(map[string]int64{e.Verb.Done(): e.Pages})
}

// ChoiceError is a choice that makes no sense for a verb.
type ChoiceError struct{ Err error }

func (e *ChoiceError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *ChoiceError) Unwrap() error { return e.Err }

// ErrNotPaused says that there is nothing to resume.
var ErrNotPaused = errors.New("not paused")

// Check tells whether a verb can be done to what is chosen; the error is a ChoiceError.
func Check(v Verb, ch catalog.Choice) error {
	named := 0
	for _, name := range []string{ch.Crawl, ch.Host, ch.Submitter} {
		if name != "" {
			named++
		}
	}
	err := CheckFault(ch)
	switch {
	case err != nil:
	case v.Done() == "":
		err = fmt.Errorf("%q: want pause, resume, cancel or retry", v)
	case v != Retry && ch.Fault != "":
		err = fmt.Errorf("%s has no kind of failure", v)
	case v != Retry && named == 0:
		err = fmt.Errorf("say what to %s: a crawl, a host or a submitter", v)
	case v == Retry && named == 0 && ch.Fault == "":
		err = errors.New("say which pages to retry: of a crawl, a host, a submitter or a kind of failure")
	case named > 1 && (v == Pause || v == Resume):
		err = fmt.Errorf("crawl, host and submitter exclude each other: %s one after the other", v)
	}
	if err != nil {
		return &ChoiceError{err}
	}
	return nil
}

// CheckFault tells whether there is such a kind of failure as ch names, if it names one.
func CheckFault(ch catalog.Choice) error {
	if ch.Fault != "" && string(fault.Of(fault.Kind(ch.Fault)).Kind) != ch.Fault {
		return &ChoiceError{fmt.Errorf("fault %q: there is no such kind", status.Printable(ch.Fault))}
	}
	return nil
}

// Meant are the choices that ch may mean: a host without a scheme may be two. The error is a catalog.ErrNotFound when it is none.
func Meant(ctx context.Context, c status.HostCatalog, ch catalog.Choice) (out []catalog.Choice, err error) {
	if ch.Host == "" {
		return []catalog.Choice{ch}, nil
	}
	hosts, err := status.NamedHosts(ctx, c, ch.Host)
	for _, h := range hosts {
		ch.Host = h.Name
		out = append(out, ch)
	}
	return out, err
}

// Do does it, and says what it did: of Pause and Resume for each host that is meant, of Cancel and Retry in all. The error is a
// ChoiceError, a catalog.ErrNotFound for what is not there, or ErrNotPaused.
func Do(ctx context.Context, c Catalog, v Verb, ch catalog.Choice, now time.Time) ([]Effect, error) {
	if err := Check(v, ch); err != nil {
		return nil, err
	}
	all, err := Meant(ctx, c, ch)
	if err != nil {
		return nil, err
	}
	var out []Effect
	total := Effect{Verb: v}
	for i, ch := range all {
		var n int64
		switch v {
		case Pause, Resume:
			e := Effect{Verb: v}
			e.What, e.Name = single(ch)
			do := c.Pause
			if v == Resume {
				do = c.Resume
			}
			err = do(ctx, e.What, e.Name, now)
			if v == Resume && errors.Is(err, catalog.ErrNotFound) {
				if i < len(all)-1 || len(out) > 0 {
					continue // the other host of the name is what was paused
				}
				err = fmt.Errorf("%s %q is %w", e.What, status.Printable(e.Name), ErrNotPaused)
			}
			out = append(out, e)
		case Cancel:
			n, err = c.Cancel(ctx, ch, string(tasks.Cancelled), now)
		case Retry:
			n, err = c.Retry(ctx, ch, now)
		}
		if err != nil {
			return nil, err
		}
		total.Pages += n
	}
	if v == Cancel || v == Retry {
		out = []Effect{total}
	}
	return out, nil
}

// Preview is how many pages it would concern: those that are open, or have failed. Errors are as of Do.
func Preview(ctx context.Context, c Catalog, v Verb, ch catalog.Choice) (pages int64, err error) {
	if err := Check(v, ch); err != nil {
		return 0, err
	}
	all, err := Meant(ctx, c, ch)
	for _, ch := range all {
		if v != Retry {
			n, err := c.Open(ctx, ch)
			if err != nil {
				return 0, err
			}
			pages += n
			continue
		}
		kinds, err := c.Failures(ctx, ch)
		if err != nil {
			return 0, err
		}
		for _, k := range kinds {
			pages += k.Pages
		}
	}
	return pages, err
}

// FailedPages lists the chosen pages that failed, the last that were admitted first: up to limit, of IDs below before, 0 for all.
// Errors are as of Do.
func FailedPages(ctx context.Context, c Catalog, ch catalog.Choice, before int64, limit int) (out []catalog.FailedPage, err error) {
	if err := CheckFault(ch); err != nil {
		return nil, err
	}
	all, err := Meant(ctx, c, ch)
	for _, ch := range all {
		some, err := c.FailedPages(ctx, ch, before, limit)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	slices.SortFunc(out, func(a, b catalog.FailedPage) int { return cmp.Compare(b.ID, a.ID) })
	return out[:min(len(out), limit)], err
}

// single is what a choice of one thing chooses.
func single(ch catalog.Choice) (what, name string) {
	switch {
	case ch.Host != "":
		return "host", ch.Host
	case ch.Submitter != "":
		return "submitter", ch.Submitter
	}
	return "crawl", ch.Crawl
}
