package main

import (
	"strings"
	"testing"
)

func TestAllocationsAreCompared(t *testing.T) {
	known := allocations{Go: "go1", Count: 1000, Bytes: 100_000}
	for name, c := range map[string]struct {
		now         allocations
		fails, says string
	}{
		"the same":                     {known, "", "allocations a page: 1000"},
		"up to a tenth more":           {allocations{"go1", 1099, 109_900}, "", "(+9.9 %)"},
		"more allocations":             {allocations{"go1", 1101, 100_000}, "allocations a page: 1101", "(+10.1 %)"},
		"more octets":                  {allocations{"go1", 1000, 111_000}, "octets allocated a page: 111000", "(+11.0 %)"},
		"less":                         {allocations{"go1", 800, 100_000}, "", "that is less"},
		"another release of Go":        {allocations{"go2", 9000, 900_000}, "", "are not compared"},
		"more of one, less of another": {allocations{"go1", 800, 120_000}, "octets", "that is less"},
	} {
		says, err := c.now.against(known)
		if !strings.Contains(says, c.says) {
			t.Errorf("%s: says %q, want %q", name, says, c.says)
		}
		if got := err != nil; got != (c.fails != "") || got && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s: fails with %v, want %q", name, err, c.fails)
		}
	}
}
