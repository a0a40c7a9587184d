package lab

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a web for the length of the test.
func start(t testing.TB, c Config) *Web {
	t.Helper()
	w, err := Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// client follows no redirects and decodes nothing.
func client(t testing.TB, w *Web) *http.Client {
	t.Helper()
	tr := &http.Transport{DialContext: w.DialContext, DisableCompression: true, MaxIdleConnsPerHost: 16}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

type reply struct {
	*http.Response
	body []byte
}

func ask(t testing.TB, c *http.Client, method, url string, header ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res, body}
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// TestTruthIsWhatIsServed asks for every page and compares what comes with what the truth says of it.
func TestTruthIsWhatIsServed(t *testing.T) {
	for _, coding := range []string{"", "gzip", "br", "zstd"} {
		t.Run("coding="+coding, func(t *testing.T) {
			w := start(t, Config{Seed: 7, Pages: 300, Errors: true})
			c, coded, chunked, digests := client(t, w), 0, 0, make(map[string]string)
			for _, p := range w.Truth().Pages {
				res := ask(t, c, "GET", p.FinalURL, "Accept-Encoding", coding)
				body := res.body
				if enc := res.Header.Get("Content-Encoding"); enc != "" {
					if enc != coding {
						t.Fatalf("%s: answered in %q, asked for %q", p.URL, enc, coding)
					}
					coded++
					body = decode(t, enc, body)
				}
				if res.ContentLength < 0 {
					chunked++
				}
				if want := cmp.Or(p.Status, 200); res.StatusCode != want && p.Digest != "" {
					t.Errorf("%s: status %d, want %d", p.URL, res.StatusCode, want)
				}
				if p.Digest == "" {
					continue
				}
				if digest(body) != p.Digest || len(body) != p.Size {
					t.Errorf("%s: %d bytes %s, the truth says %d bytes %s", p.URL, len(body), digest(body), p.Size, p.Digest)
				}
				if mime, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";"); mime != p.MIME {
					t.Errorf("%s: type %q, the truth says %q", p.URL, mime, p.MIME)
				}
				if other := digests[p.Digest]; other != "" && other != p.FinalURL {
					t.Errorf("%s and %s are the same", p.FinalURL, other)
				}
				digests[p.Digest] = p.FinalURL
			}
			if (coded == 0) != (coding == "") || chunked == 0 {
				t.Errorf("%d answers coded with %q, %d chunked", coded, coding, chunked)
			}
		})
	}
}

func decode(t testing.TB, coding string, b []byte) []byte {
	t.Helper()
	var r io.Reader
	var err error
	switch coding {
	case "gzip":
		r, err = gzip.NewReader(bytes.NewReader(b))
	case "br":
		r = brotli.NewReader(bytes.NewReader(b))
	case "zstd":
		var d *zstd.Decoder
		d, err = zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1))
		if err == nil {
			defer d.Close()
		}
		r = d
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", coding, err)
	}
	return out
}

// webDigest is one figure for all bytes of a web.
func webDigest(seed uint64, pages int) string {
	m := newModel(Config{Seed: seed, Hosts: 3, Pages: pages}, 8080)
	var all []byte
	for _, s := range m.sites {
		all = append(all, m.robots(s)...)
		for k := range s.pages {
			all = m.appendURL(all, s, k)
			if kd := m.kind(s, k); kd.document() {
				all = m.appendBody(all, s, k, kd)
			}
		}
	}
	return digest(all)
}

func TestSameSeedSameBytes(t *testing.T) {
	if a, b := webDigest(7, 200), webDigest(7, 200); a != b {
		t.Errorf("seed 7 gave %s, then %s", a, b)
	}
	if webDigest(7, 200) == webDigest(8, 200) {
		t.Error("seeds 7 and 8 gave the same web")
	}
}

func TestEveryKindIsThere(t *testing.T) {
	m := newModel(Config{Seed: 7, Hosts: 3, Pages: 300, Errors: true}, 8080)
	for _, s := range m.sites {
		found := make(map[kind]bool)
		for k := range s.pages {
			found[m.kind(s, k)] = true
			u, err := url.Parse(m.url(s, k))
			if err != nil {
				t.Fatal(err)
			}
			if at, hop, ok := m.find(s, u.Path, u.RawQuery); !ok || at != k || hop != 0 {
				t.Errorf("%s is found as page %d, hop %d, %v; want %d", u, at, hop, ok, k)
			}
		}
		for k := range kindCount {
			if !found[k] {
				t.Errorf("%s has no page of kind %d", s.name, k)
			}
		}
	}
}

