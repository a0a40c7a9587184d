package scenario

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"example.org/trawl/lab"
	"example.org/trawl/observe"
)

// trouble has the web misbehave.
func trouble(of func(*stand) lab.Trouble) func(context.Context, *stand) error {
	return func(_ context.Context, s *stand) error { return s.web.SetTrouble(of(s)) }
}

// noTrouble has it behave again.
func noTrouble(_ context.Context, s *stand) error { return s.web.SetTrouble(lab.Trouble{}) }

// each says the same of all.
func each[V any](names []string, v V) map[string]V {
	out := map[string]V{}
	for _, name := range names {
		out[name] = v
	}
	return out
}

// eachSecond does something once a second.
func eachSecond(f func(ctx context.Context, s *stand, i int) error) func(context.Context, *stand) error {
	return func(ctx context.Context, s *stand) error {
		for i := 0; ctx.Err() == nil; i++ {
			if err := f(ctx, s, i); err != nil && ctx.Err() == nil {
				return err
			}
			pause(ctx, time.Second)
		}
		return nil
	}
}

// pause lets time pass.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// origin is where a page's host is.
func origin(page string) string {
	u, err := url.Parse(page)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// memory is what Redis uses, in bytes.
func (s *stand) memory(ctx context.Context) (int64, error) {
	r := observe.RedisOf(s.rdb)(ctx)
	if r.Err != "" {
		return 0, errors.New(r.Err)
	}
	return r.Used, nil
}

// hog holds the lock of the database again and again, with pauses in which others have it.
func (s *stand) hog(ctx context.Context) error {
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: filepath.Join(s.dir, "data", "catalog.db")}).EscapedPath()+"?_txlock=immediate&_pragma=busy_timeout(10000)")
	if err != nil {
		return err
	}
	defer db.Close()
	for ctx.Err() == nil {
		tx, err := db.BeginTx(context.WithoutCancel(ctx), nil)
		if err != nil {
			return err
		}
		pause(ctx, time.Duration(1000+s.rng.IntN(1000))*time.Millisecond)
		if err := tx.Rollback(); err != nil {
			return err
		}
		pause(ctx, 100*time.Millisecond)
	}
	return nil
}

// makeRoom takes away what fills the disk.
func (s *stand) makeRoom() error { return os.Remove(s.ballast()) }
