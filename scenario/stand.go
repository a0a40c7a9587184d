package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/embedded"
	"example.org/trawl/lab"
	"example.org/trawl/observe"
	"example.org/trawl/queue"
	"example.org/trawl/status"
	"example.org/trawl/tasks"
)

// What is crawled all the while: hosts in order, with so many pages each, so slowly that the machine has little to do.
const (
	hosts     = 150 // of the web
	allPages  = 60_000
	baseHosts = 30
	basePages = 240 // of each
	baseDelay = 1500 * time.Millisecond
)

// submitters are who submits when all is well: nobody has half of it.
var submitters = []string{"ann", "ben", "dora"}

// stand is a crawl with everything of its own: a directory, a Redis, a simulated web, and processes. It ends with its runner.
type stand struct {
	dir     string
	trawl   string // the program
	env     []string
	rng     *rand.Rand
	log     *slog.Logger
	web     *lab.Web
	redis   *embedded.Redis
	rdb     redis.UniversalClient
	catalog *sqlite.Catalog
	client  *queue.Client
	procs   []*proc
	pages   map[string][]string // URLs by host
	base    []string            // names of the hosts that are crawled all the while
	bulk    []string            // and of the others, those with the most pages first
	store   string              // of the archive; empty: in the data directory
	who     string              // who is to be named
	closers []func() error      // the last first
}

// newStand starts everything but the crawl.
func newStand(ctx context.Context, o Options, sc Scenario, dir string) (s *stand, err error) {
	s = &stand{dir: dir, trawl: o.Trawl, rng: rand.New(rand.NewPCG(o.Seed, 11)), log: o.Log, who: sc.Who}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	c := lab.Config{Seed: o.Seed, Hosts: hosts, Pages: allPages, Plain: true, NoLog: true, Log: o.Log}
	if sc.web != nil {
		sc.web(&c)
	}
	if s.web, err = lab.Start(ctx, c); err != nil {
		return s, err
	}
	s.closers = append(s.closers, s.web.Close)
	if err = s.know(); err != nil {
		return s, err
	}
	if sc.place != nil {
		if err = sc.place(s); err != nil {
			return s, err
		}
	}
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return s, err
	}
	if s.redis, err = embedded.Server(ctx, path, filepath.Join(dir, "redis")); err != nil {
		return s, err
	}
	s.closers = append(s.closers, s.redis.Close)
	if s.rdb, err = queue.OpenBriefly(ctx, s.redis.URL); err != nil {
		return s, err
	}
	s.closers, s.client = append(s.closers, s.rdb.Close), queue.NewClient(s.rdb)
	data := filepath.Join(dir, "data")
	if s.catalog, err = sqlite.Open(ctx, filepath.Join(data, "catalog.db"), o.Log); err != nil {
		return s, err
	}
	s.closers = append(s.closers, s.catalog.Close)
	s.env = []string{"REDIS_URL=" + s.redis.URL, "TRAWL_DATA=" + data, "TRAWL_DNS=" + s.web.DNS(), "TRAWL_ALLOW_NETS=127.0.1.0/24", "PORT=0", "TRAWL_LOG=info,json"}
	if s.store != "" {
		s.env = append(s.env, "STORE_URL=file://"+s.store)
	}
	s.closers = append(s.closers, s.stopAll)
	workers := 2
	if sc.alone {
		workers = 1
	}
	err = s.start("scheduler")
	for range workers {
		err = errors.Join(err, s.start("worker"))
	}
	return s, err
}

// know lists the pages that there are, and draws which hosts are crawled all the while.
func (s *stand) know() error {
	truth, err := s.web.TruthFor(lab.Ask{MaxDepth: 0, NoDigests: true})
	if err != nil {
		return err
	}
	s.pages = map[string][]string{}
	var names []string
	for _, p := range truth.Pages {
		u, err := url.Parse(p.URL)
		if err != nil {
			return err
		}
		name := u.Hostname()
		if s.pages[name] == nil {
			names = append(names, name)
		}
		s.pages[name] = append(s.pages[name], p.URL)
	}
	large := names[1 : baseHosts+11] // the first may be a giant
	for i, k := range s.rng.Perm(len(large)) {
		if i < baseHosts {
			s.base = append(s.base, large[k])
		}
	}
	for _, name := range names {
		if !slices.Contains(s.base, name) {
			s.bulk = append(s.bulk, name)
		}
	}
	return nil
}

