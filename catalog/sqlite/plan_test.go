package sqlite

import (
	"database/sql"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// scan is a step that reads a table row by row, maybe by way of an index.
var scan = regexp.MustCompile(`^SCAN (\w+)`)

// byIndex finds the table of the index that a step goes by: they are named after it.
var byIndex = regexp.MustCompile(`INDEX (pages|failures|lanes|hosts|counts)_`)

// named finds what a statement calls its tables.
var named = regexp.MustCompile(`(?:FROM|JOIN|UPDATE|INTO)\s+(\w+)(?:\s+(?:AS\s+)?(\w+))?`)

// scanned is the table that a step of a statement reads row by row, of those that can be called so the largest; "" for none.
func scanned(q, step string) string {
	m := scan.FindStringSubmatch(step)
	if m == nil {
		return ""
	}
	switch i := byIndex.FindStringSubmatch(step); {
	case strings.Contains(step, "INDEX pages_failed"): // it has those alone that failed
		return "failures"
	case i != nil:
		return i[1]
	}
	tables := map[string]bool{}
	for _, n := range named.FindAllStringSubmatch(q, -1) {
		if n[1] == m[1] || n[2] == m[1] {
			tables[n[1]] = true
		}
	}
	for _, t := range []string{"pages", "contents", "failures", "attempts", "lanes", "hosts", "counts"} {
		if tables[t] {
			return t
		}
	}
	return ""
}

// slow are the statements that cost what hosts or lanes there are, and say so, and those that cost what failures there are. Nobody
// waits for them, or an operator does.
func slow() []string {
	return []string{
		`FROM hosts WHERE waiting>0`,                           // the backlog
		`sum(waiting), 0) FROM lanes WHERE waiting>0 AND due>`, // as well
		`SELECT w.name, max(CASE WHEN h.state>0`,               // how long each crawl's slowest host takes
		`FROM lanes p WHERE p.waiting>0`,                       // cancel
		`FROM submitters s JOIN counts n ON n.dim=2`,           // the backlog: what submitters there are, in each crawl
		`FROM failures f CROSS JOIN pages p`,                   // retry
		`FROM pages p INDEXED BY pages_failed`,                 // the list of failures
	}
}

// No statement may cost what all pages cost: a crawl has a hundred million of them. The plans are made with values bound that no
// partial index can be inferred from, as in use.
func TestNoStatementScansPages(t *testing.T) {
	all := statements(t)
	plan := planner(t)
	if len(all) < 100 {
		t.Fatalf("%d statements were found in the source, want all of them: %q", len(all), all)
	}
	for _, q := range all {
		for _, step := range plan(q) {
			table := scanned(q, step)
			may := slices.ContainsFunc(slow(), func(like string) bool { return strings.Contains(q, like) })
			if table == "" || may && (table != "pages" && table != "contents") {
				continue
			}
			t.Errorf("%s\nreads all %s: %s", q, table, step)
		}
	}
}

// The statements that run all the time find what they look for in its order, by an index of their own.
func TestStatementsUseTheirIndex(t *testing.T) {
	all := statements(t)
	plan := planner(t)
	for _, tt := range []struct {
		what, like, index string
		sorted            bool // by the index alone
	}{
		{"pages to hand out", `UPDATE pages SET state=1, visit=`, "pages_ready", true},
		{"submitters whose turn it is", `WITH RECURSIVE s(id)`, "lanes_due", true},
		{"lanes that are due", `SELECT id, host_id, crawl_id FROM lanes`, "lanes_due", true},
		{"lanes that share a host", `SELECT max(1, count(*)) FROM lanes`, "lanes_key", true},
		{"when a lane's next page is due", `UPDATE lanes SET due=coalesce((SELECT min(due)`, "pages_ready", true},
		{"lanes of a host", `UPDATE lanes SET at=max(due, CASE WHEN priority`, "lanes_key", true},
		{"lanes of a crawl", `UPDATE lanes SET at=max(due, ?) WHERE crawl_id=(SELECT`, "lanes_crawl", true},
		{"lanes of a crawl whose limits changed", `UPDATE lanes SET at=max(due, ?) WHERE crawl_id=? AND at`, "lanes_crawl", true},
		{"lanes of a submitter", `UPDATE lanes SET at=max(due, ?) WHERE submitter_id=(SELECT`, "lanes_submitter", true},
		{"crawls that are open at a host", `max(c.delay)`, "counts_host", true},
		{"pages of a submitter", `sum(waiting), 0) FROM counts WHERE dim=2`, "counts_submitter", true},
		{"what is handed out of a domain", `FROM hosts WHERE site=?`, "hosts_site", true},
		{"what is handed out at an address", `FROM hosts WHERE addr=?`, "hosts_addr", true},
		{"hosts with the most pages", `WHERE h.waiting > 0 ORDER BY h.waiting DESC`, "hosts_waiting", true},
		{"hosts in a state", `WHERE h.state=? AND h.state>0`, "hosts_state", false},
		{"pages that wait for another try", `SELECT count(*) FROM pages WHERE state=0 AND fault<>''`, "pages_retry", true},
		{"pages to cancel that wait", `FROM pages p WHERE p.state=0 AND p.lane_id IN`, "pages_ready", true},
		{"pages to cancel that are handed out", `FROM pages p WHERE p.state=1 AND p.lease>=0`, "pages_leased", true},
		{"links that are not to be followed", `UPDATE pages AS p SET expand=0`, "pages_expand", true},
		{"pages whose lease ran out", `SELECT visit, id, robots`, "pages_leased", false},
		{"hosts whose lease ran out", `SELECT visit, id, robots`, "hosts_robots", false},
		{"pages with leads", `WHERE p.expand > 0`, "pages_expand", true},
		{"how many pages have leads", `SELECT count(*) FROM pages WHERE expand`, "pages_expand", true},
		{"pages to index", `SELECT p.id, p.seq, p.title`, "pages_seq", true},
		{"index lag", `SELECT count(*) FROM pages WHERE seq`, "pages_seq", true},
		{"page found nearer", `UPDATE pages SET depth=min(depth`, "pages_key", true},
		{"page by URL", `p.crawl_id=(SELECT id FROM crawls WHERE name=?) AND p.key=?`, "pages_key", true},
		{"export", `AND p.key>? ORDER BY p.key`, "pages_key", true},
		{"recrawl", `SELECT id, key, host_id`, "pages_key", true},
		{"backlog", `FROM hosts WHERE waiting>0`, "hosts_waiting", true},
		{"failures of a kind", `INDEXED BY pages_failed CROSS JOIN failures f`, "pages_failed", true},
	} {
		i := slices.IndexFunc(all, func(q string) bool { return strings.Contains(q, tt.like) })
		if i < 0 {
			t.Errorf("%s: no statement has %q: did it change?", tt.what, tt.like)
			continue
		}
		steps := strings.Join(plan(all[i]), "\n")
		if !regexp.MustCompile(`INDEX ` + tt.index + `\b`).MatchString(steps) {
			t.Errorf("%s: not by index %s but\n%s", tt.what, tt.index, steps)
		}
		if tt.sorted && strings.Contains(steps, "USE TEMP B-TREE") {
			t.Errorf("%s: everything is sorted first:\n%s", tt.what, steps)
		}
	}
}

// planner returns a function that says how SQLite runs a statement.
func planner(t *testing.T) func(string) []string {
	c, err := Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return func(q string) (steps []string) {
		t.Helper()
		query := c.reads.QueryContext
		if regexp.MustCompile(`\b(fts(_\w+)?|progress|pragma_database_list)\b`).MatchString(q) {
			conn, err := c.index.joined(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			query = conn.QueryContext
		}
		args := make([]any, strings.Count(q, "?"))
		if n := numbered.FindAllStringSubmatch(q, -1); n != nil { // then all of them are
			most := 0
			for _, m := range n {
				i, _ := strconv.Atoi(m[1])
				most = max(most, i)
			}
			args = args[:most]
		}
		for i := range args {
			args[i] = 7
		}
		rows, err := query(t.Context(), "EXPLAIN QUERY PLAN "+q, args...)
		if err != nil {
			t.Errorf("%s: %v", q, err)
			return nil
		}
		err = each(rows, func(r *sql.Rows) error {
			var id, parent, unused int
			var step string
			err := r.Scan(&id, &parent, &unused, &step)
			steps = append(steps, step)
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", q, err)
		}
		return steps
	}
}

var numbered = regexp.MustCompile(`\?(\d)`)

// statements are the statements in the source of this package, apart from those on the little index that makes snippets. They are
// the constant strings that begin like one; what is put into them at run time is tried with each value that it has.
func statements(t *testing.T) []string {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	names, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	values := map[string][]string{"table": {"hosts", "submitters", "segments", "crawls"}}
	walk := func(visit func(ast.Node) bool) {
		for _, f := range files {
			ast.Inspect(f, visit)
		}
	}
	for range 3 { // constants are made of constants
		walk(func(n ast.Node) bool {
			name, value := "", ast.Expr(nil)
			switch n := n.(type) {
			case *ast.ValueSpec:
				if len(n.Values) == 1 {
					name, value = n.Names[0].Name, n.Values[0]
				}
			case *ast.AssignStmt:
				if id, ok := n.Lhs[0].(*ast.Ident); ok && len(n.Rhs) == 1 && n.Tok == token.DEFINE {
					name, value = id.Name, n.Rhs[0]
				}
			case *ast.CallExpr: // where of hostWhere
				if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "hostWhere" {
					if v := eval(n.Args[1], values); len(v) == 1 && !slices.Contains(values["where"], v[0]) {
						values["where"] = append(values["where"], v[0])
					}
				}
			}
			if v := eval(value, values); name != "" && len(v) == 1 && !slices.Contains(values[name], v[0]) {
				values[name] = append(values[name], v[0])
			}
			return true
		})
	}
	found := map[string]bool{}
	walk(func(n ast.Node) bool {
		e, ok := n.(ast.Expr)
		if !ok {
			return true
		}
		all := eval(e, values)
		for _, s := range all {
			if verb.MatchString(s) && (!little.MatchString(s) || strings.HasPrefix(s, "WITH")) {
				found[s] = true
			}
		}
		_, name := e.(*ast.Ident)
		return len(all) == 0 && !name // of a sum the whole, not the parts
	})
	// hostWhere and pagesFrom both call their condition where, and a mixture of the two is no statement; nor are columns alone.
	maps.DeleteFunc(found, func(q string, _ bool) bool {
		return strings.Contains(q, "WHERE WHERE") || mixed.MatchString(q) || strings.HasPrefix(q, "SELECT") && !strings.Contains(q, "FROM")
	})
	return slices.Sorted(maps.Keys(found))
}

var (
	verb   = regexp.MustCompile(`^(SELECT|UPDATE|INSERT|DELETE|WITH)\s`)
	mixed  = regexp.MustCompile(`=p\.\w+ (id|name)=\?$`)
	little = regexp.MustCompile(`(INTO|FROM) s\b`)
)

// eval returns the values that a constant string can have; none when it is not constant.
func eval(e ast.Expr, values map[string][]string) []string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return []string{s}
		}
	case *ast.Ident:
		return values[e.Name]
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return nil
		}
		var out []string
		for _, a := range eval(e.X, values) {
			for _, b := range eval(e.Y, values) {
				out = append(out, a+b)
			}
		}
		return out
	}
	return nil
}
