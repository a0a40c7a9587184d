// Package archive keeps what the crawl fetched, as WARC 1.1 files (ISO 28500:2017) on the local disk.
//
// A store is a folder. Each process writes to a segment of its own, one gzip member a record, so that a record can be read
// knowing only its offset. A segment that is being written is called NAME.open and is locked with flock; it gets its final name
// when it is full, old, or the store is closed. Beside each segment lies a CDXJ index. When a process dies, the next Open finds
// its unlocked segment, cuts off what was half written and finishes it.
package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"example.org/trawl/fault"
)

// Ref says where a record lies. It is small and stays valid for as long as the file is there.
type Ref struct {
	File   string `json:"file"`   // the segment's final name, relative to the store
	Offset int64  `json:"offset"` // of the record's gzip member, in bytes
	Length int64  `json:"length"` // of the gzip member, in bytes
}

// Exchange is one request and its answer, as it goes into the archive.
type Exchange struct {
	URL          string    // the address asked for: becomes WARC-Target-URI as it is
	IP           string    // the peer's address; empty when unknown
	At           time.Time // when the request was sent
	RequestHead  []byte    // request line and headers up to the empty line; nil writes no request record
	ResponseHead []byte    // status line and headers up to the empty line, without Transfer-Encoding
	Body         *Spool    // the payload with its content coding kept and its transfer coding removed; nil for none
	Truncated    string    // "", "length", "time" or "disconnect" (ISO 28500 §5.13)
	Revisit      *Revisit  // set when the payload is not to be stored again
}

// Profiles of a Revisit (ISO 28500 §6.7).
const (
	SamePayload = "identical-payload-digest"
	NotModified = "server-not-modified"
)

// Revisit says that the payload is in the archive already, under an earlier record.
type Revisit struct {
	Profile       string    // SamePayload or NotModified
	RefersToURI   string    // the earlier record's URL
	RefersToDate  time.Time // and its moment
	PayloadDigest string    // the payload's digest, as Append returned it then
}

// Options of a store; the zero value works.
type Options struct {
	SegmentSize int64         // a segment is finished when it has this many bytes; 1 GiB
	SegmentAge  time.Duration // or is this old, looked at on every Append and by a tick of at most a minute; 1 h
	Operator    string        // who crawls, for warcinfo
	UserAgent   string        // how the crawler calls itself, for warcinfo
	Contact     string        // where to complain, for warcinfo
	Log         *slog.Logger  // nothing is logged when nil
	Now         func() time.Time
}

// Store is a folder of segments. All methods may be called at the same time; Close last.
type Store struct {
	root *os.Root
	opt  Options
	log  *slog.Logger
	host string
	pool pools
	grow func(file) file // lets tests make the disk full

	mu      sync.Mutex // of all below
	seg     *segment   // nil until the first Append after a segment was finished
	serial  int
	closing map[*segment]struct{} // full segments that are being finished
	lost    error                 // what finishing a segment in the background met, for the next Sync
	closed  bool

	stop    chan struct{}
	workers sync.WaitGroup
}

// Open opens the store in dir, which is made when it is missing, and finishes the segments of processes that died.
// A segment that cannot be recovered is logged and left alone.
func Open(dir string, o Options) (*Store, error) {
	return open(dir, o, func(f file) file { return f })
}

func open(dir string, o Options, grow func(file) file) (*Store, error) {
	if o.SegmentSize <= 0 {
		o.SegmentSize = 1 << 30
	}
	if o.SegmentAge <= 0 {
		o.SegmentAge = time.Hour
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, storeFault(fmt.Errorf("open archive: %w", err))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, storeFault(fmt.Errorf("open archive: %w", err))
	}
	s := &Store{
		root: root, opt: o, log: o.Log, host: hostName(), grow: grow,
		closing: map[*segment]struct{}{}, stop: make(chan struct{}),
	}
	if err := s.recover(); err != nil {
		_ = root.Close()
		return nil, storeFault(fmt.Errorf("recover archive %s: %w", dir, err))
	}
	s.workers.Go(s.watchAge)
	return s, nil
}

