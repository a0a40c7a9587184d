package archive

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// ErrDamaged is what reading gives for bytes that are not a whole record.
var ErrDamaged = errors.New("not a whole record")

// The most that is read into memory of a record's WARC header and of its HTTP head.
const (
	maxHeader = 1 << 20
	maxHead   = 16 << 20
)

// Header is the named fields of a WARC record; the keys are in textproto's canonical form, and Get takes any.
type Header map[string][]string

// Get returns the first value of a field, or "".
func (h Header) Get(name string) string { return textproto.MIMEHeader(h).Get(name) }

// isHTTP tells whether the block is an HTTP message.
func (h Header) isHTTP() bool { return strings.HasPrefix(h.Get("Content-Type"), "application/http") }

// Scan reads r, a WARC file of any version or an ARC file of version 1, plain or gzip, and calls fn for each record with the offset
// of its member (in gzip) or of itself. fn need not read the block. A record of an ARC file gets a WARC record's fields. Scan ends at
// fn's first error, which it returns, and at the first record that is not whole, with ErrDamaged.
func Scan(r io.Reader, fn func(h Header, offset int64, block io.Reader) error) error {
	sc := newScanner(r)
	for {
		rec, err := sc.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("scan at %d: %w", sc.start, err)
		}
		if err := fn(rec.header, rec.offset, rec.block); err != nil {
			return err
		}
	}
}

// record is where a scanner stands.
type record struct {
	header Header
	offset int64
	block  *block
}

// block reads exactly so many bytes, or fails.
type block struct {
	r    io.Reader
	left int64
}

func (b *block) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if err == io.EOF && b.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err == io.EOF {
		err = nil
	}
	return n, damaged(err)
}

// scanner goes through a file record by record.
type scanner struct {
	src    *tally
	file   *bufio.Reader
	gz     *gzip.Reader  // nil in a plain file
	member *bufio.Reader // what records are read from: the open member, or the file itself; nil between members
	start  int64         // of the open member or record
	arc    bool
	last   *record
}

func newScanner(r io.Reader) *scanner {
	src := &tally{r: r}
	return &scanner{src: src, file: bufio.NewReaderSize(src, 64<<10)}
}

// offset is how much of the file has been used.
func (sc *scanner) offset() int64 { return sc.src.n - int64(sc.file.Buffered()) }

// next goes to the next record. io.EOF says that the file ended after a whole one.
func (sc *scanner) next() (*record, error) {
	if sc.last != nil {
		if _, err := io.Copy(io.Discard, sc.last.block); err != nil {
			return nil, err
		}
		sc.last = nil
	}
	for {
		if sc.member == nil {
			if err := sc.openMember(); err != nil {
				return nil, err
			}
		}
		more, err := sc.skipBlank()
		if err != nil {
			return nil, damaged(err)
		}
		if more {
			break
		}
		if sc.gz == nil {
			return nil, io.EOF
		}
		sc.member = nil
	}
	if sc.gz == nil {
		sc.start = sc.offset()
	}
	rec, err := sc.parse()
	if err != nil {
		return nil, damaged(err)
	}
	rec.offset = sc.start
	sc.last = rec
	return rec, nil
}

// openMember begins the next gzip member, or in a plain file makes the file the member.
func (sc *scanner) openMember() error {
	sc.start = sc.offset()
	magic, err := sc.file.Peek(2)
	if len(magic) == 0 {
		return err
	}
	if !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		if sc.gz != nil {
			return damaged(errors.New("no gzip member"))
		}
		sc.member = sc.file
		return nil
	}
	if sc.gz == nil {
		sc.gz = new(gzip.Reader)
		sc.member = bufio.NewReader(nil)
	}
	if err := sc.gz.Reset(sc.file); err != nil {
		return damaged(noEOF(err))
	}
	sc.gz.Multistream(false)
	sc.member = bufio.NewReader(sc.gz)
	return nil
}

// endMember checks that the open member holds nothing after its record, and that its checksum is right.
func (sc *scanner) endMember() error {
	if sc.last != nil && sc.last.block.left > 0 {
		return damaged(io.ErrUnexpectedEOF)
	}
	more, err := sc.skipBlank()
	if err == nil && more {
		err = errors.New("more than one record in a gzip member")
	}
	sc.member, sc.last = nil, nil
	return damaged(err)
}

// skipBlank skips line ends and tells whether anything follows.
func (sc *scanner) skipBlank() (bool, error) {
	for {
		c, err := sc.member.ReadByte()
		switch {
		case err == io.EOF:
			return false, nil
		case err != nil:
			return false, err
		case c != '\r' && c != '\n':
			return true, sc.member.UnreadByte()
		}
	}
}

