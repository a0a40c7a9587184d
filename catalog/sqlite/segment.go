package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"slices"

	"example.org/trawl/words"
)

// A segment of FTS5's index is made here, and not by FTS5, which takes in a page at several times the cost: its tokenizer and its hash
// table are C that was translated, and know one token at a time. The format is SQLite's, as fts5_index.c describes it at its beginning,
// and FTS5 reads, merges and checks what is written.

// segment gathers the terms of documents. Documents are added in the order of their IDs, none twice.
type segment struct {
	known []slot  // a hash table of the terms, by what maphash makes of them
	text  []byte  // all terms, one behind the other
	names []int32 // where in text each of them begins
	uses  []use
	data  []byte // the positions of all uses
	docs  []document
	last  []int32 // by term: the newest spot of the present document that has the term, 0 for none
	spots []spot  // of the present document; 0 is none
	heads []head  // its terms
}

// slot is a term and the rest of its hash; number 0 is none.
type slot struct {
	hash   uint32
	number int32 // and 1
}

// use is a term in a document, and where in data its positions begin; they end where those of the next use begin.
type use struct{ term, doc, from int32 }

// document is one, and how many tokens its columns have.
type document struct {
	id    int64
	sizes [columns]uint64
}

// columns is how many the table has.
const columns = 3

// spot is where a term stands, and the next spot that has it.
type spot struct{ column, at, next int32 }

// head is a term and its first spot.
type head struct{ term, first int32 }

// reset makes s an empty segment, which keeps its memory.
func (s *segment) reset() {
	if s.known == nil {
		s.known = make([]slot, 1<<12)
	}
	clear(s.known)
	s.text, s.names, s.uses, s.data, s.docs, s.last = s.text[:0], s.names[:0], s.uses[:0], s.data[:0], s.docs[:0], s.last[:0]
}

func (s *segment) name(n int32) []byte {
	if int(n) == len(s.names)-1 {
		return s.text[s.names[n]:]
	}
	return s.text[s.names[n]:s.names[n+1]]
}

var termSeed = maphash.MakeSeed()

// number is the term's.
func (s *segment) number(term []byte) int32 {
	h := maphash.Bytes(termSeed, term)
	mask := uint64(len(s.known) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		switch k := s.known[i]; {
		case k.number == 0:
			s.names, s.last = append(s.names, int32(len(s.text))), append(s.last, 0)
			s.text = append(s.text, term...)
			s.known[i] = slot{uint32(h >> 32), int32(len(s.names))}
			if 2*len(s.names) > len(s.known) {
				s.grow()
			}
			return int32(len(s.names) - 1)
		case k.hash == uint32(h>>32) && string(s.name(k.number-1)) == string(term):
			return k.number - 1
		}
	}
}

func (s *segment) grow() {
	s.known = make([]slot, 2*len(s.known))
	mask := uint64(len(s.known) - 1)
	for n := range s.names {
		h := maphash.Bytes(termSeed, s.name(int32(n)))
		i := h & mask
		for s.known[i].number != 0 {
			i = (i + 1) & mask
		}
		s.known[i] = slot{uint32(h >> 32), int32(n + 1)}
	}
}

// add takes in a document.
func (s *segment) add(id int64, texts [columns]string) {
	d := document{id: id}
	s.spots, s.heads = append(s.spots[:0], spot{}), s.heads[:0]
	for column, text := range texts {
		at := int32(0)
		words.Each(text, func(term []byte) {
			n := s.number(term)
			new := int32(len(s.spots))
			if last := s.last[n]; last == 0 {
				s.heads = append(s.heads, head{n, new})
			} else {
				s.spots[last].next = new
			}
			s.last[n] = new
			s.spots = append(s.spots, spot{column: int32(column), at: at})
			at++
		})
		d.sizes[column] = uint64(at)
	}
	for _, h := range s.heads {
		s.uses = append(s.uses, use{h.term, int32(len(s.docs)), int32(len(s.data))})
		s.positions(h.first)
		s.last[h.term] = 0
	}
	s.docs = append(s.docs, d)
}

// positions appends the position list of a term: offsets in the first column, and after a 1 those of each further one.
func (s *segment) positions(first int32) {
	column, before := int32(0), int32(0)
	for i := first; i != 0; {
		t := s.spots[i]
		if t.column != column {
			s.data = append(s.data, 1)
			s.data = appendVarint(s.data, uint64(t.column))
			column, before = t.column, 0
		}
		s.data = appendVarint(s.data, uint64(t.at-before)+2)
		before, i = t.at, t.next
	}
}

// leafSize is how large the leaves are: one page of SQLite, as FTS5 has them by default.
const leafSize = 4050

