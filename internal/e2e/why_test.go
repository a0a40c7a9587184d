package e2e

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"example.org/trawl/internal/rig"
)

// TestScenarios has two things go wrong, each in a crawl of its own, with real processes: the diagnosis names what it is and forgets
// it when it is over, and the crawl leaves nothing behind.
func TestScenarios(t *testing.T) {
	rig.Whole(t)
	for _, tt := range []struct{ name, want string }{{"dns-refuses", "dns_down"}, {"stage-paused", "workers_missing"}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			tmp := t.TempDir()
			s := rig.NewSite(t, nil, "TMPDIR="+tmp)
			within := time.Duration(rig.Slack()) * time.Minute
			p := s.Start("trawl", "lab", "run", tt.name, "--seed", "3", "--within", within.String(), "--json")
			rig.WaitFor(t, tt.name, 5*time.Minute, func() bool { return !p.Running() })
			var o struct {
				Scenario, Want string
				Seed           int
				Right          bool
				Named          float64  `json:"named_s"`
				Cleared        float64  `json:"cleared_s"`
				Instead        []string `json:"instead"`
			}
			printed := p.Printed()
			if err := json.Unmarshal([]byte(strings.TrimSpace(printed)), &o); err != nil {
				t.Fatalf("%v: %s", err, printed)
			}
			if status := p.Cmd.ProcessState.ExitCode(); status != 0 || !o.Right || o.Scenario != tt.name || o.Want != tt.want || o.Seed != 3 || o.Named <= 0 || o.Cleared <= 0 {
				t.Errorf("status %d: %s", status, printed)
			}
			if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
				t.Errorf("it left %v behind (%v)", left, err)
			}
		})
	}
}
