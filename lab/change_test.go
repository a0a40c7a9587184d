package lab

import (
	"bytes"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestOldWebsStay pins the bytes of a web without any of the later features.
func TestOldWebsStay(t *testing.T) {
	if got := webDigest(7, 200); got != "sha256:0e011ff13be73b3a0af813282267e112c3f396fb0b6722f8a4a82d834ea97fae" {
		t.Errorf("the web of seed 7 is another than it was: %s", got)
	}
}

// TestPagesChange asks for every page, lets five hours pass, and asks again.
func TestPagesChange(t *testing.T) {
	var watch clock
	w := start(t, Config{Seed: 7, Pages: 300, Rates: []time.Duration{2 * time.Hour, 0, 8 * time.Hour}, Now: watch.time})
	c, fresh := client(t, w), w.Truth()
	before := make(map[string]reply)
	for _, p := range fresh.Pages {
		if p.Version != 0 || w.Version(p.URL, watch.time()) != 0 {
			t.Fatalf("%s: version %d at the start", p.URL, p.Version)
		}
		if p.Digest != "" {
			before[p.FinalURL] = ask(t, c, "GET", p.FinalURL)
		}
	}
	watch.pass(5 * time.Hour)
	changed, texts := 0, 0
	for i, p := range w.Truth().Pages {
		if p.Digest == "" {
			continue
		}
		first, res := before[p.FinalURL], ask(t, c, "GET", p.FinalURL)
		if p.Digest != digest(res.body) || p.Version != w.Version(p.FinalURL, watch.time()) {
			t.Errorf("%s: version %d, digest %s is not what the truth says: %d, %s", p.URL, w.Version(p.FinalURL, watch.time()), digest(res.body), p.Version, p.Digest)
		}
		if (p.Version > 0) != (p.Digest != fresh.Pages[i].Digest) || p.Links != fresh.Pages[i].Links || p.Title != fresh.Pages[i].Title {
			t.Errorf("%s: version %d, was %+v, is %+v", p.URL, p.Version, fresh.Pages[i], p)
		}
		if p.Charset == "utf-8" && p.Version > 0 {
			texts++
			line := []byte("Version " + strconv.Itoa(p.Version) + ".")
			if bytes.Count(res.body, line) != 1 {
				t.Errorf("%s does not say %s", p.URL, line)
			}
		}
		if p.MIME == "text/html" && p.Charset == "utf-8" {
			if diff := cmp.Diff(parse(t, first.body, p.FinalURL), parse(t, res.body, p.FinalURL), cmp.AllowUnexported(parsed{})); diff != "" {
				t.Errorf("%s: more than prose changed: %s", p.URL, diff)
			}
		}
		want := 304
		if p.Version > 0 {
			want = 200
			changed++
		}
		conditions(t, w, p.FinalURL, first, want)
		conditions(t, w, p.FinalURL, res, 304)
	}
	if changed < 80 || changed > 180 || texts == 0 {
		t.Errorf("%d pages changed, %d of them in UTF-8", changed, texts)
	}
}

// conditions asks whether what was got before is still good, by tag and by date, where it had them.
func conditions(t *testing.T, w *Web, url string, had reply, want int) {
	t.Helper()
	for answer, asked := range map[string]string{"Etag": "If-None-Match", "Last-Modified": "If-Modified-Since"} {
		value := had.Header.Get(answer)
		if value == "" {
			continue
		}
		if got := ask(t, client(t, w), "HEAD", url, asked, value); got.StatusCode != want {
			t.Errorf("%s, %s: %s: status %d, want %d", url, asked, value, got.StatusCode, want)
		}
	}
}

// TestRates checks the mean and the spread of a Poisson process, and that it is the same for the same seed.
func TestRates(t *testing.T) {
	var watch clock
	c := Config{Seed: 5, Hosts: 1, Pages: 1000, Plain: true, Rates: []time.Duration{time.Hour, 10 * time.Hour, -1}, Now: watch.time}
	w, again := start(t, c), start(t, c)
	began := watch.time()
	var sum, squares [3]float64
	for k := range 999 {
		url := w.model.url(w.model.sites[0], k)
		n := w.Version(url, began.Add(100*time.Hour))
		sum[k%3] += float64(n)
		squares[k%3] += float64(n * n)
		if other := again.Version(again.model.url(again.model.sites[0], k), began.Add(100*time.Hour)); other != n {
			t.Errorf("page %d has version %d in one web and %d in the other", k, n, other)
		}
		if half := w.Version(url, began.Add(50*time.Hour)); half > n || w.Version(url, began.Add(-time.Hour)) != 0 {
			t.Errorf("page %d: version %d after 50 hours, %d after 100", k, half, n)
		}
	}
	for i, want := range []float64{100, 10, 0} {
		mean := sum[i] / 333
		variance := squares[i]/333 - mean*mean
		if mean < 0.95*want || mean > 1.05*want || variance < 0.8*want || variance > 1.2*want {
			t.Errorf("rate %d: %.2f changes on average, variance %.2f, want %.0f of both", i, mean, variance, want)
		}
	}
	if w.Version("http://other.example.test/", began.Add(time.Hour)) != 0 {
		t.Error("a foreign page has versions")
	}
}

// TestHastyChange has a page change twice in a second: its date alone must not pass for fresh.
func TestHastyChange(t *testing.T) {
	var watch clock
	w := start(t, Config{Seed: 7, Pages: 100, Plain: true, Rates: []time.Duration{100 * time.Millisecond}, Now: watch.time})
	c, asked := client(t, w), 0
	watch.pass(30 * time.Second)
	for _, p := range w.Truth().Pages {
		s, k, _ := w.locate(p.URL)
		if d := w.model.delivery(s, k, w.model.kind(s, k), watch.time()); !d.dated || !d.hasty {
			continue
		}
		asked++
		first := ask(t, c, "GET", p.URL)
		if got := ask(t, c, "GET", p.URL, "If-Modified-Since", first.Header.Get("Last-Modified")); got.StatusCode != 200 {
			t.Errorf("%s: %d", p.URL, got.StatusCode)
		}
	}
	if asked == 0 {
		t.Error("no such page")
	}
}

// TestLogTellsTheVersion has pages change quickly, so that a version of another moment would show.
func TestLogTellsTheVersion(t *testing.T) {
	w := start(t, Config{Seed: 7, Hosts: 1, Pages: 50, Plain: true, Rates: []time.Duration{soonest}})
	c, root := client(t, w), w.Seeds()[0]
	var bodies [][]byte
	for range 20 {
		bodies = append(bodies, ask(t, c, "GET", root).body)
	}
	for i, r := range w.Requests() {
		if line := "Version " + strconv.Itoa(w.Version(root, r.At)) + "."; !bytes.Contains(bodies[i], []byte(line)) {
			t.Errorf("request %d at %v did not get %s", i, r.At, line)
		}
	}
}
