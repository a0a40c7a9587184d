package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/lmittmann/tint"
	"github.com/mattn/go-isatty"

	"example.org/trawl/archive"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/config"
	"example.org/trawl/dnscache"
	"example.org/trawl/fetch"
	"example.org/trawl/handlers"
	"example.org/trawl/pipeline"
	"example.org/trawl/queue"
)

// agent is how robots.txt and robots metas name the crawler.
const agent = "Trawl"

// app is what every command has: its configuration and its log.
type app struct {
	cfg config.Config
	log *slog.Logger
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "0.1.0"
}

func newLog(c config.Log) *slog.Logger {
	terminal := isatty.IsTerminal(os.Stderr.Fd())
	asJSON := !terminal
	if c.JSON != nil {
		asJSON = *c.JSON
	}
	var h slog.Handler = tint.NewTextHandler(os.Stderr, &tint.Options{Level: c.Level, NoColor: !terminal || os.Getenv("NO_COLOR") != ""})
	if asJSON {
		h = slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: c.Level})
	}
	log := slog.New(h)
	slog.SetDefault(log) // net/http and others write through the standard logger
	queue.QuietRedis(log)
	return log
}

// parts are the pieces that the stages are made of.
type parts struct {
	catalog *sqlite.Catalog
	archive *archive.Store
	web     *fetch.Client
	dns     *dnscache.Resolver
	crawler *handlers.Crawler
	closers []io.Closer
	// slack is counted by the garbage collector and takes no memory, for nobody touches it: the collector runs when there is as much
	// garbage as that, and not already when there is as much as the little that a crawl keeps.
	slack []byte
}

const slackSize = 96 << 20

// window is how many pages are handed out in all, at most.
const window = 16_000

// patience is how long a host may be in trouble before its pages fail, where nobody waits for the end of the crawl.
const patience = 24 * time.Hour

// maxBody is the largest body that is kept whole.
const maxBody = 64 << 20

// open puts the pieces together. Gate and work are those of the runner.
func (a *app) open(ctx context.Context, gate handlers.Gate, work handlers.Work) (*parts, error) {
	p := &parts{}
	if err := a.openParts(ctx, p); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	p.crawler = &handlers.Crawler{
		Catalog: p.catalog, Gate: gate, DNS: p.dns, Web: p.web, Archive: p.archive, Work: work, Log: a.log,
		Policy: handlers.Policy{Agent: agent, HasContact: a.cfg.Contact != "", AllowNets: a.cfg.Prefixes(), MaxBody: maxBody, Window: window, Patience: patience},
	}
	return p, nil
}

func (a *app) openParts(ctx context.Context, p *parts) error {
	var err error
	if p.catalog, err = a.openCatalog(ctx); err != nil {
		return err
	}
	p.closers = append(p.closers, p.catalog)
	dir, err := a.cfg.StoreDir()
	if err != nil {
		return err
	}
	if p.archive, err = archive.Open(dir, archive.Options{Operator: agent, UserAgent: a.userAgent(), Contact: a.cfg.Contact, Log: a.log}); err != nil {
		return fmt.Errorf("archive %s: %w", dir, err)
	}
	p.closers = append(p.closers, p.archive)
	if p.dns, err = dnscache.New(dnscache.Options{Servers: a.cfg.Resolvers(), HostsFile: "/etc/hosts", Log: a.log}); err != nil {
		return fmt.Errorf("resolver: %w", err)
	}
	p.web = a.newWeb(a.cfg.Prefixes())
	return nil
}

func (a *app) newWeb(allow []netip.Prefix) *fetch.Client {
	return fetch.New(fetch.Options{UserAgent: a.userAgent(), AllowNets: allow, MaxBody: maxBody, PerHost: 16})
}

func (a *app) openCatalog(ctx context.Context) (*sqlite.Catalog, error) {
	path, err := a.cfg.DatabasePath()
	if err != nil {
		return nil, err
	}
	return sqlite.Open(ctx, path, a.log)
}

func (a *app) userAgent() string {
	ua := agent + "/" + version()
	if a.cfg.Contact != "" {
		ua += " (+" + a.cfg.Contact + ")"
	}
	return ua
}

// Close closes the pieces, the last opened first. A second call does nothing.
func (p *parts) Close() error {
	runtime.KeepAlive(p.slack)
	var errs []error
	if p.web != nil {
		p.web.Close()
	}
	for _, c := range slices.Backward(p.closers) {
		errs = append(errs, c.Close())
	}
	p.closers = nil
	return errors.Join(errs...)
}

func (p *parts) line(r pipeline.Recorder, log *slog.Logger) *pipeline.Line {
	p.slack = make([]byte, slackSize)
	return pipeline.New(p.crawler.Stages(), p.crawler, r, log)
}

var errNoContact = errors.New("TRAWL_CONTACT is not set: give the sites a way to reach you, a URL or an address, as in TRAWL_CONTACT=https://example.org/bot" +
	" (without it only the networks in TRAWL_ALLOW_NETS are crawled)")

// checkContact refuses to crawl without a contact, unless private networks are all that is meant.
func (a *app) checkContact() error {
	if a.cfg.Contact == "" && len(a.cfg.AllowNets) == 0 {
		return errNoContact
	}
	return nil
}

var errNoRedis = errors.New("REDIS_URL is not set: say where Redis is, as in REDIS_URL=redis://localhost:6379 (or use trawl crawl or trawl up, which need none)")
