package sitemap

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
)

const (
	peeked   = 4 << 10 // octets by which a file's kind and character set are told
	maxToken = 4 << 20 // octets of a tag, a text or a comment
)

var errTooLong = errors.New("a tag or text is too long")

// input is a file decompressed, in UTF-8, without what XML does not allow. It remembers why it ended, for encoding/xml keeps
// that to itself.
type input struct {
	source *source
	limit  *limit
	r      *bufio.Reader
	char   []byte // what is left of the current character
	buf    [utf8.UTFMax]byte
	last   byte // that was read
	again  bool // it is to be read once more
	size   int  // octets since the token began
	err    error
}

// open prepares a file. The error wraps ErrNotSitemap.
func open(r io.Reader, mediaType string) (*input, error) {
	in := &input{source: &source{r: r}}
	raw := bufio.NewReaderSize(in.source, peeked)
	decompressed := io.Reader(raw)
	if isGzip(raw) {
		z, err := gzip.NewReader(raw)
		if failure := in.source.failure(); failure != nil {
			return nil, failure
		}
		if err != nil {
			return nil, fmt.Errorf("%w: damaged gzip: %w", ErrNotSitemap, err)
		}
		decompressed = z
	}
	in.limit = &limit{r: decompressed, left: MaxSize}
	plain := bufio.NewReaderSize(in.limit, peeked)
	if isGzip(plain) {
		return nil, fmt.Errorf("%w: compressed twice", ErrNotSitemap)
	}
	in.r = plain
	head, _ := plain.Peek(peeked)
	if label := charsetOf(head, mediaType); label != "utf-8" {
		if decoded, err := charset.NewReaderLabel(label, plain); err == nil {
			in.r = bufio.NewReaderSize(decoded, peeked)
		}
	}
	head, err := in.r.Peek(peeked)
	switch {
	case len(bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\ufeff")))) == 0 && err != nil:
		if failure := in.source.failure(); failure != nil {
			return nil, failure
		}
		return nil, fmt.Errorf("%w: empty", ErrNotSitemap)
	case bytes.IndexByte(head, 0) >= 0:
		return nil, fmt.Errorf("%w: binary", ErrNotSitemap)
	}
	return in, nil
}

func isGzip(r *bufio.Reader) bool {
	magic, _ := r.Peek(2)
	return string(magic) == "\x1f\x8b"
}

// charsetOf names the character set that a file begins in: by its byte order mark, the media type or the XML declaration (RFC 7303
// section 3); UTF-8 where nothing is said.
func charsetOf(head []byte, mediaType string) string {
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		return "utf-8"
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("<\x00?\x00")):
		return "utf-16le"
	case bytes.HasPrefix(head, []byte("\xfe\xff")), bytes.HasPrefix(head, []byte("\x00<\x00?")):
		return "utf-16be"
	}
	label := ""
	if _, params, err := mime.ParseMediaType(mediaType); err == nil {
		label = params["charset"]
	}
	if _, name := charset.Lookup(label); name == "" {
		label = ""
		if found := encodingDeclared.FindSubmatch(head); found != nil {
			label = string(found[1])
		}
	}
	_, name := charset.Lookup(label)
	if name == "" || strings.HasPrefix(name, "utf-16") || name == "replacement" { // what was just read as ASCII is no UTF-16
		return "utf-8"
	}
	return name
}

// encodingDeclared finds the encoding in an XML declaration.
var encodingDeclared = regexp.MustCompile(`^\s*<\?xml[^>]{0,200}?\sencoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']`)

// isXML tells whether the file is to be read as XML and not as plain text: it begins with a tag, or the beginning of a sitemap or
// feed follows soon after something that does not belong there.
func (in *input) isXML() bool {
	head, _ := in.r.Peek(peeked)
	head = bytes.ToLower(head)
	if trimmed := trim(string(head)); trimmed == "" || trimmed[0] == '<' {
		return true
	}
	for _, start := range []string{"<?xml", "<urlset", "<sitemapindex", "<rss", "<feed", "<rdf:rdf"} {
		if bytes.Contains(head, []byte(start)) {
			return true
		}
	}
	return false
}

// ReadByte returns the next octet. It is called by encoding/xml, too, so that input knows how far that has read.
func (in *input) ReadByte() (byte, error) {
	if in.again {
		in.again = false
		return in.last, nil
	}
	if in.err != nil {
		return 0, in.err
	}
	if in.size++; in.size > maxToken {
		in.err = errTooLong
		return 0, in.err
	}
	if len(in.char) == 0 {
		if in.err = in.readChar(); in.err != nil {
			return 0, in.err
		}
	}
	in.last, in.char = in.char[0], in.char[1:]
	return in.last, nil
}

// readChar reads the next character into in.char. Octets that are no UTF-8 are taken for Latin-1, and for what XML does not allow
// (section 2.2 of the recommendation) there is a space.
func (in *input) readChar() error {
	b, err := in.r.ReadByte()
	if err != nil {
		return err
	}
	if b < utf8.RuneSelf {
		if b < ' ' && b != '\t' && b != '\n' && b != '\r' {
			b = ' '
		}
		in.buf[0] = b
		in.char = in.buf[:1]
		return nil
	}
	_ = in.r.UnreadByte() // there is one
	c, size, err := in.r.ReadRune()
	switch {
	case err != nil:
		return err
	case c == utf8.RuneError && size == 1:
		c = rune(b)
	case c == '\ufffe' || c == '\uffff':
		c = ' '
	}
	in.char = utf8.AppendRune(in.buf[:0], c)
	return nil
}

// Read is there because encoding/xml asks for it; ReadByte is what it calls.
func (in *input) Read(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		if p[n], err = in.ReadByte(); err == nil {
			n++
		}
	}
	return n, err
}

// ended tells whether there is nothing more to be read.
func (in *input) ended() bool { return in.err != nil && !in.again && len(in.char) == 0 }

// cutShort tells whether reading ended before the file did, or the file before it should.
func (in *input) cutShort() bool { return in.limit.met || in.err != nil && in.err != io.EOF }

// failure is the error of the reader that Parse was given, or nil.
func (in *input) failure() error { return in.source.failure() }

// source is the reader that Parse was given, with its error.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil {
		s.err = err
	}
	return n, err
}

// failure is the reader's error unless it only ended.
func (s *source) failure() error {
	if s.err == nil || errors.Is(s.err, io.EOF) || errors.Is(s.err, io.ErrUnexpectedEOF) {
		return nil
	}
	return s.err
}

// limit ends a reader after some octets, and tells whether there was more.
type limit struct {
	r    io.Reader
	left int
	met  bool
}

func (l *limit) Read(p []byte) (int, error) {
	if l.left == 0 {
		n, err := l.r.Read(make([]byte, 1))
		if n > 0 {
			l.met, err = true, io.EOF
		}
		return 0, err
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}
