package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"example.org/trawl/lab"
)

// web is the simulated web, in a process of its own.
type web struct {
	p       *process
	control string
	dns     string
	port    int
	roots   []string
	pages   int // that are to be found from the roots
	stored  map[string]bool
}

// openWeb starts a web, and asks it what there is to be found.
func openWeb(ctx context.Context, o options, dir string) (w *web, err error) {
	bin, err := filepath.Abs(filepath.Join(o.bin, "trawl"))
	if err != nil {
		return nil, err
	}
	w = &web{}
	w.p, err = start(ctx, dir, "web", nil, bin, "lab", "serve", "--plain", "--seed", strconv.Itoa(o.seed), "--hosts", strconv.Itoa(o.hosts),
		"--pages", strconv.Itoa(o.pages), "--addresses", "1", "--port", "0", "--dns-port", "0", "--control-port", "0")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_, cerr := w.close()
			err = errors.Join(err, cerr)
		}
	}()
	if err := w.await(ctx); err != nil {
		return nil, err
	}
	err = ask(ctx, w, "/_hosts", func(hosts []lab.Site) {
		for _, h := range hosts {
			w.roots = append(w.roots, h.URL)
		}
	})
	if err != nil {
		return nil, err
	}
	w.stored = map[string]bool{}
	err = ask(ctx, w, "/_truth?digests=0&scope=any", func(t lab.Truth) {
		for _, p := range t.Pages {
			if p.Stored {
				w.stored[p.URL] = true
			}
		}
	})
	if err != nil {
		return nil, err
	}
	w.pages = len(w.stored)
	return w, nil
}

// await waits until the web says where it is.
func (w *web) await(ctx context.Context) error {
	for ctx.Err() == nil {
		text, err := os.ReadFile(w.p.log)
		if err != nil {
			return err
		}
		lines := bufio.NewScanner(strings.NewReader(string(text)))
		for lines.Scan() {
			var up struct {
				Msg     string `json:"msg"`
				Port    int    `json:"port"`
				DNS     string `json:"dns"`
				Control string `json:"control"`
			}
			if json.Unmarshal(lines.Bytes(), &up) == nil && up.Msg == "lab is up" {
				w.control, w.dns, w.port = up.Control, up.DNS, up.Port
				return nil
			}
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// ask asks the web for its own view, and hands what it says to take, value by value.
func ask[T any](ctx context.Context, w *web, path string, take func(T)) error {
	return tell(ctx, w, http.MethodGet, path, nil, take)
}

// trouble makes the web misbehave.
func (w *web) trouble(ctx context.Context, t lab.Trouble) error {
	body, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return tell(ctx, w, http.MethodPost, "/_trouble", bytes.NewReader(body), func(lab.Trouble) {})
}

func tell[T any](ctx context.Context, w *web, method, path string, body io.Reader, take func(T)) error {
	req, err := http.NewRequestWithContext(ctx, method, w.control+path, body)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	for values := json.NewDecoder(resp.Body); ; {
		var v T
		if err := values.Decode(&v); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		take(v)
	}
}

// visits is what somebody asked for.
type visits struct {
	pages    int // different ones that he was given, of those that are to be found
	requests int
}

// check fails unless these are as many pages at least, and nothing but each one's only visit and one of each host's robots.txt.
func (v visits) check(pages, hosts int) error {
	switch {
	case v.pages < pages:
		return fmt.Errorf("it got %d of %d pages", v.pages, pages)
	case v.requests > v.pages+hosts:
		return fmt.Errorf("it made %d requests for %d pages of %d hosts", v.requests, v.pages, hosts)
	}
	return nil
}

// got counts what was asked for since the web began.
func (w *web) got(ctx context.Context) (v visits, err error) {
	seen := map[string]bool{}
	err = ask(ctx, w, "/_log", func(r lab.Request) {
		v.requests++
		path := r.Path
		if _, rest, ok := strings.Cut(path, "://"); ok { // as a proxy is asked, by wget2 without the port
			path = rest[strings.IndexByte(rest+"/", '/'):]
		}
		u := "http://" + net.JoinHostPort(r.Host, strconv.Itoa(w.port)) + path
		if r.Method == http.MethodGet && r.Status == http.StatusOK && w.stored[u] && !seen[u] {
			seen[u] = true
			v.pages++
		}
	})
	return v, err
}

// close ends the web.
func (w *web) close() (usage, error) { return w.p.stop() }
