// Package words finds the words of a text, for what compares texts and what looks words up.
package words

import (
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// longest bounds a word, in octets: nobody looks for more.
const longest = 96

// Each calls add for each word of s, in their order: letters and digits of all scripts, without case and without the accents of Latin
// letters; each character by itself where words are written without spaces. What add is given is good until it returns.
func Each(s string, add func(word []byte)) {
	var buf [longest + utf8.UTFMax]byte
	n := 0
	end := func() {
		if n > 0 {
			add(buf[:n])
			n = 0
		}
	}
	table := foldTable()
	for i := 0; i < len(s); {
		for i < len(s) && n < longest { // most of most texts
			c := ascii[s[i]]
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
			if i++; ascii[c] == 0 {
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
		case f&alone != 0:
			end()
			add(utf8.AppendRune(buf[:0], f&^alone))
		case n < longest:
			n = len(utf8.AppendRune(buf[:n], f))
		}
	}
	end()
}

// ascii is what an ASCII character is in a word, 0 what is in none.
var ascii = func() (t [256]byte) {
	for c := range utf8.RuneSelf {
		if r := rune(c); unicode.IsLetter(r) || unicode.IsDigit(r) {
			t[c] = byte(unicode.ToLower(r))
		}
	}
	return t
}()

// What fold says of a character that is no part of a word.
const (
	parts rune = -1 // words end before it
	joins rune = -2 // words go on behind it
)

// alone is set in what fold says of a character that is a word of its own.
const alone rune = 1 << 24

// foldTable is fold of the characters that are in use.
var foldTable = sync.OnceValue(func() *[0x10000]rune {
	t := new([0x10000]rune)
	for r := range t {
		t[r] = fold(rune(r))
	}
	return t
})

// fold is r in a word.
func fold(r rune) rune {
	switch {
	case r >= 0x300 && r < 0x370:
		return joins
	case !unicode.In(r, unicode.L, unicode.N, unicode.Co, unicode.M):
		return parts
	}
	by := rune(0)
	if Alone(r) {
		by = alone
	}
	r = unicode.ToLower(unicode.ToUpper(r)) // both, for the letters that have two small forms
	if d := norm.NFD.PropertiesString(string(r)).Decomposition(); len(d) > 0 && d[0] < utf8.RuneSelf {
		r = rune(d[0])
	}
	return r | by
}

// Alone tells whether r is of a script that is written without spaces, and therefore a word of its own.
func Alone(r rune) bool {
	return r >= 0x0e00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) // Thai is the first of them
}
