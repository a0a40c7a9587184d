package archive

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1" // what WARC tools check
	"encoding/base32"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"strings"
)

// spoolMemory is how much of a body is kept in memory before it goes to a file.
const spoolMemory = 256 << 10

const spoolSuffix = ".spool"

// Spool collects a body as it arrives: in memory up to 256 KiB, then in a temporary file in the store's folder. It is for one
// goroutine at a time, and must be closed.
type Spool struct {
	temp   func() (*os.File, error)
	mem    bytes.Buffer
	f      *os.File
	size   int64
	sum    hash.Hash
	err    error // of the first write that failed: the spool is of no use then
	closed bool
}

// NewSpool returns an empty spool.
func (s *Store) NewSpool() *Spool { return &Spool{temp: s.temp, sum: sha1.New()} }

// Write adds p. After an error, which is of kind DiskFull or StoreDown, the spool takes no more.
func (sp *Spool) Write(p []byte) (int, error) {
	if sp.err != nil {
		return 0, sp.err
	}
	n, err := sp.write(p)
	sp.size += int64(n)
	sp.sum.Write(p[:n])
	if err != nil {
		sp.err = storeFault(fmt.Errorf("spool: %w", err))
	}
	return n, sp.err
}

func (sp *Spool) write(p []byte) (int, error) {
	if sp.closed {
		return 0, os.ErrClosed
	}
	if sp.f == nil && sp.size+int64(len(p)) <= spoolMemory {
		return sp.mem.Write(p)
	}
	if sp.f == nil {
		f, err := sp.temp()
		if err != nil {
			return 0, err
		}
		sp.f = f
		if _, err := f.Write(sp.mem.Bytes()); err != nil {
			return 0, err
		}
		sp.mem = bytes.Buffer{}
	}
	return sp.f.Write(p)
}

// Bytes is the body so far, if all of it is in memory, and nil if not. It is good also after Close, and is not to be changed.
func (sp *Spool) Bytes() []byte {
	if sp.f != nil {
		return nil
	}
	return sp.mem.Bytes()
}

// Size is the number of bytes so far.
func (sp *Spool) Size() int64 { return sp.size }

// Digest is the digest of the bytes so far: "sha1:" and base 32.
func (sp *Spool) Digest() string { return digestString(sp.sum) }

// Reader reads the body from its start. Each call returns a reader of its own; none works after Close.
func (sp *Spool) Reader() io.ReadSeeker {
	if sp.f != nil {
		return io.NewSectionReader(sp.f, 0, sp.size)
	}
	return bytes.NewReader(sp.mem.Bytes())
}

// Close frees the memory and the file. It may be called twice.
func (sp *Spool) Close() error {
	sp.closed = true
	sp.mem = bytes.Buffer{}
	if sp.f == nil {
		return nil
	}
	err := sp.f.Close()
	sp.f, sp.size = nil, 0
	return err
}

// temp makes a temporary file that has no name: it is unlinked at once, so that the kernel frees it whatever becomes of us.
// A process that dies between the two steps leaves an empty file, which removeSpools takes away.
func (s *Store) temp() (*os.File, error) {
	name := rand.Text() + spoolSuffix
	f, err := s.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := s.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// removeSpools removes the names that dead processes left. A living process that has just made one does not need the name either.
func (s *Store) removeSpools(names []string) {
	for _, n := range names {
		if strings.HasSuffix(n, spoolSuffix) {
			if err := s.root.Remove(n); err != nil && !errors.Is(err, fs.ErrNotExist) {
				s.log.Warn("leftover spool stays", "file", n, "err", err)
			}
		}
	}
}

func digestString(h hash.Hash) string {
	return "sha1:" + base32.StdEncoding.EncodeToString(h.Sum(nil))
}
