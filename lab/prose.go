package lab

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	vocabulary = 8000 // words of a language
	blockCount = 2500 // prerendered pieces of HTML in a language
	labelCount = 1000
	codeCount  = 200 // prerendered scripts and style sheets
)

// tongue is a made-up language: what its syllables are made of.
type tongue struct {
	code                  string
	onsets, nuclei, codas []string
	gap, stop             string // between words, after a sentence
}

func tongues() []tongue {
	latin := []string{"b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "w", "st", "tr", "pl", "br", "cl", "sh", "th", "v", "k", "qu"}
	return []tongue{
		{"en", latin, []string{"a", "e", "i", "o", "u", "ea", "ou", "ai", "oo", "y"}, []string{"", "", "n", "r", "s", "t", "l", "nd", "st", "ck", "m", "ng"}, " ", ". "},
		{"fr", latin, []string{"a", "e", "i", "o", "u", "é", "è", "à", "ou", "eau", "ô", "ê", "î", "ç"}, []string{"", "", "", "n", "r", "s", "t", "x", "nt", "lle"}, " ", ". "},
		{
			"ru",
			[]string{"б", "в", "г", "д", "ж", "з", "к", "л", "м", "н", "п", "р", "с", "т", "х", "ц", "ч", "ш", "ст", "пр"},
			[]string{"а", "е", "и", "о", "у", "ы", "я", "ю"},
			[]string{"", "", "й", "л", "н", "т", "ть", "х", "ком", "ный"},
			" ", ". ",
		},
		{
			"ja",
			[]string{"日", "本", "語", "学", "校", "山", "川", "田", "人", "国", "時", "間", "中", "大", "小", "新", "水", "火", "木", "金", "土", "東", "京", "見", "行", "食", "電", "車", "書", "店"},
			[]string{"", "の", "に", "は", "を", "が", "と", "も", "から", "まで"},
			[]string{"", "", "する", "です", "した", "こと", "ない", "ます", "カメラ", "テスト"},
			"", "。",
		},
	}
}

// prose is the prerendered text of one language.
type prose struct {
	tongue
	words  []string
	reach  []int // reach[i]: summed weights of words 0 to i; word i weighs 1/(i+1), as Zipf found
	blocks [][]byte
	labels [][]byte // a few words each, for what links say
}

func newProse(seed uint64, n int, t tongue) *prose {
	r := stream(seed, n, 0, forProse)
	p := &prose{tongue: t, words: words(&r, t), blocks: make([][]byte, blockCount)}
	sum := 0
	for i := range p.words {
		sum += 10_000_000 / (i + 1)
		p.reach = append(p.reach, sum)
	}
	for i := range p.blocks {
		p.blocks[i] = p.block(&r, i)
	}
	for range labelCount {
		p.labels = append(p.labels, p.phrase(nil, &r, 1+r.n(3)))
	}
	return p
}

// words invents a vocabulary without doubles; frequent words are short.
func words(r *rng, t tongue) []string {
	seen := make(map[string]bool, vocabulary)
	list := make([]string, 0, vocabulary)
	for len(list) < vocabulary {
		var word strings.Builder
		for range 1 + r.n(2) + min(2, len(list)/150) {
			word.WriteString(t.onsets[r.n(len(t.onsets))] + t.nuclei[r.n(len(t.nuclei))])
			if r.oneIn(2) {
				word.WriteString(t.codas[r.n(len(t.codas))])
			}
		}
		if !seen[word.String()] {
			seen[word.String()] = true
			list = append(list, word.String())
		}
	}
	return list
}

// word draws one by its frequency.
func (p *prose) word(r *rng) string {
	i, _ := slices.BinarySearch(p.reach, r.n(p.reach[len(p.reach)-1]))
	return p.words[min(i, len(p.words)-1)]
}

// phrase appends n words.
func (p *prose) phrase(dst []byte, r *rng, n int) []byte {
	for i := range n {
		if i > 0 {
			dst = append(dst, p.gap...)
		}
		dst = append(dst, p.word(r)...)
	}
	return dst
}

// sentence appends one with a capital, perhaps a comma, and a stop.
func (p *prose) sentence(dst []byte, r *rng) []byte {
	start := len(dst)
	dst = p.phrase(dst, r, 3+r.n(8))
	if p.gap != "" {
		first, size := utf8.DecodeRune(dst[start:])
		if upper := unicode.ToUpper(first); utf8.RuneLen(upper) == size {
			utf8.AppendRune(dst[:start], upper)
		}
		if r.oneIn(2) {
			dst = append(dst, ", "...)
			dst = p.phrase(dst, r, 2+r.n(6))
		}
	}
	return append(dst, p.stop...)
}

func (p *prose) sentences(dst []byte, r *rng, n int) []byte {
	for range n {
		dst = p.sentence(dst, r)
	}
	return dst
}

// block renders one of the shapes that pages are built of, with as much markup around the text as pages have today.
func (p *prose) block(r *rng, i int) []byte {
	id := strconv.FormatUint(r.next(), 36)
	b := make([]byte, 0, 512)
	switch i % 8 {
	case 0:
		b = append(b, `<h2 class="title title--2" id="s`+id+`">`...)
		b = p.phrase(b, r, 2+r.n(5))
		b = append(b, "</h2>\n"...)
	case 1:
		b = append(b, `<ul class="list list--plain" data-track="`+id+`">`...)
		for range 3 + r.n(3) {
			b = append(b, `<li class="list__item">`...)
			b = p.phrase(b, r, 4+r.n(6))
			b = append(b, "</li>\n"...)
		}
		b = append(b, "</ul>\n"...)
	case 2:
		b = append(b, `<table class="data"><tbody>`...)
		for range 2 {
			b = append(b, `<tr><th scope="row">`...)
			b = p.phrase(b, r, 2)
			b = append(b, `</th><td>`+strconv.Itoa(r.n(10000))+`</td><td>`...)
			b = p.phrase(b, r, 6)
			b = append(b, "</td></tr>\n"...)
		}
		b = append(b, "</tbody></table>\n"...)
	case 3, 4:
		b = append(b, `<div class="row row--wide" data-id="`+id+`"><div class="col-6 col-md-8"><p class="copy copy--lead">`...)
		b = p.sentences(b, r, 3+r.n(3))
		b = append(b, "</p></div></div>\n"...)
	default:
		b = append(b, `<p class="copy">`...)
		b = p.sentences(b, r, 2+r.n(2))
		b = append(b, `<em class="mark">`...)
		b = p.phrase(b, r, 2)
		b = append(b, `</em> `...)
		b = p.sentences(b, r, 1+r.n(2))
		b = append(b, "</p>\n"...)
	}
	return b
}

// code renders the inline scripts and style sheets, of some 1.5 KB each. The scripts hold what looks like a link and is
// none: a parser that follows it asks for /not-a-link.
func code(seed uint64, names []string) [][]byte {
	r := stream(seed, 0, 1, forProse)
	list := make([][]byte, codeCount)
	for i := range list {
		b := make([]byte, 0, 2048)
		if i%3 == 0 {
			b = append(b, "<style>\n"...)
			for range 12 + r.n(20) {
				b = append(b, "."+names[r.n(len(names))]+" > ."+names[r.n(len(names))]+" { margin: "+strconv.Itoa(r.n(40))+"px; color: #"+strconv.FormatInt(int64(0x100000+r.n(0xefffff)), 16)+" }\n"...)
			}
			b = append(b, "</style>\n"...)
		} else {
			b = append(b, "<script>\n(function () {\n"...)
			for range 10 + r.n(20) {
				b = append(b, "  window."+names[r.n(len(names))]+" = { "+names[r.n(len(names))]+": "+strconv.Itoa(r.n(1000000))+", on: 1 < 2 && true };\n"...)
			}
			b = append(b, "  var html = '<a href=\"/not-a-link\">no</a>';\n})();\n</script>\n"...)
		}
		list[i] = b
	}
	return list
}
