package scenario_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"example.org/trawl/scenario"
	"example.org/trawl/signals"
	"example.org/trawl/why"
)

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// TestList holds the list against the verdicts that there are: every one of which somebody is to be told has a scenario.
func TestList(t *testing.T) {
	known := map[why.Verdict]bool{why.Healthy: true, why.Unknown: true}
	now := signals.Tick{Beat: signals.Beat{At: began, State: &signals.State{At: began}}}
	for _, x := range why.Judge(signals.Window{Now: began, Ticks: []signals.Tick{now}}).RuledOut {
		known[x.Verdict] = true
	}
	if len(known) < 18 {
		t.Fatalf("only %d verdicts are known: %v", len(known), known)
	}
	kebab := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	seen, wanted := map[string]bool{}, map[why.Verdict]bool{}
	for _, s := range scenario.List() {
		if !kebab.MatchString(s.Name) || seen[s.Name] || s.Name == "all" {
			t.Errorf("%q: want a name of its own, in small letters and dashes", s.Name)
		}
		if s.About == "" || strings.Contains(s.About, "\n") {
			t.Errorf("%s: %q: want one line", s.Name, s.About)
		}
		if !known[s.Want] {
			t.Errorf("%s wants %q, which no rule says", s.Name, s.Want)
		}
		seen[s.Name], wanted[s.Want] = true, true
	}
	for v := range known {
		if !wanted[v] {
			t.Errorf("no scenario for %s", v)
		}
	}
}

func TestFind(t *testing.T) {
	if s, err := scenario.Find("dns-refuses"); err != nil || s.Want != why.DNSDown {
		t.Errorf("%+v, %v", s, err)
	}
	for asked, like := range map[string]string{"dns-refused": "dns-refuses", "dns": "dns-silent", "pushbak": "pushback", "helthy": "healthy", "disk_full": "disk-full"} {
		if _, err := scenario.Find(asked); err == nil || !strings.Contains(err.Error(), like) {
			t.Errorf("%s: %v, want %s named", asked, err, like)
		}
	}
	if _, err := scenario.Find("xyz"); err == nil || strings.Contains(err.Error(), "did you mean") {
		t.Errorf("xyz: %v, and nothing is like that", err)
	}
}

func TestTable(t *testing.T) {
	text := scenario.Table([]scenario.Outcome{
		{Scenario: "healthy", Want: why.Healthy, Right: true},
		{Scenario: "burst", Want: why.Burst, Named: 12.4, Cleared: -1, Instead: []why.Verdict{why.Abuse, why.Poison}},
	})
	for _, line := range []string{"| healthy | healthy | yes | – | – | – |", "| burst | burst | no | 12 s | never | abuse, poison |"} {
		if !slices.Contains(strings.Split(text, "\n"), line) {
			t.Errorf("%s\nhas no line %s", text, line)
		}
	}
}
