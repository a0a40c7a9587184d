package simhash_test

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.org/trawl/simhash"
)

// writer makes texts of words that are as unevenly common as those of a language.
type writer struct {
	random    *rand.Rand
	zipf      *rand.Zipf
	syllables []string
}

func newWriter(seed uint64) *writer {
	random := rand.New(rand.NewPCG(seed, seed))
	syllables := []string{"ka", "lo", "mi", "ran", "ter", "us", "in", "ve", "sol", "den", "ga", "pri"}
	return &writer{random, rand.NewZipf(random, 1.1, 8, 20_000), syllables}
}

func (w *writer) word() string {
	var b strings.Builder
	base := uint64(len(w.syllables))
	for n := w.zipf.Uint64() + 1; n > 0; n /= base {
		b.WriteString(w.syllables[n%base])
	}
	return b.String()
}

func (w *writer) words(n int) []string {
	s := make([]string, n)
	for i := range s {
		s[i] = w.word()
	}
	return s
}

// changes are what makes near-duplicates on the web. Each returns the text changed.
var changes = []struct {
	name string
	make func(w *writer, words []string) []string
}{
	{"date", func(w *writer, s []string) []string {
		i := w.random.IntN(len(s) - 3)
		s[i], s[i+1], s[i+2] = fmt.Sprint(1+w.random.IntN(28)), "november", fmt.Sprint(1990+w.random.IntN(50))
		return s
	}},
	{"number", func(w *writer, s []string) []string {
		s[w.random.IntN(len(s))] = fmt.Sprint(w.random.IntN(1e6))
		return s
	}},
	{"boilerplate", func(w *writer, s []string) []string {
		copy(s[len(s)-6:], w.words(6)) // the end of a footer
		return s
	}},
	{"case and signs", func(w *writer, s []string) []string {
		i := w.random.IntN(len(s))
		s[i] = "(" + strings.ToUpper(s[i]) + ") –"
		return s
	}},
}

// TestNearDuplicates reports how many pairs are within Near, by what is different and how long the text is. With three words of a
// thousand changed, six pairs in seven are near; of three hundred it is a matter of luck.
func TestNearDuplicates(t *testing.T) {
	w := newWriter(11)
	for _, c := range []struct {
		words int
		least float64 // of pairs that are near
	}{{300, 0.3}, {1000, 0.6}, {3000, 0.9}} {
		pairs := 400
		if testing.Short() {
			pairs = 60
		}
		for _, change := range changes {
			near, sum := 0, 0
			for range pairs {
				text := w.words(c.words)
				a := simhash.Of(strings.Join(text, " "))
				b := simhash.Of(strings.Join(change.make(w, text), " "))
				d := simhash.Distance(a, b)
				sum += d
				if d <= simhash.Near {
					near++
				}
			}
			rate := float64(near) / float64(pairs)
			t.Logf("%4d words, %-14s: %5.1f %% near, mean distance %.2f", c.words, change.name, 100*rate, float64(sum)/float64(pairs))
			if rate < c.least || change.name == "case and signs" && near < pairs {
				t.Errorf("%d words, %s: only %d of %d pairs are near", c.words, change.name, near, pairs)
			}
		}
	}
}

// Of some thousands of different texts, four million pairs, hardly any may be near.
func TestDifferentTexts(t *testing.T) {
	w := newWriter(12)
	hashes := make([]uint64, 3000)
	if testing.Short() {
		hashes = hashes[:500]
	}
	for i := range hashes {
		hashes[i] = simhash.Of(strings.Join(w.words(100+w.random.IntN(900)), " "))
	}
	near, pairs, sum := 0, 0, 0
	for i, a := range hashes {
		for _, b := range hashes[:i] {
			d := simhash.Distance(a, b)
			pairs++
			sum += d
			if d <= simhash.Near {
				near++
			}
		}
	}
	t.Logf("%d of %d pairs are near, mean distance %.2f", near, pairs, float64(sum)/float64(pairs))
	if near > 2 {
		t.Errorf("%d of %d pairs of different texts are near", near, pairs)
	}
}

func TestWords(t *testing.T) {
	twenty := strings.Repeat("Zug um Zug geht ", 5)
	for _, c := range []struct {
		name, a, b string
		same       bool
	}{
		{"case", twenty, strings.ToUpper(twenty), true},
		{"signs", twenty, strings.ReplaceAll(twenty, " ", "…\n– "), true},
		{"order", twenty, strings.Repeat("um Zug Zug geht ", 5), false},
		{"no letters at the end", twenty, twenty + "!", true},
		{"a very long word", twenty + strings.Repeat("x", 1000), twenty + strings.Repeat("x", 2000), true},
		{"octets that are no UTF-8", twenty + "\xff\xfe", twenty, true},
		{"a mark within a word", strings.Repeat("हिन्दी ", 20), strings.Repeat("ह न द ", 20), false},
	} {
		a, b := simhash.Of(c.a), simhash.Of(c.b)
		if a == 0 || b == 0 || (a == b) != c.same {
			t.Errorf("%s: %x and %x", c.name, a, b)
		}
	}
}

func TestTooShortToTell(t *testing.T) {
	for _, c := range []struct {
		text  string
		short bool
	}{
		{"", true},
		{"… – !", true},
		{strings.Repeat("word ", 19), true},
		{strings.Repeat("word ", 20), false},
		{"中文文本没有空格所以每一个字都当作一个词来", false},
		{"中文文本没有空格", true},
		{"カタカナ1つと20個の文字があればこれで足りるはずです", false},
	} {
		if h := simhash.Of(c.text); (h == 0) != c.short {
			t.Errorf("%.30q: %x", c.text, h)
		}
	}
}

// Fingerprints are kept, so that of a text must not change from one version of Trawl to the next.
func TestFingerprintsStayTheSame(t *testing.T) {
	const text = "The quick brown fox jumps over the lazy dog, and 20 words are enough to tell this text from any other text there is."
	if got, want := simhash.Of(text), uint64(0xb205174e0610a20f); got != want {
		t.Errorf("%#x, stored as %#x", got, want)
	}
}

func TestBandsFindWhatIsNear(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Uint64().Draw(t, "a")
		b := a
		for range simhash.Near {
			b ^= 1 << rapid.IntRange(0, 63).Draw(t, "bit")
		}
		if d := simhash.Distance(a, b); d > simhash.Near || d != bits.OnesCount64(a^b) {
			t.Fatalf("distance %d", d)
		}
		x, y := simhash.Bands(a), simhash.Bands(b)
		for i := range x {
			if x[i] == y[i] {
				return
			}
		}
		t.Fatalf("%x and %x share no band", a, b)
	})
}

func FuzzOf(f *testing.F) {
	f.Add("The quick brown fox")
	f.Add(strings.Repeat("中文ก\u0301\xff", 20))
	f.Fuzz(func(t *testing.T, text string) {
		if simhash.Of(text) != simhash.Of(text+" .") {
			t.Error("what is between words matters")
		}
	})
}

func BenchmarkOf(b *testing.B) {
	text := strings.Join(newWriter(13).words(1000), " ")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		simhash.Of(text)
	}
}
