package weburl

import "unicode/utf8"

// The parts of a URL, each with its percent-encode set in the standard's section 1.3. Beside the characters listed below, every
// set has the C0 controls, space, DEL and all that is not ASCII.
const (
	inPath byte = 1 << iota
	inQuery
	inFragment
	inUserinfo
)

// escaped has, for each octet, the parts in which it is written as an escape.
var escaped = escapeSets()

func escapeSets() (sets [256]byte) {
	for c := range sets {
		if c <= ' ' || c >= 0x7f {
			sets[c] = 0xff
		}
	}
	for part, chars := range map[byte]string{
		inPath:     "\"#<>?^`{}",
		inQuery:    "\"#<>'",
		inFragment: "\"<>`",
		inUserinfo: "\"#<>?^`{}/:;=@[\\]|",
	} {
		for _, c := range []byte(chars) {
			sets[c] |= part
		}
	}
	return sets
}

// appendEscaped appends s to b with the escapes that part needs. Escapes already in s stay; an octet that is not UTF-8 becomes
// U+FFFD, as when a browser decodes the page.
func appendEscaped(b []byte, s string, part byte) []byte {
	done := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if escaped[c]&part == 0 {
			continue
		}
		b = append(b, s[done:i]...)
		if c < utf8.RuneSelf {
			b = appendEscape(b, c)
			done = i + 1
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		for _, c := range utf8.AppendRune(nil, r) {
			b = appendEscape(b, c)
		}
		i += n - 1
		done = i + 1
	}
	return append(b, s[done:]...)
}

func appendEscape(b []byte, c byte) []byte {
	const digits = "0123456789ABCDEF"
	return append(b, '%', digits[c>>4], digits[c&15])
}

// unescape decodes every escape in s and leaves stray "%" alone.
func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && isEscape(s, i) {
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}
