package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"example.org/trawl/catalog"
	"example.org/trawl/words"
)

// Search returns the pages that match q, the best first.
func (c *Catalog) Search(ctx context.Context, q catalog.Query) (catalog.Found, error) {
	out := catalog.Found{Hits: []catalog.Hit{}}
	match := matchExpr(q.Words, indexed)
	if match == "" {
		return out, nil
	}
	crawl := int64(0)
	if q.Crawl != "" {
		cr, err := c.Crawl(ctx, q.Crawl)
		if err != nil {
			return out, err
		}
		crawl = cr.ID
	}
	const found = `SELECT p.id, fts.rank FROM fts JOIN cat.pages p ON p.id=fts.rowid
		WHERE fts MATCH ? AND (?=0 OR p.crawl_id=?) AND p.state<>4 AND p.seq>0 ORDER BY fts.rowid DESC LIMIT ?`
	conn, err := c.index.joined(ctx)
	if err != nil {
		return out, fmt.Errorf("search for %q: %w", q.Words, sqlError(err))
	}
	defer conn.Close()
	// Matches are read once, for their number and their rank; the rest is read of the few that are shown.
	rows, err := conn.QueryContext(ctx, `WITH found AS MATERIALIZED (`+found+`), best AS (SELECT id, rank, count(*) OVER () AS all_of_them FROM found ORDER BY rank LIMIT ? OFFSET ?)
		SELECT p.id, p.url, w.name, p.title, p.fetched_at, best.all_of_them FROM best JOIN cat.pages p ON p.id=best.id JOIN cat.crawls w ON w.id=p.crawl_id ORDER BY best.rank`,
		match, crawl, crawl, catalog.MostRanked+1, q.Limit, q.From)
	if err != nil {
		return out, fmt.Errorf("search for %q: %w", q.Words, sqlError(err))
	}
	var ids []int64
	err = each(rows, func(r *sql.Rows) error {
		var h catalog.Hit
		var id, at int64
		err := r.Scan(&id, &h.URL, &h.Crawl, &h.Title, &at, &out.Total)
		h.FetchedAt = time.UnixMilli(at).UTC()
		out.Hits, ids = append(out.Hits, h), append(ids, id)
		return err
	})
	if err != nil {
		return out, fmt.Errorf("search for %q: %w", q.Words, sqlError(err))
	}
	if len(ids) == 0 && q.From > 0 { // behind the last
		if err := conn.QueryRowContext(ctx, `SELECT count(*) FROM (`+found+`)`, match, crawl, crawl, catalog.MostRanked+1).Scan(&out.Total); err != nil {
			return out, fmt.Errorf("search for %q: %w", q.Words, sqlError(err))
		}
	}
	if out.Total > catalog.MostRanked {
		out.Total, out.More = catalog.MostRanked, true
	}
	return out, c.snippets(ctx, matchExpr(q.Words, split), ids, out.Hits)
}

// The marks around a match, private characters that no text that was decoded can hold in a meaningful place.
const markOn, markOff = "\ue000", "\ue001"

// snippetFrom is how much of a text a snippet is looked for in first; nearly always that is enough, and to read it all is dear.
const snippetFrom = 8 << 10

// tokenizer folds case and accents as package words does, for what FTS5 indexes itself.
const tokenizer = "unicode61 remove_diacritics 2 categories 'L* N* Co M*'"

