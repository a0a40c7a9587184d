package archive

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// recover finishes what dead processes left in the folder.
func (s *Store) recover() error {
	d, err := s.root.Open(".")
	if err != nil {
		return err
	}
	names, err := d.Readdirnames(-1)
	_ = d.Close()
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, n := range names {
		there[n] = true
	}
	s.removeSpools(names)
	for _, n := range names {
		if !strings.HasPrefix(n, namePrefix) {
			continue
		}
		var err error
		switch {
		case strings.HasSuffix(n, warcSuffix+openSuffix):
			err = s.recoverSegment(strings.TrimSuffix(n, openSuffix))
		case strings.HasSuffix(n, warcSuffix) && !there[indexName(n)]:
			err = s.reindex(n)
		case strings.HasSuffix(n, indexSuffix+openSuffix):
			// Left by a crash after the segment had got its final name.
			if warc := strings.TrimSuffix(n, indexSuffix+openSuffix) + warcSuffix; there[warc] {
				err = s.root.Remove(n)
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.log.Error("segment not recovered", "file", n, "err", err)
		}
	}
	return nil
}

// recoverSegment cuts a dead process's segment after its last whole record, makes its index anew and gives it its final name.
// One that holds no exchange is removed.
func (s *Store) recoverSegment(name string) error {
	f, err := s.root.OpenFile(name+openSuffix, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if ok, err := s.tryLock(f, name+openSuffix); err != nil || !ok {
		return err // locked: its owner lives
	}
	if _, err := s.root.Lstat(name); err == nil {
		return fmt.Errorf("%s is there already", name)
	}
	st, err := f.Stat()
	if err != nil {
		return err
	}
	good, lines, err := inspect(f, name)
	if err != nil {
		return err
	}
	if good.exchanges == 0 {
		s.log.Warn("removed a segment that held no exchange", "file", name, "bytes", st.Size())
		return errors.Join(s.root.Remove(name+openSuffix), s.removeIfThere(indexName(name)+openSuffix))
	}
	if cut := st.Size() - good.end; cut > 0 {
		if err := f.Truncate(good.end); err != nil {
			return err
		}
		s.log.Warn("cut off a torn record", "file", name, "bytes", cut)
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := s.writeIndex(name, lines); err != nil {
		return err
	}
	return s.settle(name)
}

// reindex makes the index of a finished segment that has none.
func (s *Store) reindex(name string) error {
	f, err := s.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if ok, err := s.tryLock(f, name); err != nil || !ok {
		return err // another process is at it
	}
	_, lines, err := inspect(f, name)
	if err != nil {
		return err
	}
	return s.writeIndex(name, lines)
}

func (s *Store) removeIfThere(name string) error {
	if err := s.root.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// whole is how much of a segment is good.
type whole struct {
	end       int64 // after the last whole record
	exchanges int   // records other than warcinfo
}

// inspect reads a segment from its start up to the first record that is not whole, and returns the index lines of those before.
// The error is of reading, never of what was read.
func inspect(r io.Reader, name string) (whole, []string, error) {
	var good whole
	var lines []string
	src := &sticky{r: r}
	sc := newScanner(src)
	for {
		rec, err := sc.next()
		if err != nil {
			break
		}
		e, err := entryOf(rec)
		if err == nil {
			err = sc.endMember()
		}
		if err != nil {
			break
		}
		end := sc.offset()
		if t := rec.header.Get("WARC-Type"); t == "response" || t == "revisit" {
			lines = append(lines, e.line(Ref{File: name, Offset: rec.offset, Length: end - rec.offset}))
		}
		if rec.header.Get("WARC-Type") != "warcinfo" {
			good.exchanges++
		}
		good.end = end
	}
	return good, lines, src.err
}

// entryOf reads a record's block, all of it, for its index entry.
func entryOf(rec *record) (entry, error) {
	br := bufio.NewReader(rec.block)
	var head []byte
	if rec.header.isHTTP() {
		var err error
		if head, err = readHead(br); err != nil {
			return entry{}, err
		}
	}
	if _, err := io.Copy(io.Discard, br); err != nil {
		return entry{}, err
	}
	return newEntry(rec.header.Get, head), nil
}

// sticky remembers a failing disk, so that it is not taken for the end of the good records.
type sticky struct {
	r   io.Reader
	err error
}

func (s *sticky) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}