// leaves writes the segment: put is called for each leaf, and head for the first term, or what is enough of it, of each leaf that has one.
func (s *segment) leaves(put func(page int, block []byte) error, head func(term []byte, page int) error) (pages int, err error) {
	w := &leafWriter{put: put, head: head, page: 1, headPage: 1, block: make([]byte, 4, leafSize+256), noTerm: true, noRowid: true}
	// The uses of each term, one after the other, the last first, for a use ends where the next begins.
	starts := make([]int32, len(s.names)+1)
	for _, u := range s.uses {
		starts[u.term+1]++
	}
	for i := range s.names {
		starts[i+1] += starts[i]
	}
	type list struct{ doc, from, to int32 }
	byTerm, next, to := make([]list, len(s.uses)), slices.Clone(starts), int32(len(s.data))
	for _, u := range slices.Backward(s.uses) {
		byTerm[next[u.term]] = list{u.doc, u.from, to}
		next[u.term]++
		to = u.from
	}
	order := make([]int32, len(s.names))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return bytes.Compare(s.name(a), s.name(b)) })
	var term []byte
	for _, n := range order {
		w.term(append(append(term[:0], mainIndex...), s.name(n)...))
		for _, l := range slices.Backward(byTerm[starts[n]:starts[n+1]]) {
			w.rowid(s.docs[l.doc].id)
			w.positions(s.data[l.from:l.to])
		}
	}
	return w.finish()
}

// mainIndex begins the terms that are no prefixes.
const mainIndex = "0"

// leafWriter fills leaves.
type leafWriter struct {
	put  func(page int, block []byte) error
	head func(term []byte, page int) error
	err  error

	page      int
	block     []byte // begins with the place of its first row ID, if that is before any term, and of its footer
	footer    []byte // where terms begin
	lastBegin int
	noTerm    bool
	noRowid   bool

	previous  []byte // the term before
	headTerm  []byte // of the newest leaf with a term
	headPage  int
	newList   bool
	lastRowid int64
}

func (w *leafWriter) size() int { return len(w.block) + len(w.footer) }

// term begins the list of a term, which comes after the one before.
func (w *leafWriter) term(term []byte) {
	if w.size()+len(term)+2 >= leafSize && len(w.block) > 4 {
		w.flush()
	}
	w.footer = appendVarint(w.footer, uint64(len(w.block)-w.lastBegin))
	w.lastBegin = len(w.block)
	same := 0
	for same < min(len(term), len(w.previous)) && term[same] == w.previous[same] {
		same++
	}
	if w.noTerm {
		if w.page != 1 {
			w.flushHead()
			w.headTerm, w.headPage = append(w.headTerm[:0], term[:min(same+1, len(term))]...), w.page
		}
		same = 0
	} else {
		w.block = appendVarint(w.block, uint64(same))
	}
	w.block = appendVarint(w.block, uint64(len(term)-same))
	w.block = append(w.block, term[same:]...)
	w.previous = append(w.previous[:0], term...)
	w.noTerm, w.noRowid, w.newList = false, false, true
}

// rowid begins a document in the list.
func (w *leafWriter) rowid(id int64) {
	if w.size() >= leafSize {
		w.flush()
	}
	delta := id
	switch {
	case w.noRowid:
		binary.BigEndian.PutUint16(w.block, uint16(len(w.block)))
	case !w.newList:
		delta -= w.lastRowid
	}
	w.block = appendVarint(w.block, uint64(delta))
	w.lastRowid, w.newList, w.noRowid = id, false, false
}

// positions are where the term stands in the document. Leaves are parted between numbers, not in them.
func (w *leafWriter) positions(list []byte) {
	w.block = appendVarint(w.block, uint64(len(list))*2)
	for w.size()+len(list) >= leafSize {
		room, n := leafSize-w.size(), 0
		for n < room {
			for list[n] >= 0x80 {
				n++
			}
			n++
		}
		w.block = append(w.block, list[:n]...)
		list = list[n:]
		w.flush()
	}
	w.block = append(w.block, list...)
}

// flush hands the leaf over and begins the next.
func (w *leafWriter) flush() {
	binary.BigEndian.PutUint16(w.block[2:], uint16(len(w.block)))
	if w.err == nil {
		w.err = w.put(w.page, append(w.block, w.footer...))
	}
	w.page++
	w.block, w.footer, w.lastBegin = append(w.block[:0], 0, 0, 0, 0), w.footer[:0], 0
	w.noTerm, w.noRowid = true, true
}

func (w *leafWriter) flushHead() {
	if w.err == nil {
		w.err = w.head(w.headTerm, w.headPage)
	}
}

