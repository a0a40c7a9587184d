package extract

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/gabriel-vasile/mimetype"
)

// MIME returns the media type of an answer, in lower case and without parameters. The Content-Type header is believed; the
// octets are asked only when it is missing or no media type, says no more than application/octet-stream, or says text/plain
// of what is binary (servers send that for what they do not know).
func MIME(body []byte, contentType string) string {
	declared := mediaType(contentType)
	switch declared {
	case "", "*/*", "unknown/unknown", "application/unknown", "application/octet-stream", "binary/octet-stream":
		return sniff(body)
	case "text/plain":
		if looksBinary(body) {
			return sniff(body)
		}
	}
	return declared
}

// sniff tells the media type from the octets: by the MIME Sniffing Standard, and where that knows none, by magic numbers.
func sniff(body []byte) string {
	found := mediaType(http.DetectContentType(body))
	if found != "application/octet-stream" && found != "text/plain" {
		return found
	}
	if better := mediaType(mimetype.Detect(body).String()); better != "" {
		return better
	}
	return found
}

// looksBinary applies the standard's rule: a byte order mark makes text, otherwise an octet that no text has makes binary.
func looksBinary(body []byte) bool {
	return mediaType(http.DetectContentType(body)) != "text/plain" && hasBinary(body) && bomCharset(body) == ""
}

// hasBinary tells whether the octets that are sniffed have one that no text has.
func hasBinary(body []byte) bool {
	return bytes.ContainsFunc(body[:min(len(body), 512)], func(r rune) bool {
		return r <= 0x08 || r == 0x0b || 0x0e <= r && r <= 0x1a || 0x1c <= r && r <= 0x1f
	})
}

// mediaType returns type and subtype of the first valid value in a Content-Type header, in lower case, or "".
func mediaType(contentType string) string {
	for value := range splitUnquoted(contentType, ',') {
		essence, _, _ := strings.Cut(value, ";")
		typ, subtype, ok := strings.Cut(strings.Trim(essence, httpSpace), "/")
		if ok && isHTTPToken(typ) && isHTTPToken(subtype) {
			return strings.ToLower(typ + "/" + subtype)
		}
	}
	return ""
}

// headerCharset returns the first charset parameter of a Content-Type header that is not empty, or "". It reads parameters as
// the MIME Sniffing Standard does: no space is allowed about "=", a quote that is not closed ends with the value, and what
// follows a closed quote is passed over.
func headerCharset(contentType string) string {
	for value := range splitUnquoted(contentType, ',') {
		first := true
		for param := range splitUnquoted(value, ';') {
			if first { // the type itself
				first = false
				continue
			}
			name, val, ok := strings.Cut(strings.TrimLeft(param, httpSpace), "=")
			if !ok || !strings.EqualFold(name, "charset") {
				continue
			}
			if val = unquote(val); val != "" {
				return val
			}
		}
	}
	return ""
}

const httpSpace = " \t\r\n"

// unquote returns the value of a parameter.
func unquote(s string) string {
	if s == "" || s[0] != '"' {
		return strings.TrimRight(s, httpSpace)
	}
	var b strings.Builder
	for i := 1; i < len(s) && s[i] != '"'; i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// splitUnquoted yields the parts of s between separators, but takes none within a quoted value, which begins after "=".
func splitUnquoted(s string, sep byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		start, quoted := 0, false
		for i := 0; i < len(s); i++ {
			switch c := s[i]; {
			case quoted && c == '\\':
				i++
			case quoted:
				quoted = c != '"'
			case c == '"' && i > 0 && s[i-1] == '=':
				quoted = true
			case c == sep:
				if !yield(s[start:i]) {
					return
				}
				start = i + 1
			}
		}
		yield(s[start:])
	}
}

// isHTTPToken is RFC 9110 section 5.6.2.
func isHTTPToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
		if !alnum && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}
