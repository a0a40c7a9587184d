// Command colly crawls the hosts of its start URLs with Colly, as fast as it goes.
//
//	colly [--cut] [--parallel N] [--store DIR] START_URL... OUTDIR
//
// OUTDIR is there because all peers are called alike; what is kept goes to the folder of --store, and by default nothing is.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gocolly/colly/v2"
)

func main() {
	cut := flag.Bool("cut", false, "cut fragments off links: Colly visits /a and /a#x as two pages")
	parallel := flag.Int("parallel", 16, "requests at a time, on all hosts together")
	store := flag.String("store", "", "folder for the bodies of the pages; none are kept without")
	flag.Parse()
	if flag.NArg() < 2 {
		fmt.Fprintln(os.Stderr, "usage: colly [--cut] [--parallel N] [--store DIR] START_URL... OUTDIR")
		os.Exit(2)
	}
	start := time.Now()
	pages, err := crawl(flag.Args()[:flag.NArg()-1], *parallel, *cut, *store)
	if err != nil {
		fmt.Fprintln(os.Stderr, "colly:", err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(map[string]any{"pages": pages, "seconds": time.Since(start).Seconds()})
}

// crawl visits all that the seeds lead to on their own hosts, and returns how many answers it had.
func crawl(seeds []string, parallel int, cut bool, store string) (int64, error) {
	c := colly.NewCollector(colly.Async(true))
	c.IgnoreRobotsTxt = false // Colly's default is to ignore it
	c.DisableCookies()
	for _, seed := range seeds {
		u, err := url.Parse(seed)
		if err != nil {
			return 0, fmt.Errorf("start url: %w", err)
		}
		c.AllowedDomains = append(c.AllowedDomains, u.Hostname())
	}
	// The default transport keeps two idle connections a host, and with a proxy all hosts are one.
	c.WithTransport(&http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		MaxIdleConnsPerHost: parallel,
		IdleConnTimeout:     time.Minute,
	})
	if err := c.Limit(&colly.LimitRule{DomainGlob: "*", Parallelism: parallel}); err != nil {
		return 0, fmt.Errorf("limit: %w", err)
	}

	var pages atomic.Int64
	var lost atomic.Pointer[error]
	c.OnResponse(func(r *colly.Response) {
		pages.Add(1)
		if store == "" {
			return
		}
		if err := keep(store, r); err != nil {
			lost.CompareAndSwap(nil, &err)
		}
	})
	c.OnHTML("a[href], area[href], link[rel=next]", func(e *colly.HTMLElement) {
		href := e.Attr("href")
		if cut {
			href, _, _ = strings.Cut(href, "#")
		}
		if href != "" {
			_ = e.Request.Visit(href) // fails for other hosts, what was visited before and what robots.txt forbids
		}
	})
	var bad error
	for _, seed := range seeds {
		bad = errors.Join(bad, c.Visit(seed))
	}
	c.Wait()
	if err := lost.Load(); err != nil {
		return pages.Load(), *err
	}
	return pages.Load(), bad
}

// keep writes a body to a file named by its URL.
func keep(dir string, r *colly.Response) error {
	sum := sha256.Sum256([]byte(r.Request.URL.String()))
	name := hex.EncodeToString(sum[:])
	dir = filepath.Join(dir, name[:2])
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := r.Save(filepath.Join(dir, name)); err != nil {
		return fmt.Errorf("store %s: %w", r.Request.URL, err)
	}
	return nil
}
