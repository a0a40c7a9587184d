// Package scenario has things go wrong on purpose, in a real crawl of the simulated web, and finds out whether the diagnosis says
// what it is, in time, and no longer than it lasts. The processes are real ones, and so are Redis, database, disk and clock.
package scenario

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"example.org/trawl/lab"
	"example.org/trawl/why"
)

// Scenario is one thing that goes wrong.
type Scenario struct {
	Name  string      `json:"name"`
	About string      `json:"about"`          // one line
	Want  why.Verdict `json:"want"`           // what the diagnosis has to say; Healthy: nothing alarming
	Who   string      `json:"who,omitempty"`  // who is to be named; empty: nobody in particular
	Need  string      `json:"need,omitempty"` // beside a redis-server, which all need

	usual   bool                                        // what is usual has to be known before, which takes minutes
	alone   bool                                        // with one worker instead of two
	web     func(*lab.Config)                           // how the web is another
	place   func(*stand) error                          // before any process is started
	prepare func(context.Context, *stand) error         // long before
	begin   func(context.Context, *stand) error         //
	during  func(context.Context, *stand) error         // from then on, until ctx is done
	end     func(context.Context, *stand) error         //
	check   func() error                                // whether what it needs is there
	ready   func(context.Context, *stand) (bool, error) // whether it can begin
}

// List returns all scenarios.
func List() []Scenario { return slices.Clone(table) }

// Find returns the scenario of that name. The error names those that are like it.
func Find(name string) (Scenario, error) {
	for _, s := range table {
		if s.Name == name {
			return s, nil
		}
	}
	hint := ""
	if like := near(name); len(like) > 0 {
		hint = ": did you mean " + strings.Join(like, " or ") + "?"
	}
	return Scenario{}, fmt.Errorf("there is no scenario %q%s (trawl lab scenarios lists them)", name, hint)
}

// near lists up to three names that share the most pairs of letters with name, and at least a third of its own.
func near(name string) (out []string) {
	shared := map[string]int{}
	for _, s := range table {
		for i := range max(len(name)-1, 0) {
			if strings.Contains(s.Name, name[i:i+2]) {
				shared[s.Name]++
			}
		}
		if n := shared[s.Name]; n > 0 && 3*n >= len(name)-1 {
			out = append(out, s.Name)
		}
	}
	slices.SortStableFunc(out, func(a, b string) int { return cmp.Compare(shared[b], shared[a]) })
	return out[:min(len(out), 3)]
}

// Check tells whether there is what the scenario needs, and what to do where there is not.
func (s Scenario) Check() error {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return fmt.Errorf("%s needs a redis-server, which is not installed: install it, as in apt-get install redis-server", s.Name)
	}
	if s.check != nil {
		if err := s.check(); err != nil {
			return fmt.Errorf("%s needs %s: %w", s.Name, s.Need, err)
		}
	}
	return nil
}

// needRoot is the check of a scenario that mounts a disk.
func needRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("run it as root, as in sudo trawl lab run")
	}
	return nil
}
