package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"example.org/trawl/dnscache"
	"example.org/trawl/queue"
	"example.org/trawl/status"
	"example.org/trawl/submit"
)

// finding is what doctor says of one thing.
type finding struct {
	What  string `json:"what"`
	State string `json:"state"` // ok, warning or bad
	Says  string `json:"says"`
	Do    string `json:"do,omitempty"`
}

func ok(what, format string, args ...any) finding {
	return finding{What: what, State: "ok", Says: fmt.Sprintf(format, args...)}
}

func warning(what, says, do string) finding { return finding{what, "warning", says, do} }

func bad(what string, err error, do string) finding { return finding{what, "bad", err.Error(), do} }

func doctorCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check Redis, database, archive, DNS, clock, limits and contact, and say what to do",
		Args:  submit.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			found := a.examine(cmd.Context())
			broken := 0
			for _, f := range found {
				if f.State == "bad" {
					broken++
				}
			}
			if asJSON {
				if err := json.NewEncoder(cmd.OutOrStdout()).Encode(found); err != nil {
					return err
				}
			} else {
				for _, f := range found {
					fmt.Fprintf(cmd.OutOrStdout(), "%-8s %-9s %s\n", f.State, f.What, status.Printable(f.Says))
					if f.Do != "" {
						fmt.Fprintf(cmd.OutOrStdout(), "%-18s → %s\n", "", f.Do)
					}
				}
			}
			if broken > 0 {
				return fmt.Errorf("%d of %d checks are bad", broken, len(found))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) examine(ctx context.Context) []finding {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out := []finding{a.examineContact()}
	out = append(out, a.examineRedis(ctx)...)
	return append(out, a.examineDatabase(ctx), a.examineArchive(), a.examineDNS(ctx), examineLimits())
}

func (a *app) examineContact() finding {
	if a.cfg.Contact == "" {
		return warning("contact", "TRAWL_CONTACT is not set: only the networks in TRAWL_ALLOW_NETS can be crawled", "set it to a URL or an address at which site owners reach you")
	}
	return ok("contact", "the user agent is %s", a.userAgent())
}

func (a *app) examineRedis(ctx context.Context) []finding {
	if a.cfg.RedisURL == "" {
		return []finding{ok("redis", "REDIS_URL is not set: trawl crawl and trawl up need none")}
	}
	rdb, err := queue.OpenBriefly(ctx, a.cfg.RedisURL)
	if err != nil {
		return []finding{bad("redis", err, "start it, or mend REDIS_URL")}
	}
	defer rdb.Close()
	out := []finding{ok("redis", "answers")}
	set := func(name string) string {
		m, err := rdb.ConfigGet(ctx, name).Result()
		if err != nil {
			return "" // a managed Redis forbids to ask: nothing to say
		}
		return m[name]
	}
	if set("appendonly") == "no" && set("save") == "" {
		out = append(out, warning("redis", "it keeps nothing on disk: when it restarts, what is queued is queued again from the database, and submissions on their way are lost",
			"CONFIG SET appendonly yes"))
	}
	if p := set("maxmemory-policy"); p != "" && p != "noeviction" {
		out = append(out, finding{"redis", "bad", "maxmemory-policy is " + p + ": it may throw away queued tasks", "CONFIG SET maxmemory-policy noeviction"})
	}
	return append(out, examineClock(ctx, rdb))
}

// clockSkew is how far this machine's clock may be from Redis's: waiting tasks start early or late by as much.
const clockSkew = 2 * time.Second

func examineClock(ctx context.Context, rdb redis.UniversalClient) finding {
	at, err := rdb.Time(ctx).Result()
	if err != nil {
		return bad("clock", err, "")
	}
	off := time.Since(at).Round(time.Millisecond)
	if off.Abs() > clockSkew {
		return warning("clock", fmt.Sprintf("this machine's clock is %s off that of Redis", off), "keep both by NTP")
	}
	return ok("clock", "%s off that of Redis", off)
}

func (a *app) examineDatabase(ctx context.Context) finding {
	c, err := a.openCatalog(ctx)
	if err != nil {
		return bad("database", err, "")
	}
	path, _ := a.cfg.DatabasePath()
	if err := errors.Join(c.Check(ctx), c.Close()); err != nil {
		return bad("database", err, "")
	}
	return ok("database", "%s can be written", path)
}

// diskLow is the free space below which doctor warns.
const diskLow = 2 << 30

func (a *app) examineArchive() finding {
	dir, err := a.cfg.StoreDir()
	if err != nil {
		return bad("archive", err, "")
	}
	if err := writable(dir); err != nil {
		return bad("archive", err, "check its owner, or name another directory with STORE_URL or TRAWL_DATA")
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return bad("archive", err, "")
	}
	free := int64(fs.Bavail) * int64(fs.Bsize)
	if free < diskLow {
		return warning("archive", fmt.Sprintf("%s has %s free", dir, bytesOf(free)), "make room: about 15 KB a page")
	}
	return ok("archive", "%s can be written, %s free", dir, bytesOf(free))
}

func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".doctor-")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(filepath.Join(dir, filepath.Base(f.Name()))))
}

func (a *app) examineDNS(ctx context.Context) finding {
	who := "the system's resolver"
	if len(a.cfg.DNS) > 0 {
		var s []string
		for _, r := range a.cfg.DNS {
			s = append(s, r.String())
		}
		who = strings.Join(s, ", ")
	}
	r, err := dnscache.New(dnscache.Options{Servers: a.cfg.Resolvers(), Timeout: 3 * time.Second, Log: a.log})
	if err != nil {
		return bad("dns", err, "mend /etc/resolv.conf, or name a resolver in TRAWL_DNS")
	}
	began := time.Now()
	if _, err := r.Lookup(ctx, "example.org"); err != nil {
		return bad("dns", fmt.Errorf("%s: %w", who, err), "check the network, or name another resolver in TRAWL_DNS")
	}
	return ok("dns", "%s answered in %s", who, time.Since(began).Round(time.Millisecond))
}

// filesWanted is how many files and connections a busy worker has open.
const filesWanted = 4096

func examineLimits() finding {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return bad("limits", err, "")
	}
	if l.Cur < filesWanted {
		return warning("limits", fmt.Sprintf("%d open files at once", l.Cur), fmt.Sprintf("ulimit -n %d", filesWanted))
	}
	return ok("limits", "%d open files at once", l.Cur)
}
