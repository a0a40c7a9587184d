package extract

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html/atom"
)

// folder gathers text with its white space folded: no space at the ends, one space or one newline between two words.
type folder struct {
	buf  []byte
	sep  byte // what is owed before the next word: 0, ' ' or '\n'
	most int  // octets kept; 0 means MaxText
	full bool
}

// write appends s, which must be valid UTF-8.
func (f *folder) write(s string) {
	for len(s) > 0 && !f.full {
		n := spaceLen(s)
		if n > 0 {
			f.space()
			s = s[n:]
		}
		n = wordLen(s)
		if n > 0 {
			f.word(s[:n])
			s = s[n:]
		}
	}
}

// word appends w after the separator that is owed.
func (f *folder) word(w string) {
	most := f.most
	if most == 0 {
		most = MaxText
	}
	if f.sep != 0 && len(f.buf) > 0 {
		f.buf = append(f.buf, f.sep)
	}
	f.sep = 0
	if room := most - len(f.buf); len(w) > room {
		f.full = true
		w = cut(w, max(room, 0))
	}
	f.buf = append(f.buf, w...)
}

// space owes a space, unless a newline is owed already.
func (f *folder) space() {
	if f.sep == 0 {
		f.sep = ' '
	}
}

// newline owes a newline.
func (f *folder) newline() { f.sep = '\n' }

// String returns what was gathered.
func (f *folder) String() string {
	if f.full {
		return strings.TrimRight(string(f.buf), " \n")
	}
	return string(f.buf)
}

// spaceLen is the length of the white space at the start of s.
func spaceLen(s string) int {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if !isSpace(c) {
				return i
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if !unicode.IsSpace(r) {
			return i
		}
		i += n
	}
	return len(s)
}

// wordLen is the length of what comes before the first white space in s.
func wordLen(s string) int {
	for i := range len(s) {
		switch c := s[i]; {
		case c < utf8.RuneSelf:
			if isSpace(c) {
				return i
			}
		case beginsSpace[c]:
			if r, _ := utf8.DecodeRuneInString(s[i:]); unicode.IsSpace(r) {
				return i
			}
		}
	}
	return len(s)
}

// beginsSpace has the first octets of the white space beyond ASCII: most other scripts have no character that begins with one of them.
var beginsSpace = func() (t [256]bool) {
	for _, x := range unicode.White_Space.R16 {
		for r := rune(x.Lo); r <= rune(x.Hi); r += rune(x.Stride) {
			t[utf8.AppendRune(nil, r)[0]] = r >= utf8.RuneSelf
		}
	}
	return t
}()

// isSpace takes the other control characters for white space too: none of them is text.
func isSpace(c byte) bool { return c <= ' ' || c == 0x7f }

// cut shortens s to at most n octets without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// Roles of elements in the readable text.
type role byte

const (
	inline role = iota
	block       // begins and ends a line
	cell        // is set apart by a space
	silent      // says nothing to a reader
)

// roleOf follows the standard's rendering section and the browsers' innerText; table cells stay on their row's line.
func roleOf(a atom.Atom) role {
	switch a {
	case atom.P, atom.Div, atom.Li, atom.Br, atom.Tr, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6,
		atom.Ul, atom.Ol, atom.Dl, atom.Dt, atom.Dd, atom.Table, atom.Thead, atom.Tbody, atom.Tfoot, atom.Caption,
		atom.Section, atom.Article, atom.Aside, atom.Header, atom.Footer, atom.Nav, atom.Main, atom.Address, atom.Body,
		atom.Blockquote, atom.Pre, atom.Hr, atom.Form, atom.Fieldset, atom.Legend, atom.Figure, atom.Figcaption,
		atom.Details, atom.Summary, atom.Dialog, atom.Hgroup, atom.Menu, atom.Center, atom.Dir, atom.Listing, atom.Xmp,
		atom.Plaintext, atom.Optgroup, atom.Option, atom.Frameset, atom.Search:
		return block
	case atom.Td, atom.Th, atom.Button, atom.Img:
		return cell
	case atom.Script, atom.Style, atom.Template, atom.Noscript, atom.Noframes, atom.Noembed, atom.Title, atom.Iframe,
		atom.Svg, atom.Canvas, atom.Audio, atom.Video, atom.Object, atom.Select, atom.Datalist, atom.Textarea, atom.Rp:
		return silent
	}
	return inline
}