// snippets cuts out of each hit's text the stretch that matches best. The index keeps no text, so the few hits are put into a
// little index of their own, which then does what SQLite's snippet() does everywhere.
func (c *Catalog) snippets(ctx context.Context, match string, ids []int64, hits []catalog.Hit) error {
	if len(ids) == 0 {
		return nil
	}
	db, err := sql.Open("sqlite", "file::memory:")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, `CREATE VIRTUAL TABLE s USING fts5 (title, description, text, tokenize="`+tokenizer+`")`); err != nil {
		return sqlError(err)
	}
	type page struct{ title, description, text string }
	without := map[int]page{} // hits that have no snippet yet, by their number
	for i, id := range ids {
		var p page
		var packed []byte
		err := c.reads.QueryRowContext(ctx, `SELECT p.title, p.description, c.text FROM pages p JOIN contents c ON c.page_id=p.id WHERE p.id=?`, id).Scan(&p.title, &p.description, &packed)
		if err != nil {
			return sqlError(err)
		}
		if p.text, err = unpack(packed); err != nil {
			return fmt.Errorf("text of page %d: %w", id, err)
		}
		without[i] = p
	}
	for _, most := range []int{snippetFrom, math.MaxInt} {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return sqlError(err)
		}
		for i, p := range without {
			text := strings.ToValidUTF8(p.text[:min(len(p.text), most)], "")
			if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO s (rowid, title, description, text) VALUES (?,?,?,?)`, i+1, split(p.title), split(p.description), split(text)); err != nil {
				return errors.Join(sqlError(err), tx.Rollback())
			}
		}
		if err := tx.Commit(); err != nil {
			return sqlError(err)
		}
		rows, err := db.QueryContext(ctx, `SELECT rowid, snippet(s, 2, ?, ?, '…', 32) FROM s WHERE s MATCH ?`, markOn, markOff, match)
		if err != nil {
			return sqlError(err)
		}
		err = each(rows, func(r *sql.Rows) error {
			var i int
			var s string
			err := r.Scan(&i, &s)
			hits[i-1].Snippet = pieces(s)
			delete(without, i-1)
			return err
		})
		if err != nil || len(without) == 0 {
			return wrap(err)
		}
	}
	return nil
}

// seam parts characters for the tokenizer and is invisible to people: the zero width space.
const seam = "\u200b"

// split parts the characters of scripts that are written without spaces, so that each is a token and a word of them a phrase.
func split(s string) string {
	first := 0
	for first < len(s) && s[first] < 0xE0 { // what begins the first of them in UTF-8
		first++
	}
	if !strings.ContainsFunc(s[first:], words.Alone) {
		return s
	}
	var b strings.Builder
	b.Grow(2 * len(s))
	for _, r := range s {
		if words.Alone(r) {
			b.WriteString(seam)
			b.WriteRune(r)
			b.WriteString(seam)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// pieces splits a snippet at its marks.
func pieces(s string) []catalog.Piece {
	var out []catalog.Piece
	s = spaces.ReplaceAllString(strings.ReplaceAll(s, seam, ""), " ")
	for on := false; s != ""; on = !on {
		mark := markOn
		if on {
			mark = markOff
		}
		text, rest, _ := strings.Cut(s, mark)
		if text != "" {
			out = append(out, catalog.Piece{Text: text, Mark: on})
		}
		s = rest
	}
	return out
}

var spaces = regexp.MustCompile(`\s+`)

// matchExpr writes what a person typed as an FTS5 expression: words are all to be found, "a phrase" as it stands, word* as a
// beginning, -word is not to be found. Everything is quoted, so that nothing typed is taken for FTS5's own language.
// Form writes a word as the index has it.
func matchExpr(words string, form func(string) string) string {
	var with, without []string
	for _, w := range queryWords(words) {
		not := strings.HasPrefix(w, "-") && len(w) > 1
		w = strings.TrimPrefix(w, "-")
		star := ""
		if strings.HasSuffix(w, "*") {
			star = "*"
		}
		w = strings.Trim(w, `"*`)
		if !strings.ContainsFunc(w, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			continue
		}
		if w = form(w); w == "" {
			continue
		}
		quoted := `"` + strings.ReplaceAll(w, `"`, `""`) + `"` + star
		to := &with
		if not {
			to = &without
		}
		if !slices.Contains(*to, quoted) { // twice says no more, and costs
			*to = append(*to, quoted)
		}
	}
	if len(with) == 0 {
		return ""
	}
	expr := strings.Join(with, " AND ")
	if len(without) > 0 { // one NOT for all of them: FTS5 does not nest as deep as people type
		expr = "(" + expr + ") NOT (" + strings.Join(without, " OR ") + ")"
	}
	return expr
}

// indexed writes the terms of a word.
func indexed(w string) string {
	var b strings.Builder
	words.Each(w, func(term []byte) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.Write(term)
	})
	return b.String()
}

// Searchable tells whether there is anything to look for in what a person typed.
func Searchable(words string) bool { return matchExpr(words, indexed) != "" }

// queryWords splits at white space outside of quotation marks.
func queryWords(s string) []string {
	quoted := false
	return strings.FieldsFunc(strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", " "), " "), func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && unicode.IsSpace(r)
	})
}
