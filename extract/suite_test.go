package extract

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// score runs the cases of a suite: it counts, and holds every failure against the known differences.
type score struct {
	t            *testing.T
	differences  map[string]string // case → why we differ
	passed, seen int
	met          map[string]bool
}

func newScore(t *testing.T, differences map[string]string) *score {
	t.Helper()
	s := &score{t: t, differences: differences, met: map[string]bool{}}
	t.Cleanup(func() {
		t.Logf("%d of %d as the suite has it, %d known differences", s.passed, s.seen, s.seen-s.passed)
		for id := range differences {
			if !s.met[id] {
				t.Errorf("%s is listed as a difference, but was not met", id)
			}
		}
	})
	return s
}

// check records a case; what failed and is not listed is an error, and so is what is listed and passed.
func (s *score) check(id string, ok bool, format string, args ...any) {
	s.t.Helper()
	s.seen++
	why, listed := s.differences[id]
	switch {
	case ok:
		s.passed++
		if listed {
			s.t.Errorf("%s passes now: take it off the list of differences (%s)", id, why)
		}
	case !listed:
		s.t.Errorf(id+": "+format, args...)
	}
	s.met[id] = true
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readJSON(t *testing.T, name string, into any) {
	t.Helper()
	if err := json.Unmarshal(readFile(t, name), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// call is a recorded call of another program's function.
type call struct {
	Test   string
	Args   []argument
	Kwargs map[string]any
	Result any
}

// argument is a string, written as it is, or as octets that are ASCII, or as octets in hexadecimal.
type argument []byte

func (a *argument) UnmarshalJSON(b []byte) error {
	var text *string
	if json.Unmarshal(b, &text) == nil {
		if text != nil {
			*a = []byte(*text)
		}
		return nil
	}
	var octets struct{ B, Hex string }
	if err := json.Unmarshal(b, &octets); err != nil {
		return err
	}
	if octets.Hex == "" {
		*a = []byte(octets.B)
		return nil
	}
	var err error
	*a, err = hex.DecodeString(octets.Hex)
	return err
}