// Append writes x, as a response record (or a revisit) followed by its request record, and returns where the first of them
// lies and its payload's digest ("sha1:…"). When it returns, the records are in the file, but only Sync makes them survive
// the loss of power. After an error nothing of x is in the archive; the error is of kind DiskFull or StoreDown, or Stopped
// when ctx ended first.
func (s *Store) Append(ctx context.Context, x Exchange) (Ref, string, error) {
	if err := ctx.Err(); err != nil {
		return Ref{}, "", fault.New(fault.Stopped, err)
	}
	p, err := s.pack(x)
	if err != nil {
		return Ref{}, "", storeFault(fmt.Errorf("archive %s: %w", x.URL, err))
	}
	defer p.free()
	if err := ctx.Err(); err != nil {
		return Ref{}, "", fault.New(fault.Stopped, err)
	}
	ref, err := s.put(p)
	if err != nil {
		return Ref{}, "", storeFault(fmt.Errorf("archive %s: %w", x.URL, err))
	}
	return ref, p.digest, nil
}

// put appends p to the open segment, under the lock.
func (s *Store) put(p *packed) (Ref, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return Ref{}, os.ErrClosed
	}
	s.retireOld()
	if s.seg == nil {
		seg, err := s.newSegment()
		if err != nil {
			return Ref{}, err
		}
		s.seg = seg
	}
	off, err := s.seg.append(p)
	if err != nil {
		if s.seg.broken {
			s.abandon()
		}
		return Ref{}, err
	}
	ref := Ref{File: s.seg.name, Offset: off, Length: p.first}
	s.seg.note(p.entry.line(ref), s.log)
	if s.seg.size >= s.opt.SegmentSize {
		s.retire()
	}
	return ref, nil
}

// Sync makes everything that was appended before it survive the loss of power.
func (s *Store) Sync() error {
	s.mu.Lock()
	seg := s.seg
	if seg != nil {
		seg.users.Add(1)
	}
	waits := make([]*segment, 0, len(s.closing))
	for c := range s.closing {
		waits = append(waits, c)
	}
	s.mu.Unlock()

	var err error
	if seg != nil {
		if err = seg.f.Sync(); err != nil {
			seg.unsure.Store(true)
		}
		seg.users.Done()
	}
	for _, c := range waits {
		<-c.done
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && s.seg == seg {
		// After a failed fsync nobody can say what is on the disk: write no more into this file.
		s.abandon()
	}
	err = errors.Join(err, s.lost)
	s.lost = nil
	if err != nil {
		return storeFault(fmt.Errorf("sync archive: %w", err))
	}
	return nil
}

// Close finishes the open segment and waits until all are finished. It may be called twice.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	if s.seg != nil {
		s.retire()
	}
	s.mu.Unlock()
	close(s.stop)
	s.workers.Wait()
	err := errors.Join(s.lost, s.root.Close())
	if err != nil {
		return storeFault(fmt.Errorf("close archive: %w", err))
	}
	return nil
}

// retireOld retires the open segment when it is old. The caller holds the lock.
func (s *Store) retireOld() {
	if s.seg != nil && s.opt.Now().Sub(s.seg.born) >= s.opt.SegmentAge {
		s.retire()
	}
}

// retire has the open segment finished in the background: the fsync of a gigabyte must not hold up the crawl.
// The caller holds the lock.
func (s *Store) retire() {
	seg := s.seg
	s.seg = nil
	s.closing[seg] = struct{}{}
	s.workers.Go(func() {
		err := seg.finish(s)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.closing, seg)
		if err != nil {
			s.log.Error("segment not finished: the next start recovers it", "file", seg.name, "err", err)
			s.lost = errors.Join(s.lost, fmt.Errorf("finish %s: %w", seg.name, err))
		}
		close(seg.done)
	})
}

// abandon lets go of a segment that can no longer be written; the next Open recovers it. The caller holds the lock.
func (s *Store) abandon() {
	s.log.Error("segment abandoned: the next start recovers it", "file", s.seg.name)
	seg := s.seg
	s.seg = nil
	s.workers.Go(func() { seg.users.Wait(); seg.close() })
}

// watchAge finishes an old segment even when nothing is appended any more.
func (s *Store) watchAge() {
	tick := time.NewTicker(min(s.opt.SegmentAge, time.Minute))
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			s.mu.Lock()
			if !s.closed {
				s.retireOld()
			}
			s.mu.Unlock()
		}
	}
}

// storeFault gives err its kind: DiskFull when there was no space, else StoreDown.
func storeFault(err error) error {
	switch k := fault.KindOf(err); k {
	case fault.DiskFull, fault.Stopped:
		return fault.New(k, err)
	default:
		return fault.New(fault.StoreDown, err)
	}
}

// file is what a segment needs of an *os.File.
type file interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}
