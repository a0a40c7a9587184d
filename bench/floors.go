package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"example.org/trawl/archive"
	"example.org/trawl/extract"
)

// floors are what a crawler cannot do without, by itself: nothing that keeps everything is faster than they are together.
func floors() []entrant {
	return []entrant{
		{"floor: GET", "nothing", floor("get"), true},
		{"floor: GET and parse", "nothing", floor("parse"), true},
		{"floor: WARC", "WARC", floor("warc"), true},
		{"floor: catalog", "database", floor("catalog"), true},
		{"floor: index", "full text", floor("index"), true},
	}
}

// measured is what a floor says of itself: pages that it got beforehand are not counted.
type measured struct{ Took, CPU time.Duration }

// floor runs this program again as the floor of that kind.
func floor(kind string) func(context.Context, *course) error {
	return func(ctx context.Context, c *course) error {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		list := filepath.Join(c.dir, "urls")
		if err := os.WriteFile(list, []byte(strings.Join(c.web.urls(), "\n")), 0o600); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, self, "floor", kind, list, c.proxy(), filepath.Join(c.dir, "out"))
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return err
		}
		var m measured
		if err := json.Unmarshal(out, &m); err != nil {
			return fmt.Errorf("%w in %q", err, out)
		}
		c.took, c.used = m.Took, append(c.used, usage{name: "floor", cpu: m.CPU, peak: cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10})
		return nil
	}
}

// urls are the pages that are to be found.
func (w *web) urls() (all []string) {
	for u := range w.stored {
		all = append(all, u)
	}
	slices.Sort(all)
	return all
}

// atOnce is how many pages a floor has in hand.
const atOnce = 16

// runFloor is the program that floor starts: kind, list of URLs, proxy, folder.
func runFloor(args []string, out io.Writer) error {
	if len(args) != 4 {
		return errors.New("floor KIND LIST PROXY FOLDER")
	}
	list, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	urls := strings.Split(string(list), "\n")
	get := getter(args[2])
	var m measured
	switch args[0] {
	case "get":
		m, err = measure(urls, func(u string) error { _, _, err := get(u); return err })
	case "parse":
		m, err = measure(urls, func(u string) error {
			body, contentType, err := get(u)
			if err == nil && strings.HasPrefix(contentType, "text/html") {
				_, err = extract.HTML(body, contentType, u, "bench")
			}
			return err
		})
	case "warc":
		m, err = warcFloor(urls, get, args[3])
	case "catalog", "index":
		m, err = rowsFloor(urls, get, args[3], args[0])
	default:
		err = fmt.Errorf("there is no floor %q", args[0])
	}
	return errors.Join(err, json.NewEncoder(out).Encode(m))
}

// getter gets pages through a proxy.
func getter(proxy string) func(string) (body []byte, contentType string, err error) {
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: proxy}), MaxIdleConnsPerHost: atOnce}}
	return func(u string) ([]byte, string, error) {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, u, nil)
		if err != nil {
			return nil, "", err
		}
		resp, err := client.Do(req)
		if err != nil {
			return nil, "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return body, resp.Header.Get("Content-Type"), err
	}
}

// warcFloor appends pages to an archive that it has got before.
func warcFloor(urls []string, get func(string) ([]byte, string, error), dir string) (measured, error) {
	bodies := map[string][]byte{}
	for _, u := range urls {
		body, _, err := get(u)
		if err != nil {
			return measured{}, err
		}
		bodies[u] = body
	}
	store, err := archive.Open(dir, archive.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return measured{}, err
	}
	m, err := measure(urls, func(u string) error {
		spool := store.NewSpool()
		defer spool.Close()
		if _, err := io.Copy(spool, bytes.NewReader(bodies[u])); err != nil {
			return err
		}
		_, _, err := store.Append(context.Background(), archive.Exchange{
			URL: u, IP: "127.0.0.1", At: time.Now(), RequestHead: []byte("GET / HTTP/1.1\r\n\r\n"), ResponseHead: []byte("HTTP/1.1 200 OK\r\n\r\n"), Body: spool,
		})
		return err
	})
	return m, errors.Join(err, store.Close())
}

// measure does something for each URL, and says what that took.
func measure(urls []string, do func(string) error) (measured, error) {
	return timed(func() error { return each(atOnce, urls, do) })
}

// timed says what do took.
func timed(do func() error) (measured, error) {
	began, cpu := time.Now(), ownCPU()
	err := do()
	return measured{time.Since(began), ownCPU() - cpu}, err
}

// each does something for all, so many at a time.
func each[T any](n int, all []T, do func(T) error) error {
	next := make(chan T)
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			for v := range next {
				errs[i] = errors.Join(errs[i], do(v))
			}
		})
	}
	for _, v := range all {
		next <- v
	}
	close(next)
	wg.Wait()
	return errors.Join(errs...)
}

// ownCPU is what this process has needed.
func ownCPU() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // fails only on bad arguments
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
