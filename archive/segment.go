package archive

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Suffixes of a segment's files. While it is written, openSuffix is added to both.
const (
	warcSuffix  = ".warc.gz"
	indexSuffix = ".cdxj"
	openSuffix  = ".open"
	namePrefix  = "trawl-"
)

// segment is the WARC file that this process writes to.
type segment struct {
	name   string // final
	born   time.Time
	lock   *os.File // holds the flock, and is the same file as f
	f      file
	size   int64          // up to here the file holds whole records
	index  *os.File       // the unsorted lines so far
	stale  bool           // the index misses a line and is to be made anew from the WARC
	broken bool           // the file could not be cut back to size
	users  sync.WaitGroup // Syncs under way
	unsure atomic.Bool    // an fsync failed: what is on the disk is not known
	done   chan struct{}  // closed when it is finished
}

// newSegment makes the next segment, with its warcinfo record. The caller holds the store's lock.
func (s *Store) newSegment() (*segment, error) {
	now := s.opt.Now()
	for range 100000 {
		name := fmt.Sprintf("%s%s-%05d-%s%s", namePrefix, now.UTC().Format("20060102150405"), s.serial%100000, s.host, warcSuffix)
		s.serial++
		f, err := s.claim(name)
		if err != nil {
			return nil, err
		}
		if f == nil {
			continue
		}
		seg := &segment{name: name, born: now, lock: f, f: s.grow(f), done: make(chan struct{})}
		if err := s.begin(seg); err != nil {
			// What is left behind is unlocked and holds no exchange: if it cannot be removed now, the next Open does.
			_ = s.root.Remove(name + openSuffix)
			_ = s.root.Remove(indexName(name) + openSuffix)
			seg.close() // last: with the lock gone, the name could be another's
			return nil, err
		}
		return seg, nil
	}
	return nil, errors.New("no free name for a segment")
}

// claim creates and locks the file of a new segment; it returns nil when the name is taken.
func (s *Store) claim(name string) (*os.File, error) {
	f, err := s.root.OpenFile(name+openSuffix, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// Between its creation and the lock another process may have taken the file for a dead one's and removed it.
	if ok, err := s.tryLock(f, name+openSuffix); err != nil || !ok {
		_ = f.Close()
		return nil, err
	}
	if _, err := s.root.Lstat(name); err == nil {
		_ = s.root.Remove(name + openSuffix)
		_ = f.Close()
		return nil, nil
	}
	return f, nil
}

// tryLock locks f without waiting, and tells whether it is locked and still the file called name.
func (s *Store) tryLock(f *os.File, name string) (bool, error) {
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("lock %s: %w", name, err)
	}
	mine, err := f.Stat()
	if err != nil {
		return false, err
	}
	there, err := s.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(mine, there), err
}

// begin writes what stands at the head of a segment.
func (s *Store) begin(seg *segment) error {
	p, err := s.warcinfo(seg.name, seg.born)
	if err != nil {
		return err
	}
	defer p.free()
	if _, err := seg.append(p); err != nil {
		return err
	}
	seg.index, err = s.root.OpenFile(indexName(seg.name)+openSuffix, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	return s.syncDir()
}

// append writes p after the last whole record and returns where it begins. When the write fails, the file is cut back.
func (g *segment) append(p *packed) (int64, error) {
	off := g.size
	n, err := io.Copy(io.NewOffsetWriter(g.f, off), p.reader())
	if err == nil && n != p.size {
		err = io.ErrShortWrite
	}
	if err != nil {
		if cut := g.f.Truncate(off); cut != nil {
			g.broken = true
			err = errors.Join(err, cut)
		}
		return 0, err
	}
	g.size += n
	return off, nil
}

// note adds a line to the index. The record is in the WARC, so trouble here is no reason to fail: the index is then made anew.
func (g *segment) note(line string, log *slog.Logger) {
	if g.stale {
		return
	}
	if _, err := g.index.WriteString(line); err != nil {
		g.stale = true
		log.Warn("index lags: it is rebuilt when the segment is finished", "file", g.name, "err", err)
	}
}

// finish syncs the segment, writes its sorted index and gives it its final name, in this order: a file with its final name is
// whole, and one without has a reason to be recovered.
func (g *segment) finish(s *Store) error {
	g.users.Wait()
	defer g.close()
	if g.unsure.Load() {
		return errors.New("an earlier sync failed")
	}
	if err := g.f.Sync(); err != nil {
		return err
	}
	lines, err := g.lines()
	if err == nil {
		err = s.writeIndex(g.name, lines)
	}
	if err != nil {
		// No room for the index is no reason to keep the WARC from its readers; the next Open makes the index.
		s.log.Warn("segment has no index: the next start makes it", "file", g.name, "err", err)
	}
	return s.settle(g.name)
}

// lines returns the index, unsorted.
func (g *segment) lines() ([]string, error) {
	if g.stale {
		_, lines, err := inspect(io.NewSectionReader(g.f, 0, g.size), g.name)
		return lines, err
	}
	if _, err := g.index.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(g.index)
	if err != nil {
		return nil, err
	}
	return strings.SplitAfter(string(b), "\n"), nil
}

// settle gives a segment its final name.
func (s *Store) settle(name string) error {
	if err := s.root.Rename(name+openSuffix, name); err != nil {
		return err
	}
	if err := s.root.Remove(indexName(name) + openSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("leftover index stays", "file", name, "err", err)
	}
	return s.syncDir()
}

// close gives up the files and with them the lock.
func (g *segment) close() {
	if g.index != nil {
		_ = g.index.Close()
	}
	_ = g.f.Close()
	_ = g.lock.Close() // closed already, unless a test put something between
}

// syncDir makes names survive the loss of power.
func (s *Store) syncDir() error {
	d, err := s.root.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// hostName is this machine's name in the characters that are safe in a file's.
func hostName() string {
	h, _ := os.Hostname()
	h = strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '-', r == '.':
			return r
		default:
			return '-'
		}
	}, strings.ToLower(h))
	h = strings.Trim(h[:min(len(h), 63)], ".-")
	if h == "" {
		return "localhost"
	}
	return h
}

func indexName(warc string) string { return strings.TrimSuffix(warc, warcSuffix) + indexSuffix }
