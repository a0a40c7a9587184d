package archive

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
)

// checkSize is what Check writes: more than a page usually is, so that a disk with room for nothing else is full already.
const checkSize = 256 << 10

// Check writes a little, durably, and takes it away again. Its error is that of an Append.
func (s *Store) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	name := "check-" + rand.Text()
	f, err := s.root.Create(name)
	if err != nil {
		return storeFault(fmt.Errorf("check archive: %w", err))
	}
	err = s.root.Remove(name) // at once: a process that is killed meanwhile leaves nothing behind
	if err == nil {
		_, err = s.grow(f).WriteAt(make([]byte, checkSize), 0)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return storeFault(fmt.Errorf("check archive: %w", err))
	}
	return nil
}