func (w *leafWriter) finish() (pages int, err error) {
	if len(w.block) > 4 {
		w.flush()
	}
	if w.page > 1 {
		w.flushHead()
	}
	return w.page - 1, w.err
}

// leafRowid is the number of a leaf in FTS5's table of blocks.
func leafRowid(segment, page int) int64 { return int64(segment)<<37 + int64(page) }

// The numbers of the blocks that say how many rows and tokens there are, and which segments.
const (
	averagesRowid  = 1
	structureRowid = 10
)

// structure is FTS5's list of segments.
type structure struct {
	cookie [4]byte
	writes uint64
	levels []level
}

type level struct {
	merging  uint64
	segments []segmentEntry
}

// segmentEntry is a segment in the list: its number, its leaves, the generations of documents that it has, its hash of removed documents
// and how many it had.
type segmentEntry struct {
	id, first, last         uint64
	oldest, newest          uint64
	graves, buried, entries uint64
}

func (e *segmentEntry) fields() []*uint64 {
	return []*uint64{&e.id, &e.first, &e.last, &e.oldest, &e.newest, &e.graves, &e.buried, &e.entries}
}

// withOrigins marks the form that the list has where documents can be removed from an index that keeps no text.
var withOrigins = []byte{0xff, 0, 0, 1}

var errStructure = errors.New("the index's list of segments has a form that is not known here")

func readStructure(b []byte) (s structure, err error) {
	if len(b) < 8 || !bytes.Equal(b[4:8], withOrigins) {
		return s, errStructure
	}
	copy(s.cookie[:], b)
	b = b[8:]
	number := func() (v uint64) {
		var n int
		if v, n = varint(b); n == 0 {
			err = errStructure
		}
		b = b[n:]
		return v
	}
	levels := number()
	number() // all segments
	s.writes = number()
	for range levels {
		l := level{merging: number()}
		for n := number(); n > 0 && err == nil; n-- {
			var e segmentEntry
			for _, f := range e.fields() {
				*f = number()
			}
			l.segments = append(l.segments, e)
		}
		if s.levels = append(s.levels, l); err != nil {
			return s, err
		}
	}
	return s, err
}

func (s *structure) bytes() []byte {
	all := uint64(0)
	for _, l := range s.levels {
		all += uint64(len(l.segments))
	}
	b := append(append([]byte{}, s.cookie[:]...), withOrigins...)
	for _, v := range []uint64{uint64(len(s.levels)), all, s.writes} {
		b = appendVarint(b, v)
	}
	for _, l := range s.levels {
		b = appendVarint(appendVarint(b, l.merging), uint64(len(l.segments)))
		for _, e := range l.segments {
			for _, f := range e.fields() {
				b = appendVarint(b, *f)
			}
		}
	}
	return b
}

// mostSegments is FTS5's own bound.
const mostSegments = 2000

// free is a number that no segment has, and the next generation; 0 if there are too many segments.
func (s *structure) free() (id, origin uint64) {
	used := map[uint64]bool{}
	for _, l := range s.levels {
		for _, e := range l.segments {
			used[e.id] = true
			origin = max(origin, e.newest)
		}
	}
	for id = 1; used[id]; id++ {
	}
	if id > mostSegments {
		id = 0
	}
	return id, origin + 1
}

// fullest is how many segments the level has that has the most.
func (s *structure) fullest() (n int) {
	for _, l := range s.levels {
		n = max(n, len(l.segments))
	}
	return n
}

// appendVarint appends v as SQLite writes it: seven bits an octet, the highest first, and eight in a ninth.
func appendVarint(b []byte, v uint64) []byte {
	switch {
	case v < 1<<7:
		return append(b, byte(v))
	case v < 1<<14:
		return append(b, byte(v>>7)|0x80, byte(v)&0x7f)
	case v >= 1<<56:
		for shift := 57; shift >= 8; shift -= 7 {
			b = append(b, byte(v>>shift)|0x80)
		}
		return append(b, byte(v))
	}
	shift := 14
	for v>>(shift+7) != 0 {
		shift += 7
	}
	for ; shift > 0; shift -= 7 {
		b = append(b, byte(v>>shift)|0x80)
	}
	return append(b, byte(v)&0x7f)
}

// varint reads a number and says how many octets it has, 0 if b ends before.
func varint(b []byte) (v uint64, n int) {
	for n < min(len(b), 8) {
		c := b[n]
		n++
		if v = v<<7 | uint64(c&0x7f); c < 0x80 {
			return v, n
		}
	}
	if len(b) < 9 {
		return 0, 0
	}
	return v<<8 | uint64(b[8]), 9
}
