package extract

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// samePlain checks that a page that is read plainly gives what its tree gives, and tells whether it was.
func samePlain(t *testing.T, page string) bool {
	t.Helper()
	page = strings.ToValidUTF8(page, "\ufffd")
	got := newCollector([]byte(page), "trawl")
	if !got.plain(page) {
		return false
	}
	root, err := html.ParseWithOptions(strings.NewReader(page), html.ParseOptionEnableScripting(false))
	if err != nil {
		return true // the tree is what gives up
	}
	want := newCollector([]byte(page), "trawl")
	want.walk(root, false)
	if g, w := got.document(at, utf8Name), want.document(at, utf8Name); !reflect.DeepEqual(g, w) {
		t.Errorf("%.2000q\nplainly %+v\nas tree %+v", page, g, w)
	}
	return true
}

// soup writes pages of everything that can stand in one, in order but for an error here and there.
type soup struct {
	*rand.Rand
	strings.Builder
	sloppy int // one of so many tags is wrong
}

var (
	soupNames = strings.Fields(`a a a b i em span span nobr p p p div div div div section ul ol dl h1 h2 table table form button select video legend
		dialog details label address center pre noscript template svg x-own font ruby object fieldset blockquote canvas datalist strike audio search`)
	soupStray = strings.Fields(`li td tr tbody th dd dt caption col colgroup option optgroup rt rp html head body frameset base title script math g p br
		plaintext xmp image textarea iframe frame a b div form table select`)
	soupVoid  = strings.Fields("br hr img input area meta link base wbr embed source")
	soupRaw   = strings.Fields("script style title textarea iframe noembed")
	soupAttrs = []string{
		"", "", "", "", "", ` href=/x`, ` href="?a=1&amp;b=2"`, ` href='y#z'`, ` src=/f`, ` rel=nofollow href=n`, ` class="a > b"`, ` name=robots content=nofollow`,
		` content="0;url=r" http-equiv=refresh`, ` HREF=/U/`, ` href=/s/ `, ` lang=de`, ` rel="next" href="p2"`, ` rel=canonical href=c`,
		` name=description content='d &lt; e'`, ` href="&copy=1"`, ` href="a\r\nb"`, ` checked `, ` href="1" href="2"`, ` hidden`, ` HIDDEN=until-found class=x`,
	}
	soupTexts = []string{"word", "word ", " ", "\n", "two words", "&amp;", "&nbsp;", "a < b", "<!-- c -->", "<!---->", "é", "x&lt;y", "1\r\n2", "<!-- a -- b --->", "<?php ?>", "<!DOCTYPE HTML>"}
	soupParts = map[string][]string{"ul": {"li"}, "ol": {"li"}, "dl": {"dt", "dd"}, "select": {"option"}, "datalist": {"span"}, "ruby": {"rt"}}
)

func oneOf[T any](s *soup, all []T) T { return all[s.IntN(len(all))] }

func (s *soup) tag(name, inside string) {
	slash := ""
	if s.IntN(30) == 0 {
		slash = "/"
	}
	fmt.Fprintf(s, "<%s%s%s>%s", name, oneOf(s, soupAttrs), slash, inside)
}

func (s *soup) wrong() bool { return s.IntN(s.sloppy) == 0 }

func (s *soup) element(name string, depth int) {
	s.tag(name, "")
	switch {
	case name == "table":
		for range s.IntN(3) {
			whole := s.IntN(2) == 0
			if whole {
				s.WriteString("<tbody>")
			}
			s.element("tr", depth)
			if whole && !s.wrong() {
				s.WriteString("</tbody>")
			}
		}
	case name == "tr":
		for range s.IntN(3) {
			s.WriteString(" ")
			s.element([]string{"td", "th"}[s.IntN(2)], depth+1)
		}
	case name == "svg":
		s.WriteString("<g id=1><path d='M0' /></g>" + oneOf(s, []string{"<use/>", "<title>a</title>", "<title hidden>b", "<desc>c&amp;</desc>", "<title>a<b>c</b></title>"}))
	case soupParts[name] != nil:
		for range s.IntN(4) {
			s.element(oneOf(s, soupParts[name]), depth+1)
		}
	default:
		s.some(depth + 1)
	}
	omit := name == "li" || name == "p" || name == "td" || name == "tr" || name == "dt" || name == "dd"
	if !s.wrong() && (!omit || s.IntN(3) > 0) {
		fmt.Fprintf(s, "</%s>", name)
	}
}

func (s *soup) some(depth int) {
	for range s.IntN(5) {
		switch n := s.IntN(20); {
		case s.wrong() && n < 10:
			s.tag(oneOf(s, soupStray), "")
		case s.wrong():
			fmt.Fprintf(s, "</%s>", oneOf(s, slices.Concat(soupStray, soupNames)))
		case n < 9 && depth < 6:
			s.element(oneOf(s, soupNames), depth)
		case n < 11:
			s.tag(oneOf(s, soupVoid), "")
		case n < 12:
			name := oneOf(s, soupRaw)
			s.tag(name, "raw <b> &amp; "+"</"+name+">")
		default:
			s.WriteString(oneOf(s, soupTexts))
		}
	}
}

// TestPlainIsTree reads pages plainly and as trees.
func TestPlainIsTree(t *testing.T) {
	pages := 100_000
	if testing.Short() {
		pages /= 10
	}
	plain := 0
	for seed := range pages {
		s := &soup{Rand: rand.New(rand.NewPCG(uint64(seed), 1))}
		s.sloppy = []int{1000, 30, 8}[s.IntN(3)]
		if s.IntN(2) == 0 {
			s.WriteString("<!doctype html><html lang=en><head><meta name=robots content=noindex><title>t &amp; u</title>")
			if s.IntN(4) == 0 {
				s.WriteString("<noscript>")
				s.tag(oneOf(s, []string{"link", "meta", "style", "link", "img", "template"}), " ")
				s.WriteString(oneOf(s, []string{"</noscript>", "</style></noscript>", "x</noscript>", "<!-- --></noscript>"}))
			}
			s.WriteString(oneOf(s, []string{"</head>", "</head>", "", "<script><!-- <b </script>", "</head><noscript>", "<noscript></head>"}) + "<body>")
		}
		s.some(0)
		s.some(0)
		if s.IntN(2) == 0 {
			s.WriteString("</body>\n</html>\n")
		}
		if samePlain(t, s.String()) {
			plain++
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d of %d pages are plain", plain, pages)
	if plain < pages/3 {
		t.Error("few pages are plain: this test says little")
	}
}

// TestPlainIsTreeOfChromium does the same with the pages of the suite.
func TestPlainIsTreeOfChromium(t *testing.T) {
	plain, all := 0, 0
	for _, p := range chromiumPages(t) {
		all++
		if samePlain(t, p.HTML) {
			plain++
		}
	}
	t.Logf("%d of %d pages are plain", plain, all)
}

// FuzzPlain does the same with any octets.
func FuzzPlain(f *testing.F) {
	for seed := range uint64(50) {
		s := &soup{Rand: rand.New(rand.NewPCG(seed, 2)), sloppy: 10}
		s.some(0)
		f.Add(s.String())
	}
	f.Fuzz(func(t *testing.T, page string) { samePlain(t, page) })
}
