package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/fault"
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

// each calls fn for the choice, once for every host that its name may mean.
func (o *choice) each(ctx context.Context, c *sqlite.Catalog, fn func(catalog.Choice) error) error {
	if o.Fault != "" && string(fault.Of(fault.Kind(o.Fault)).Kind) != o.Fault {
		return &submit.UsageError{Err: fmt.Errorf("--fault %q: trawl failures lists the kinds", o.Fault)}
	}
	if o.Host == "" {
		return known(fn(o.Choice))
	}
	return eachHost(ctx, c, o.Host, func(name string) error {
		ch := o.Choice
		ch.Host = name
		return known(fn(ch))
	})
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
	return err
}