// close ends everything, whatever state it is in.
func (s *stand) close() error {
	var errs []error
	for _, end := range slices.Backward(s.closers) {
		errs = append(errs, end())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// look is what trawl why sees when no process says how things are.
func (s *stand) look() observe.Look {
	dirs := []string{filepath.Join(s.dir, "data")}
	if s.store != "" {
		dirs = append(dirs, s.store)
	}
	return observe.Look{Catalog: s.catalog, Queues: status.NewQueues(s.rdb), Redis: observe.RedisOf(s.rdb), Dirs: dirs}
}

// some are n of the hosts that are crawled all the while, drawn anew for each seed.
func (s *stand) some(n int) (out []string) {
	for _, i := range s.rng.Perm(len(s.base))[:n] {
		out = append(out, s.base[i])
	}
	return out
}

// set is what some settings of a crawl are.
type set map[string]any

// submit has somebody submit URLs to a crawl.
func (s *stand) submit(ctx context.Context, crawl, who string, named set, urls ...string) error {
	return s.admit(ctx, tasks.Admit{Crawl: crawl, Submitter: who}, named, urls)
}

// admit submits URLs as enqueue does, so many at once.
func (s *stand) admit(ctx context.Context, t tasks.Admit, named set, urls []string) (err error) {
	if named == nil {
		named = set{}
	}
	named["max_pages"] = 1_000_000
	if t.Settings, err = json.Marshal(named); err != nil {
		return err
	}
	t.Origin = tasks.OriginSeed
	for part := range slices.Chunk(urls, 500) {
		t.Batch, t.URLs = tasks.NewID(), part
		if err := s.client.Enqueue(ctx, tasks.Next{Task: t}); err != nil {
			return err
		}
	}
	return nil
}

// load submits what is crawled all the while.
func (s *stand) load(ctx context.Context) error {
	by := map[string][]string{}
	for i, name := range s.base {
		who := submitters[i%len(submitters)]
		by[who] = append(by[who], s.pages[name][:min(basePages, len(s.pages[name]))]...)
	}
	for _, who := range submitters {
		if err := s.submit(ctx, "base", who, set{"delay": baseDelay, "per_host": 1}, by[who]...); err != nil {
			return err
		}
	}
	return nil
}

// flock has all submit pages of other hosts, in turns, to be visited as fast as those answer.
func (s *stand) flock(ctx context.Context, names []string, each, perHost int) error {
	by := map[string][]string{}
	for i, name := range names {
		who := submitters[i%len(submitters)]
		by[who] = append(by[who], s.pages[name][:min(each, len(s.pages[name]))]...)
	}
	for _, who := range submitters {
		if err := s.submit(ctx, "bulk", who, set{"delay": 0, "per_host": perHost, "no_adapt": true, "no_index": true}, by[who]...); err != nil {
			return err
		}
	}
	return nil
}

// cancel ends the waiting pages of a crawl, as trawl cancel does.
func (s *stand) cancel(ctx context.Context, crawl string) error {
	_, err := s.catalog.Cancel(ctx, catalog.Choice{Crawl: crawl}, string(tasks.Cancelled), time.Now())
	return err
}

// counts says how many pages of a crawl are in each state.
func (s *stand) counts(ctx context.Context, crawl string) (catalog.Counts, error) {
	all, err := s.catalog.Status(ctx)
	for _, t := range all {
		if t.Crawl == crawl {
			return t.Counts, err
		}
	}
	return catalog.Counts{}, err
}

// redisPID is the process of the redis-server.
func (s *stand) redisPID(ctx context.Context) (int, error) {
	text, err := s.rdb.Info(ctx, "server").Result()
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(text, "process_id:")
	pid, _, _ := strings.Cut(rest, "\r")
	return strconv.Atoi(pid)
}

// proc is a process of the crawl.
type proc struct {
	role  string
	cmd   *exec.Cmd
	ended chan struct{}
}

// start starts a process whose log goes to a file. It hears nothing of the terminal's Ctrl-C, and does not outlive its runner.
func (s *stand) start(role string) error {
	log, err := os.Create(filepath.Join(s.dir, fmt.Sprintf("%s-%d.log", role, len(s.procs))))
	if err != nil {
		return err
	}
	defer log.Close()
	p := &proc{role: role, cmd: exec.Command(s.trawl, role), ended: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = s.env, log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start %s %s: %w", s.trawl, role, err)
	}
	go func() {
		_ = p.cmd.Wait() // that it ended is all that counts
		close(p.ended)
	}()
	s.procs = append(s.procs, p)
	return nil
}

// are lists the processes of that role that run.
func (s *stand) are(role string) (out []*proc) {
	for _, p := range s.procs {
		if p.role == role && p.running() {
			out = append(out, p)
		}
	}
	return out
}

func (p *proc) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// signal sends a signal to all processes that run.
func (s *stand) signal(sig syscall.Signal) {
	for _, p := range s.procs {
		if p.running() {
			_ = p.cmd.Process.Signal(sig) // it may have ended just now
		}
	}
}

// stopTime is how long a process may take to end before it is killed.
const stopTime = 10 * time.Second

// stop ends processes: they are asked to, and then made to.
func stop(procs ...*proc) {
	for _, p := range procs {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // as above
	}
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	late := false
	for _, p := range procs {
		if !late {
			select {
			case <-p.ended:
				continue
			case <-timer.C:
				late = true
			}
		}
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

func (s *stand) stopAll() error {
	s.signal(syscall.SIGCONT)
	stop(s.procs...)
	return nil
}
