package extract

import (
	"bytes"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
)

// Decode turns body, which is in the named character set, into valid UTF-8 without byte order mark and NULs. Octets that mean
// nothing become U+FFFD; an unknown name is taken for UTF-8. What needs no change is returned as it is, not copied.
func Decode(body []byte, charset string) []byte {
	if name := lookup(charset); name == "" || name == utf8Name {
		body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
		if !utf8.Valid(body) {
			body = transcode(unicode.UTF8, body)
		}
	} else {
		if bomCharset(body) == name {
			body = body[len("\xfe\xff"):]
		}
		e, err := htmlindex.Get(name)
		if err != nil {
			return nil // lookup has just found it
		}
		body = transcode(e, body)
	}
	if bytes.IndexByte(body, 0) >= 0 {
		body = bytes.ReplaceAll(body, []byte{0}, nil)
	}
	return body
}

// transcode decodes body. The decoders replace what they cannot read and return no errors; should one do so after all, what it
// had read until then is kept.
func transcode(e encoding.Encoding, body []byte) []byte {
	out, err := e.NewDecoder().Bytes(body)
	if err != nil && !utf8.Valid(out) {
		return bytes.ToValidUTF8(out, []byte("\ufffd"))
	}
	return out
}
