package e2e

import (
	"os"
	"testing"

	"example.org/trawl/internal/rig"
)

func TestMain(m *testing.M) {
	os.Exit(rig.Main(m))
}
