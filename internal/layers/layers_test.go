// Package layers holds the import order: who may know whom.
package layers

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "example.org/trawl/"

// rules say of each package which of ours it may import; a package without a line is not allowed to be. Tests may import what
// they like. It reads the files: a test that asked `go list` would be answered from the test cache.
var rules = map[string][]string{
	// What everybody knows, and what knows nobody.
	"fault":  {},
	"weburl": {},
	"words":  {},
	"tasks":  {},
	"config": {},

	// The domain: each for itself.
	"archive":  {"fault", "weburl"},
	"dnscache": {"fault", "weburl"},
	"extract":  {"fault", "weburl"},
	"fetch":    {"fault", "weburl"},
	"frontier": {"fault", "weburl"},
	"revisit":  {},
	"robots":   {"fault", "weburl"},
	"simhash":  {"words"},
	"sitemap":  {"fault", "weburl"},
	"lab":      {"fault", "weburl"},
	"catalog":  {"fault"},

	"catalog/sqlite":   {"catalog", "fault", "simhash", "weburl", "words"},
	"catalog/postgres": {"catalog", "fault", "simhash", "weburl", "words"},

	// The stages, which know no queue, no runner and nothing that watches them.
	"handlers": {"archive", "catalog", "dnscache", "extract", "fault", "fetch", "frontier", "pipeline", "revisit", "robots", "simhash", "sitemap", "tasks", "weburl"},

	// What runs them, and what watches them.
	"events":    {"fault", "tasks", "weburl"},
	"signals":   {"events", "fault", "tasks", "weburl"},
	"why":       {"fault", "signals", "tasks"},
	"metrics":   {"fault", "signals", "tasks", "why"},
	"observe":   {"catalog", "signals", "status", "tasks", "why"},
	"pipeline":  {"events", "fault", "tasks", "weburl"},
	"embedded":  {},
	"inline":    {"fault", "pipeline", "tasks"},
	"queue":     {"fault", "frontier", "pipeline", "tasks"},
	"scheduler": {"fault", "queue", "tasks"},
	"status":    {"catalog", "fault", "signals", "tasks", "weburl"},
	"control":   {"catalog", "fault", "status", "tasks"},
	"explain":   {"catalog", "frontier", "robots", "status", "tasks", "weburl"},
	"submit":    {"catalog", "fault", "queue", "tasks", "weburl"},
	"scenario":  {"catalog", "catalog/sqlite", "embedded", "lab", "observe", "queue", "signals", "status", "tasks", "why"},
	"dashboard": {"catalog", "control", "events", "explain", "fault", "signals", "status", "submit", "tasks", "weburl", "why"},

	// Where the parts meet.
	"cmd/trawl":   {"*"},
	"cmd/enqueue": {"config", "submit"}, // needs Redis and nothing else
}

// asynqUsers are the packages that may import asynq: a stage never enqueues, and does not know how it is run.
var asynqUsers = []string{"queue", "scheduler", "dashboard", "status", "submit", "scenario", "cmd/trawl", "cmd/enqueue"}

func TestImportOrder(t *testing.T) {
	const root = "../.."
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		pkg := path.Dir(filepath.ToSlash(rel))
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		seen[pkg] = true
		for _, i := range f.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			if why := forbidden(pkg, imported); why != "" {
				t.Errorf("%s imports %s: %s", rel, imported, why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range seen {
		if _, ok := rules[pkg]; !ok && !free(pkg) {
			t.Errorf("%s has no line in the table: where does it stand?", pkg)
		}
	}
	if !seen["handlers"] || !seen["cmd/trawl"] {
		t.Fatalf("only %d packages were found", len(seen))
	}
}

// free tells which packages have no rules: test helpers and measurements.
func free(pkg string) bool {
	return pkg == "internal" || strings.HasPrefix(pkg, "internal/") || strings.HasPrefix(pkg, "bench") || strings.HasPrefix(pkg, "scripts")
}

// forbidden is why pkg may not import what it does, or "".
func forbidden(pkg, imported string) string {
	if imported == "github.com/hibiken/asynq" && !free(pkg) && !slices.Contains(asynqUsers, pkg) {
		return "only " + strings.Join(asynqUsers, ", ") + " know asynq"
	}
	ours, ok := strings.CutPrefix(imported, module)
	if !ok || free(pkg) {
		return ""
	}
	if strings.HasPrefix(ours, "internal/") {
		return "internal/ is for tests"
	}
	if allowed := rules[pkg]; !slices.Contains(allowed, ours) && !slices.Contains(allowed, "*") {
		return "it may import " + strings.Join(allowed, ", ") + " of ours"
	}
	return ""
}

// The rules themselves: no circle, and the words that people rely on.
func TestRules(t *testing.T) {
	for _, c := range []struct {
		pkg, imported string
		ok            bool
	}{
		{"fault", module + "tasks", false},
		{"archive", module + "fetch", false},
		{"archive", module + "fault", true},
		{"handlers", module + "events", false},
		{"handlers", module + "queue", false},
		{"handlers", module + "catalog/sqlite", false},
		{"handlers", "github.com/hibiken/asynq", false},
		{"inline", "github.com/hibiken/asynq", false},
		{"queue", "github.com/hibiken/asynq", true},
		{"queue", module + "internal/redistest", false},
		{"cmd/trawl", module + "handlers", true},
		{"cmd/enqueue", module + "catalog/sqlite", false},
	} {
		if got := forbidden(c.pkg, c.imported) == ""; got != c.ok {
			t.Errorf("%s may import %s: %v, want %v", c.pkg, c.imported, got, c.ok)
		}
	}
	for pkg, allowed := range rules {
		for _, a := range allowed {
			if slices.Contains(rules[a], pkg) {
				t.Errorf("%s and %s may import each other", pkg, a)
			}
		}
	}
}
