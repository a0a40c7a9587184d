package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/control"
	"example.org/trawl/status"
	"example.org/trawl/submit"
)

// choice is the flags by which pages are chosen.
type choice struct {
	catalog.Choice
	json bool
}

func (o *choice) flags(cmd *cobra.Command, faults bool) {
	f := cmd.Flags()
	f.StringVar(&o.Crawl, "crawl", "", "of this crawl")
	f.StringVar(&o.Host, "host", "", "of this host (example.org, https://example.org:8443)")
	f.StringVar(&o.Submitter, "submitter", "", "of this submitter")
	if faults {
		f.StringVar(&o.Fault, "fault", "", "that failed of this kind, as trawl failures names it")
	}
	f.BoolVar(&o.json, "json", false, "print JSON")
}

// meant are the choices that the flags may mean.
func (o *choice) meant(ctx context.Context, c *sqlite.Catalog) ([]catalog.Choice, error) {
	if err := control.CheckFault(o.Choice); err != nil {
		return nil, asked(err)
	}
	all, err := control.Meant(ctx, c, o.Choice)
	return all, asked(err)
}

// do has the operator's will done.
func (o *choice) do(ctx context.Context, c *sqlite.Catalog, v control.Verb) ([]control.Effect, error) {
	done, err := control.Do(ctx, c, v, o.Choice, time.Now())
	return done, asked(err)
}

// asked makes an error of package control say what to do, to somebody who chooses by flags.
func asked(err error) error {
	if wrong := new(control.ChoiceError); errors.As(err, &wrong) {
		return inFlags(wrong)
	}
	return known(err)
}

// inFlags says what is wrong with a choice to somebody who chooses by flags.
func inFlags(err error) error {
	if strings.HasPrefix(err.Error(), "fault ") {
		return &submit.UsageError{Err: fmt.Errorf("--%w: trawl failures lists the kinds", err)}
	}
	return &submit.UsageError{Err: fmt.Errorf("%w (--crawl, --host, --submitter, and --fault of retry; trawl pause lists what is paused)", err)}
}

// eachHost calls fn for every host that a user may mean, of those that there are.
func eachHost(ctx context.Context, c *sqlite.Catalog, host string, fn func(name string) error) error {
	found, err := status.NamedHosts(ctx, c, host)
	if errors.Is(err, catalog.ErrNotFound) {
		return noSuch("host", host)
	}
	for _, h := range found {
		err = errors.Join(err, fn(h.Name))
	}
	return err
}

// known makes an error about a name that is not there say what to do.
func known(err error) error {
	if errors.Is(err, catalog.ErrNotFound) {
		return fmt.Errorf("%w: trawl status, trawl hosts and trawl quota list what there is", err)
	}
	if errors.Is(err, control.ErrNotPaused) {
		return fmt.Errorf("%w: trawl pause lists what is", err)
	}
	return err
}