func (sc *scanner) parse() (*record, error) {
	line, err := readLine(sc.member, maxHeader)
	if err != nil {
		return nil, noEOF(err)
	}
	switch {
	case strings.HasPrefix(line, "WARC/"):
		return sc.parseWARC()
	case strings.HasPrefix(line, "filedesc://"):
		sc.arc = true
		return sc.parseARC(line)
	case sc.arc:
		return sc.parseARC(line)
	}
	return nil, fmt.Errorf("%.20q begins no record", line)
}

func (sc *scanner) parseWARC() (*record, error) {
	h := Header{}
	last, left := "", maxHeader
	for {
		line, err := readLine(sc.member, left)
		if err != nil {
			return nil, noEOF(err)
		}
		if left -= len(line) + 2; left <= 0 {
			return nil, errors.New("endless header")
		}
		if line == "" {
			break
		}
		if v := h[last]; (line[0] == ' ' || line[0] == '\t') && len(v) > 0 {
			v[len(v)-1] += " " + strings.TrimSpace(line)
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			continue // not ours to mend
		}
		last = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))
		h[last] = append(h[last], strings.TrimSpace(value))
	}
	// Some writers of WARC 1.0 put the URI in angle brackets.
	for _, k := range []string{"Warc-Target-Uri", "Warc-Refers-To-Target-Uri"} {
		if v := h.Get(k); strings.HasPrefix(v, "<") && strings.HasSuffix(v, ">") {
			h[k][0] = v[1 : len(v)-1]
		}
	}
	return sc.sized(h)
}

// parseARC reads "URL address date type length". The URL may hold spaces.
func (sc *scanner) parseARC(line string) (*record, error) {
	f := strings.Fields(line)
	if len(f) < 5 || len(f[len(f)-3]) < 14 {
		return nil, fmt.Errorf("%.40q is no ARC record", line)
	}
	url := strings.Join(f[:len(f)-4], " ")
	ip, date, mime, size := f[len(f)-4], f[len(f)-3], f[len(f)-2], f[len(f)-1]
	h := Header{}
	set := func(k, v string) { h[textproto.CanonicalMIMEHeaderKey(k)] = []string{v} }
	set("WARC-Type", "response")
	set("WARC-Target-URI", url)
	set("WARC-IP-Address", ip)
	set("WARC-Date", fmt.Sprintf("%s-%s-%sT%s:%s:%sZ", date[:4], date[4:6], date[6:8], date[8:10], date[10:12], date[12:14]))
	set("Content-Type", mime)
	set("Content-Length", size)
	if strings.HasPrefix(url, "filedesc://") {
		set("WARC-Type", "warcinfo")
	} else if b, _ := sc.member.Peek(5); string(b) == "HTTP/" {
		set("Content-Type", "application/http;msgtype=response")
	} else {
		set("WARC-Type", "resource")
	}
	return sc.sized(h)
}

func (sc *scanner) sized(h Header) (*record, error) {
	n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("content length %.20q", h.Get("Content-Length"))
	}
	return &record{header: h, block: &block{r: sc.member, left: n}}, nil
}

// readLine returns a line without its end.
func readLine(br *bufio.Reader, most int) (string, error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > most {
			return "", errors.New("endless line")
		}
		if err == nil {
			return strings.TrimRight(string(line), "\r\n"), nil
		}
		if err != bufio.ErrBufferFull {
			return "", err
		}
	}
}

// readHead reads an HTTP message's head, with the empty line that ends it. A block that ends before is all head.
func readHead(br *bufio.Reader) ([]byte, error) {
	var head []byte
	fresh := true // at the start of a line
	for {
		part, err := br.ReadSlice('\n')
		head = append(head, part...)
		if len(head) > maxHead {
			return nil, damaged(errors.New("endless HTTP head"))
		}
		switch {
		case err == io.EOF:
			return head, nil
		case err == bufio.ErrBufferFull:
			fresh = false
			continue
		case err != nil:
			return nil, err
		}
		if fresh && len(bytes.TrimRight(part, "\r\n")) == 0 {
			return head, nil
		}
		fresh = true
	}
}

// damaged marks err as the record's fault; nil stays nil, and so does a disk that cannot be read.
func damaged(err error) error {
	if path := (*fs.PathError)(nil); err == nil || errors.Is(err, ErrDamaged) || errors.As(err, &path) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// noEOF is for places where the file may not end.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// tally counts what is read.
type tally struct {
	r io.Reader
	n int64
}

func (t *tally) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.n += int64(n)
	return n, err
}
