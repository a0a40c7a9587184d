package sqlite

import (
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// longestTerm bounds a term, in octets: nobody looks for more, and what is longer is no word.
const longestTerm = 96

// terms calls add for each term of s, in their order: letters and digits of all scripts, without case and without the accents of Latin
// letters; each character by itself where words are written without spaces. What add is given is good until it returns.
func terms(s string, add func(term []byte)) {
	var buf [longestTerm + utf8.UTFMax]byte
	n := 0
	end := func() {
		if n > 0 {
			add(buf[:n])
			n = 0
		}
	}
	table := foldTable()
	for i := 0; i < len(s); {
		for i < len(s) && n < longestTerm { // most of most texts
			c := asciiTerm[s[i]]
			if c == 0 {
				break
			}
			buf[n] = c
			n++
			i++
		}
		if i == len(s) {
			break
		}
		if c := s[i]; c < utf8.RuneSelf {
			if i++; asciiTerm[c] == 0 {
				end()
			}
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		f := parts
		if int(r) < len(table) {
			f = table[r]
		} else {
			f = fold(r)
		}
		switch {
		case f == joins && n > 0: // an accent by itself
		case f == joins || f == parts:
			end()
		case unspaced(r):
			end()
			add(utf8.AppendRune(buf[:0], f))
		case n < longestTerm:
			n = len(utf8.AppendRune(buf[:n], f))
		}
	}
	end()
}

// asciiTerm is what an ASCII character is in a term, 0 what is in none.
var asciiTerm = func() (t [256]byte) {
	for c := range utf8.RuneSelf {
		if r := rune(c); unicode.IsLetter(r) || unicode.IsDigit(r) {
			t[c] = byte(unicode.ToLower(r))
		}
	}
	return t
}()

// What fold says of a character that is no part of a term.
const (
	parts rune = -1 // terms end before it
	joins rune = -2 // terms go on behind it
)

// foldTable is fold of the characters that are in use.
var foldTable = sync.OnceValue(func() *[0x10000]rune {
	t := new([0x10000]rune)
	for r := range t {
		t[r] = fold(rune(r))
	}
	return t
})

// fold is r in a term.
func fold(r rune) rune {
	switch {
	case r >= 0x300 && r < 0x370:
		return joins
	case !unicode.In(r, unicode.L, unicode.N, unicode.Co, unicode.M):
		return parts
	}
	r = unicode.ToLower(unicode.ToUpper(r)) // both, for the letters that have two small forms
	if d := norm.NFD.PropertiesString(string(r)).Decomposition(); len(d) > 0 && d[0] < utf8.RuneSelf {
		return rune(d[0])
	}
	return r
}