func TestSizes(t *testing.T) {
	for _, plain := range []bool{true, false} {
		m := newModel(Config{Seed: 7, Hosts: 3, Pages: 2000, Plain: plain}, 8080)
		var sizes []int
		sum, text, utf8 := 0, 0, 0
		for _, s := range m.sites {
			for k := range s.pages {
				kd := m.kind(s, k)
				if !kd.html() {
					continue
				}
				body := m.appendPage(nil, s, k, kd)
				sizes, sum = append(sizes, len(body)), sum+len(body)
				if m.look(s, k, kd).charset == utf8Charset {
					utf8 += len(body)
					text += visible(t, body)
				}
			}
		}
		slices.Sort(sizes)
		median, mean, share := sizes[len(sizes)/2], sum/len(sizes), float64(text)/float64(utf8)
		t.Logf("plain=%v: %d pages, %d to %d bytes, median %d, mean %d, visible text %.0f %%", plain, len(sizes), sizes[0], sizes[len(sizes)-1], median, mean, 100*share)
		if median < 15_000 || median > 40_000 || mean < 25_000 || mean > 50_000 || sizes[0] < 2000 || sizes[len(sizes)-1] > 600_000 {
			t.Error("sizes are not those of the web")
		}
		if share < 0.4 || share > 0.7 {
			t.Errorf("visible text is %.2f of the bytes", share)
		}
	}
}

func TestConditionalRequests(t *testing.T) {
	w := start(t, Config{Seed: 7, Pages: 100, Plain: true})
	c, tagged, dated := client(t, w), 0, 0
	for _, p := range w.Truth().Pages {
		first := ask(t, c, "HEAD", p.URL)
		if len(first.body) > 0 || first.ContentLength != int64(p.Size) {
			t.Fatalf("HEAD %s: %d bytes, Content-Length %d, want %d", p.URL, len(first.body), first.ContentLength, p.Size)
		}
		etag, modified := first.Header.Get("ETag"), first.Header.Get("Last-Modified")
		type row struct {
			name, header, value string
			want                int
		}
		rows := []row{{"foreign tag", "If-None-Match", `"other"`, 200}, {"old date", "If-Modified-Since", "Mon, 02 Jan 2006 15:04:05 GMT", 200}, {"bad date", "If-Modified-Since", "yesterday", 200}}
		if etag != "" {
			tagged++
			rows = append(rows, row{"tag", "If-None-Match", etag, 304}, row{"weak, in a list", "If-None-Match", `"x", W/` + etag, 304})
		}
		if modified != "" {
			dated++
			rows = append(rows, row{"date", "If-Modified-Since", modified, 304})
		}
		for _, r := range rows {
			if got := ask(t, c, "GET", p.URL, r.header, r.value); got.StatusCode != r.want || r.want == 304 && len(got.body) > 0 {
				t.Errorf("%s, %s: status %d, want %d", p.URL, r.name, got.StatusCode, r.want)
			}
		}
	}
	if tagged == 0 || dated == 0 || tagged == 100 || dated == 100 {
		t.Errorf("%d pages with ETag, %d with Last-Modified: some should have either", tagged, dated)
	}
}

