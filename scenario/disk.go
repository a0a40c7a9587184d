package scenario

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// smallDisk mounts a disk in memory for the archive. It has room for more than the diagnosis calls little.
func smallDisk(s *stand) error {
	dir := filepath.Join(s.dir, "disk")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := syscall.Mount("trawl", dir, "tmpfs", 0, "size=400m"); err != nil {
		return fmt.Errorf("mount a small disk at %s: %w: it takes root, on a machine that lets root mount", dir, err)
	}
	s.closers = append(s.closers, func() error { return syscall.Unmount(dir, syscall.MNT_DETACH) })
	s.store = filepath.Join(dir, "warc")
	return nil
}

// fill writes a file until the disk is full.
func (s *stand) fill() error {
	f, err := os.Create(s.ballast())
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	for err == nil {
		_, err = f.Write(block)
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

func (s *stand) ballast() string { return filepath.Join(filepath.Dir(s.store), "ballast") }
