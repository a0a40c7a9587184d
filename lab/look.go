package lab

import (
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"
)

// look is how an HTML page is dressed: its language, size, character set, and how it says so.
type look struct {
	lang, size int
	charset    charset
	header     bool   // the charset is in Content-Type
	meta       int    // 0: no meta, 1: <meta charset>, 2: http-equiv
	base       string // folder of <base href>; "": none
	hostile    bool   // the title tries to break out
	tag        bool   // robots directives stand in X-Robots-Tag, not in a meta
}

func (m *model) look(s *site, k int, kd kind) look {
	r := stream(m.seed, s.index, k, forLook)
	lk := look{lang: s.lang, size: size(&r), charset: utf8Charset}
	if r.oneIn(8) {
		lk.lang = r.n(len(m.prose))
	}
	declared := r.n(3)
	lk.header, lk.meta = declared != 1, declared
	baseFolder := folders()[r.n(8)]
	if r.oneIn(20) {
		lk.base = baseFolder
	}
	lk.hostile, lk.tag = r.oneIn(40), r.oneIn(3)
	if m.plain || k == 0 || !r.oneIn(8) {
		return lk
	}
	// A legacy charset that has the letters of the language.
	lk.charset = [4]charset{utf16LE, latin1, cp1251, shiftJIS}[lk.lang]
	if r.oneIn(4) {
		lk.charset = utf16BE
	}
	if lk.charset == utf16LE || lk.charset == utf16BE {
		lk.header, lk.meta = false, 0 // the byte order mark says it
		lk.size /= 2                  // most letters of the markup will take two bytes
	}
	return lk
}

// size draws the length of a page in bytes: log-normal with a median of 25 KB and a mean of 37 KB, from 2 KB to 500 KB. It
// interpolates between quantiles worked out beforehand: whole numbers give the same sizes on every machine.
func size(r *rng) int {
	quantiles := [...]struct{ at, bytes int }{ // at: of 1,000
		{0, 2000},
		{10, 3190},
		{50, 5830},
		{100, 8040},
		{200, 11870},
		{300, 15700},
		{400, 19980},
		{500, 25000},
		{600, 31300},
		{700, 39800},
		{800, 52650},
		{850, 62600},
		{900, 77700},
		{950, 107200},
		{990, 195800},
		{999, 385000},
		{1000, 500000},
	}
	u := r.n(1_000_000)
	for i := 1; ; i++ {
		lo, hi := quantiles[i-1], quantiles[i]
		if u < hi.at*1000 {
			return lo.bytes + (hi.bytes-lo.bytes)*(u-lo.at*1000)/((hi.at-lo.at)*1000)
		}
	}
}

// charset is a character set that pages are written in.
type charset uint8

const (
	utf8Charset charset = iota
	latin1
	cp1251
	shiftJIS
	utf16LE
	utf16BE
)

// declared is the name that the page gives.
func (c charset) declared() string {
	return [...]string{"utf-8", "ISO-8859-1", "Windows-1251", "Shift_JIS", "utf-16", "utf-16"}[c]
}

// name is the name by the WHATWG encoding standard, in lower case.
func (c charset) name() string {
	return [...]string{"utf-8", "windows-1252", "windows-1251", "shift_jis", "utf-16le", "utf-16be"}[c]
}

// encode turns UTF-8 into the charset.
func (c charset) encode(b []byte) []byte {
	var e encoding.Encoding
	switch c {
	case latin1:
		e = charmap.ISO8859_1
	case cp1251:
		e = charmap.Windows1251
	case shiftJIS:
		e = japanese.ShiftJIS
	case utf16LE:
		e = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case utf16BE:
		e = unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	default:
		return b
	}
	// Each language is written in a charset that has all its letters; should one be missing, it becomes a question mark.
	out, err := encoding.ReplaceUnsupported(e.NewEncoder()).Bytes(b)
	if err != nil {
		return b
	}
	return out
}
