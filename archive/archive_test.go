package archive_test

import (
	"testing"

	"go.uber.org/goleak"

	"example.org/trawl/archive"
	"example.org/trawl/internal/archivetest"
)

func TestMain(m *testing.M) {
	if child() {
		return
	}
	goleak.VerifyTestMain(m)
}

func TestConformance(t *testing.T) {
	archivetest.Run(t, func(t *testing.T) archivetest.Archive { return open(t, t.TempDir(), archive.Options{}) })
}

func open(t testing.TB, dir string, o archive.Options) *archive.Store {
	t.Helper()
	s, err := archive.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
