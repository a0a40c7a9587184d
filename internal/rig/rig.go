// Package rig runs Trawl's own programs as their users do: a simulated web, a site of one crawl with its environment, processes that are
// started, killed and asked, and the checks that truth, catalog and archive agree.
package rig

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// bin is where the programs are built, once for all tests of a package.
var bin string

// Main builds the programs and runs the tests; it returns the status with which to exit.
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "trawl-rig-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	cmd := exec.Command("go", "build", "-o", dir, "example.org/trawl/cmd/trawl", "example.org/trawl/cmd/enqueue")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}