// TestValidators has every page carry a validator, and leaves the rest of the web as it is without.
func TestValidators(t *testing.T) {
	c := Config{Seed: 7, Hosts: 3, Pages: 300, Validators: true}
	w := start(t, c)
	c.Validators = false
	usual := newModel(c, w.port)
	usual.began = w.began
	asker, given, pages := client(t, w), 0, 0
	for i, s := range w.model.sites {
		for k := range s.pages {
			url, kd := w.model.url(s, k), w.model.kind(s, k)
			if was := usual.url(usual.sites[i], k); was != url {
				t.Fatalf("%s is %s without", url, was)
			}
			if !kd.document() {
				continue
			}
			pages++
			res := ask(t, asker, "GET", url)
			if res.StatusCode != 200 || res.Header.Get("ETag") == "" && res.Header.Get("Last-Modified") == "" {
				t.Errorf("%s: status %d with the header %v", url, res.StatusCode, res.Header)
			}
			conditions(t, w, url, res, 304)
			if body := usual.appendBody(nil, usual.sites[i], k, usual.kind(usual.sites[i], k)); !bytes.Equal(res.body, body) {
				t.Errorf("%s: %d bytes, and others without: %d", url, len(res.body), len(body))
			}
			want := usual.delivery(usual.sites[i], k, kd, w.began)
			if !want.tag && !want.dated {
				want.tag = true
				given++
			}
			if got := w.model.delivery(s, k, kd, w.began); got != want {
				t.Errorf("%s: %+v, want %+v", url, got, want)
			}
		}
	}
	if given < pages/12 || given > pages/4 {
		t.Errorf("%d of %d pages have no validator without: want about a sixth", given, pages)
	}
	t.Logf("%d of %d pages were given an ETag", given, pages)
}

func TestDNS(t *testing.T) {
	w := start(t, Config{Pages: 10})
	for _, network := range []string{"udp", "tcp"} {
		for _, row := range []struct {
			name  string
			qtype uint16
			rcode int
			want  string
		}{
			{"h0.lab.test.", dns.TypeA, dns.RcodeSuccess, "127.0.1.1"},
			{"H2.Lab.Test.", dns.TypeA, dns.RcodeSuccess, "127.0.1.3"},
			{"h0.lab.test.", dns.TypeAAAA, dns.RcodeSuccess, ""},
			{"h3.lab.test.", dns.TypeA, dns.RcodeNameError, ""},
			{"h00.lab.test.", dns.TypeA, dns.RcodeNameError, ""},
			{"other.example.test.", dns.TypeA, dns.RcodeNameError, ""},
		} {
			got, _, err := (&dns.Client{Net: network}).ExchangeContext(t.Context(), new(dns.Msg).SetQuestion(row.name, row.qtype), w.DNS())
			if err != nil {
				t.Fatal(err)
			}
			addr := ""
			if len(got.Answer) > 0 {
				addr = got.Answer[0].(*dns.A).A.String()
			}
			if got.Rcode != row.rcode || addr != row.want {
				t.Errorf("%s %s %s: %s %q", network, row.name, dns.TypeToString[row.qtype], dns.RcodeToString[got.Rcode], addr)
			}
		}
	}
}

func TestLogAndOwnAddresses(t *testing.T) {
	w := start(t, Config{Pages: 10})
	c := client(t, w)
	for range 3 {
		ask(t, c, "GET", w.Seeds()[0], "User-Agent", "Trawl/1")
	}
	ask(t, c, "HEAD", w.Seeds()[1]+"no?x=1")
	gaps := string(ask(t, c, "GET", w.Seeds()[0]+"_gaps").body)
	// An answer is with its asker before its status is in the log, so only what is noted at the start is compared.
	list := w.Requests()
	if len(list) != 4 || list[0].Host != "h0.lab.test" || list[0].Agent != "Trawl/1" || list[3].Method != "HEAD" || list[3].Path != "/no?x=1" {
		t.Errorf("log: %+v", list)
	}
	if !strings.Contains(gaps, `"h0.lab.test":{"n":3,`) || !strings.Contains(gaps, `"h2.lab.test":{"n":0,"min_gap_ms":0}`) {
		t.Errorf("gaps: %s", gaps)
	}
	if lines := strings.Count(string(ask(t, c, "GET", w.Seeds()[0]+"_log?reset=1").body), "\n"); lines != 4 || len(w.Requests()) != 0 {
		t.Errorf("%d lines, then %d requests", lines, len(w.Requests()))
	}
	if got := ask(t, c, "GET", w.Seeds()[0]+"_truth?seed=http://example.org/"); got.StatusCode != 400 {
		t.Errorf("truth of a foreign seed: %d", got.StatusCode)
	}
	if got := ask(t, c, "GET", w.Seeds()[0]+"_truth?depth=0&seed="+w.Seeds()[2]); !strings.Contains(string(got.body), `"reachable":1,`) {
		t.Errorf("truth at depth 0: %s", got.body[max(0, len(got.body)-200):])
	}
	if got := ask(t, c, "POST", w.Seeds()[0]); got.StatusCode != 405 {
		t.Errorf("POST: %d", got.StatusCode)
	}
}

func TestEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w, err := Start(ctx, Config{Pages: 10})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	w.running.Wait() // hangs if the end of ctx stops nothing
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Start(t.Context(), Config{Pages: 10, Port: 1, DNSPort: -1}); err == nil {
		t.Error("started on impossible ports")
	}
}

// TestGiant has one host with nearly all pages.
func TestGiant(t *testing.T) {
	for _, row := range []struct {
		part         float64
		hosts, pages int
		want         int // of the first host
	}{
		{0.95, 10, 2000, 1900},
		{0.5, 3, 1000, 500},
		{1, 10, 2000, 1991},
		{0.0001, 10, 2000, 1},
		{0.9, 1, 50, 50},
		{0, 3, 2000, 922},
	} {
		m := newModel(Config{Seed: 7, Hosts: row.hosts, Pages: row.pages, Giant: row.part}, 8080)
		sum := 0
		for i, s := range m.sites {
			if s.index != i || s.first != sum || s.pages < 1 {
				t.Errorf("giant %v: host %d has %d pages from %d, want from %d", row.part, s.index, s.pages, s.first, sum)
			}
			sum += s.pages
		}
		if m.sites[0].pages != row.want || sum != row.pages {
			t.Errorf("giant %v of %d hosts: %d of %d pages, want %d", row.part, row.hosts, m.sites[0].pages, sum, row.want)
		}
	}
	for _, part := range []float64{-0.1, 1.1} {
		if w, err := Start(t.Context(), Config{Giant: part}); err == nil || !strings.Contains(err.Error(), "giant") {
			t.Errorf("giant %v: %v", part, err)
			_ = w.Close()
		}
	}
}

// TestBigWebStartsAtOnce would run out of time or memory if anything large were kept by page.
func TestBigWebStartsAtOnce(t *testing.T) {
	w := start(t, Config{Seed: 7, Pages: 100_000_000, NoLog: true})
	c := client(t, w)
	s := w.model.sites[0]
	url := w.model.url(s, s.inner-1)
	if res := ask(t, c, "GET", url); res.StatusCode != 200 {
		t.Errorf("%s: %d", url, res.StatusCode)
	}
}

// BenchmarkServe asks over loopback for the pages of a plain web, next to the floor: net/http sending one body that is ready.
// The client's part is in both.
func BenchmarkServe(b *testing.B) {
	w := start(b, Config{Seed: 7, Pages: 2000, Plain: true, NoLog: true})
	var urls []string
	sum := 0
	for _, s := range w.model.sites {
		for k := range s.pages {
			urls = append(urls, w.model.url(s, k))
			sum += len(w.model.appendPage(nil, s, k, w.model.kind(s, k)))
		}
	}
	mean := bytes.Repeat([]byte("x"), sum/len(urls))
	floor := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { write(rw, r, 200, "text/html", mean) }))
	b.Cleanup(floor.Close)
	b.Run("lab", func(b *testing.B) { get(b, client(b, w), urls) })
	b.Run("floor", func(b *testing.B) {
		tr := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16}
		b.Cleanup(tr.CloseIdleConnections)
		get(b, &http.Client{Transport: tr}, []string{floor.URL})
	})
}

// get asks for the URLs in turn, several at a time.
func get(b *testing.B, c *http.Client, urls []string) {
	b.ReportAllocs()
	b.SetParallelism(4)
	var turn atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			res, err := c.Get(urls[int(turn.Add(1))%len(urls)])
			if err != nil {
				b.Error(err)
				return
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 200 {
				b.Errorf("status %d, %v", res.StatusCode, err)
			}
			_ = res.Body.Close()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

// BenchmarkRender is the lab's own part of a request.
func BenchmarkRender(b *testing.B) {
	m := newModel(Config{Seed: 7, Hosts: 3, Pages: 2000, Plain: true}, 8080)
	s, buf := m.sites[0], []byte(nil)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		k := i % s.pages
		buf = m.appendPage(buf[:0], s, k, m.kind(s, k))
	}
}
