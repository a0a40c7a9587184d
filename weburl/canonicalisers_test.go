package weburl

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

type recorded struct{ suite, in, want string }

// recordedCases collects what other canonicalisers return, where they were called with one URL and their defaults.
func recordedCases(t *testing.T) []recorded {
	var all []recorded
	var w3lib []struct {
		Args   []any
		Kwargs map[string]any
		Result string
	}
	readJSON(t, "w3lib_canonicalize_url.json", &w3lib)
	for _, c := range w3lib {
		if in, ok := c.Args[0].(string); ok && len(c.Kwargs) == 0 {
			all = append(all, recorded{"w3lib", in, c.Result})
		}
	}
	var purell []struct {
		Src, Result string
	}
	readJSON(t, "purell_cases.json", &purell)
	for _, c := range purell {
		all = append(all, recorded{"purell", c.Src, c.Result})
	}
	var urlcanon map[string]json.RawMessage
	readJSON(t, "urlcanon_surt.json", &urlcanon)
	for _, name := range []string{"google", "Canonicalizer.IA", "Canonicalizer.DefaultIA"} {
		var calls map[string]string
		if err := json.Unmarshal(urlcanon[name], &calls); err != nil {
			t.Fatal(err)
		}
		for in, want := range calls {
			all = append(all, recorded{"urlcanon", in, want})
		}
	}
	f, err := os.Open("testdata/cc_weird_to_normalized.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comment, r.TrimLeadingSpace, r.FieldsPerRecord = '#', true, 2
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		all = append(all, recorded{"crawler-commons", row[0], strings.TrimSpace(row[1])})
	}
	return all
}

type recordedID struct{ suite, in string }

// The canonicalisers disagree among themselves. Where they agree with our documented rules they are tests; the rest is listed by
// reason in differences.
func TestCanonicalAgainstOtherCanonicalisers(t *testing.T) {
	reasons := make(map[recordedID]string)
	for reason, ids := range differences {
		for _, id := range ids {
			reasons[id] = reason
		}
	}
	same, cases := 0, recordedCases(t)
	seen := make(map[recordedID]bool)
	for _, c := range cases {
		id := recordedID{c.suite, c.in}
		got, err := Canonical(c.in)
		if got == c.want {
			same++
			continue
		}
		seen[id] = true
		if reasons[id] == "" {
			t.Errorf("%s: Canonical(%q) = %q, %v; want %q", c.suite, c.in, got, err, c.want)
		}
	}
	for id, reason := range reasons {
		if !seen[id] {
			t.Errorf("listed as a difference (%s) but none: %q", reason, id)
		}
	}
	t.Logf("%d of %d as the others have it, %d differ on purpose", same, len(cases), len(cases)-same)
}
