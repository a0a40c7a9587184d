package sitemap

import (
	"fmt"
	"io"
	"strings"
)

const (
	maxText   = 8 << 10 // octets of a line or of an element's text that are looked at
	givenUpAt = 1000    // lines without a URL at the beginning: it is some other text
)

// text reads a plain text sitemap: a URL a line. Lines that are none are skipped.
func (p *parser) text() error {
	for room := true; room && !p.in.ended(); {
		p.in.size = 0
		line, long := p.line()
		if p.in.cutShort() {
			break // half a URL is another's
		}
		line = trim(line)
		switch {
		case line == "":
			continue
		case long || strings.ContainsAny(line, " \t<>\"") || !isAbsolute(line) && !lacksScheme(line, p.host):
			p.file.Skipped++
		default:
			p.file.Kind = Text
			room = p.add(p.base, line, Entry{Priority: defaultPriority}, false)
		}
		if p.file.Kind == "" && p.file.Skipped == givenUpAt {
			break
		}
	}
	if p.file.Kind != "" {
		return nil
	}
	if err := p.in.failure(); err != nil {
		return err
	}
	return fmt.Errorf("%w: neither XML nor a list of URLs", ErrNotSitemap)
}

// line reads a line, or the end of the file, and tells whether it is longer than what is returned of it.
func (p *parser) line() (line string, long bool) {
	var b strings.Builder
	for {
		c, err := p.in.ReadByte()
		if err != nil || c == '\n' || c == '\r' {
			return b.String(), long
		}
		if long = b.Len() == maxText; !long {
			b.WriteByte(c)
		}
	}
}

var _ io.ByteReader = (*input)(nil) // else encoding/xml would read ahead
