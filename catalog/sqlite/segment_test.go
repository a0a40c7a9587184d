package sqlite

import (
	"database/sql"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What FTS5 reads of our segments is what it would have written itself: before and after pages change, and when all are merged.
func TestSegmentsAreThoseOfFTS5(t *testing.T) {
	c, err := Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	x := c.index
	must := func(query string, args ...any) {
		t.Helper()
		if _, err := x.db.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	must(`CREATE VIRTUAL TABLE own USING fts5 (title, description, text, content='', contentless_delete=1, tokenize="ascii")`)
	for _, table := range []string{"fts", "own"} {
		must(fmt.Sprintf(`CREATE VIRTUAL TABLE %s_words USING fts5vocab(%[1]s, instance)`, table))
	}
	same := func(when string) {
		t.Helper()
		must(`INSERT INTO fts (fts, rank) VALUES ('integrity-check', 1)`)
		got, want := instances(t, x.db, "fts"), instances(t, x.db, "own")
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Fatalf("%s: FTS5 reads %d instances, and would have written %d", when, len(got), len(want))
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	at := int64(0)
	there := map[int64]bool{}
	for batch := range 24 {
		var pages []entry
		for range 1 + r.IntN(60) {
			id := 1 + r.Int64N(2000)
			if slices.ContainsFunc(pages, func(p entry) bool { return p.id == id }) {
				continue
			}
			pages = append(pages, entry{id, someText(r, 6), someText(r, 3), pack(someText(r, 1+r.IntN(1000)))})
		}
		slices.SortFunc(pages, func(a, b entry) int { return int(a.id - b.id) })
		if err := x.take(t.Context(), pages, at, at+int64(len(pages))); err != nil {
			t.Fatal(err)
		}
		at += int64(len(pages))
		for _, p := range pages {
			if there[p.id] {
				must(`DELETE FROM own WHERE rowid=?`, p.id)
			}
			there[p.id] = true
			text, err := unpack(p.text)
			if err != nil {
				t.Fatal(err)
			}
			must(`INSERT INTO own (rowid, title, description, text) VALUES (?,?,?,?)`, p.id, indexed(p.title), indexed(p.description), indexed(text))
		}
		if batch%8 == 0 {
			same(fmt.Sprintf("batch %d", batch))
		}
	}
	same("all batches")
	if got, want := sizes(t, x.db, "fts"), sizes(t, x.db, "own"); got != want {
		t.Errorf("sizes of documents are\n%s\nnot\n%s", got, want)
	}
	must(`INSERT INTO fts (fts) VALUES ('optimize')`)
	same("optimized")
}

// instances lists each place of each term, as FTS5 reads it.
func instances(t *testing.T, db *sql.DB, table string) (out []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT term, doc, col, "offset" FROM `+table+`_words ORDER BY term, doc, col, "offset"`)
	if err != nil {
		t.Fatal(err)
	}
	err = each(rows, func(r *sql.Rows) error {
		var term, col string
		var doc, offset int64
		err := r.Scan(&term, &doc, &col, &offset)
		out = append(out, fmt.Sprint(term, " ", doc, col, offset))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// sizes is what FTS5 knows of the lengths of documents: bm25 needs it.
func sizes(t *testing.T, db *sql.DB, table string) (s string) {
	t.Helper()
	query := fmt.Sprintf(`SELECT hex(block) || (SELECT group_concat(id || ':' || hex(sz)) FROM (SELECT * FROM %s_docsize ORDER BY id)) FROM %[1]s_data WHERE id=1`, table)
	if err := db.QueryRowContext(t.Context(), query).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

// someText is up to n words: common ones, rare ones, very long ones, and such in other scripts.
func someText(r *rand.Rand, n int) string {
	var b strings.Builder
	for range r.IntN(n + 1) {
		switch r.IntN(40) {
		case 0:
			b.WriteString(strings.Repeat("long", 1+r.IntN(100)))
		case 1:
			b.WriteString("東京 Čapek naïve Ωmega")
		case 2:
			b.WriteString("\xff\xfe\x00")
		case 3, 4, 5, 6, 7, 8, 9:
			fmt.Fprintf(&b, "w%d", r.IntN(5000))
		default:
			fmt.Fprintf(&b, "%c", 'a'+rune(r.IntN(4)))
		}
		b.WriteByte(' ')
	}
	return b.String()
}

func TestVarint(t *testing.T) {
	for shift := range 64 {
		for _, v := range []uint64{1<<shift - 1, 1 << shift, 1<<shift + 1} {
			b := appendVarint(nil, v)
			if got, n := varint(b); got != v || n != len(b) {
				t.Errorf("%d is read as %d (%d of %d octets)", v, got, n, len(b))
			}
			if _, n := varint(b[:len(b)-1]); n != 0 {
				t.Errorf("half of %d is a number", v)
			}
		}
	}
}
