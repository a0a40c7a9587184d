package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

// quick takes less than a minute. What depends on time only adds to what a page allocates, up to 8 %: the least of three crawls counts.
const (
	quickPages  = 2000
	quickRounds = 3
)

// quick lets trawl crawl and the floors have one turn each, and compares what Trawl allocates for a page with what it is known to. Time
// is printed and fails nothing: allocations do, for they are the same on every machine.
func quick(ctx context.Context, o options) error {
	o.rounds, o.pages, o.hosts = quickRounds, quickPages, 1
	var all []allocations
	trawl := entrant{"trawl crawl", keepsAll, func(ctx context.Context, c *course) error {
		a, err := c.allocations(ctx)
		all = append(all, a)
		return err
	}, true}
	if err := o.turns(ctx, append([]entrant{trawl}, floors()...)); err != nil {
		return err
	}
	got := least(all)
	if o.write {
		return got.write()
	}
	var known allocations
	if err := json.Unmarshal(committed, &known); err != nil {
		return fmt.Errorf("%s: %w", allocationsFile, err)
	}
	says, err := got.against(known)
	fmt.Println("\n" + says)
	return err
}

// allocations are what a page costs the heap.
type allocations struct {
	Go    string  `json:"go"` // with which release: another allocates otherwise
	Count float64 `json:"allocs_per_page"`
	Bytes float64 `json:"alloc_bytes_per_page"`
}

// least is the least of each figure.
func least(all []allocations) allocations {
	l := all[0]
	for _, a := range all {
		l.Count, l.Bytes = min(l.Count, a.Count), min(l.Bytes, a.Bytes)
	}
	return l
}

const allocationsFile = "bench/allocations.json"

//go:embed allocations.json
var committed []byte

// allocations crawls the web, and returns what Trawl says of itself.
func (c *course) allocations(ctx context.Context) (allocations, error) {
	a := allocations{Go: runtime.Version()}
	argv := append([]string{"crawl", "--json", "--delay", "0", "--max-pages", c.most()}, c.web.roots...)
	cmd := exec.CommandContext(ctx, c.trawl("trawl"), argv...)
	cmd.Dir, cmd.Env, cmd.Stderr = c.dir, append(os.Environ(), c.env()...), os.Stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &a)
	}
	p := &process{name: "trawl", cmd: cmd}
	c.used = append(c.used, p.used())
	return a, err
}

// allowedGrowth is by how much allocations may grow.
const allowedGrowth = 0.10

// against compares a with what is known, and says so.
func (a allocations) against(known allocations) (says string, err error) {
	if a.Go != known.Go {
		return fmt.Sprintf("%s is of %s, and this is %s: allocations are not compared; run go run ./bench -write quick", allocationsFile, known.Go, a.Go), nil
	}
	var lines []string
	for _, x := range []struct {
		what      string
		now, then float64
	}{{"allocations", a.Count, known.Count}, {"octets allocated", a.Bytes, known.Bytes}} {
		line := fmt.Sprintf("%s a page: %.0f, and %.0f in %s (%+.1f %%)", x.what, x.now, x.then, allocationsFile, 100*(x.now/x.then-1))
		lines = append(lines, line)
		if x.now > (1+allowedGrowth)*x.then {
			err = errors.Join(err, fmt.Errorf("%s: find out why, or run go run ./bench -write quick if it is meant", line))
		}
		if x.now < (1-allowedGrowth)*x.then {
			lines = append(lines, "that is less: go run ./bench -write quick notes it")
		}
	}
	return strings.Join(lines, "\n"), err
}

// write makes a what is known.
func (a allocations) write() error {
	text, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(allocationsFile, slices.Concat(text, []byte("\n")), 0o644)
}
