package archive

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1" // what WARC tools check
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
)

// level is the gzip level. In BenchmarkLevel 6 saves 7 % of the bytes for 2.6 times the time: 2.97:1 in 0.15 ms a page against
// 3.18:1 in 0.39 ms.
const level = gzip.BestSpeed

const (
	warcDate   = "2006-01-02T15:04:05.000000Z"
	profileURI = "http://netpreserve.org/warc/1.1/revisit/"
	warcSpec   = "http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/"
)

// pools keep the buffers and compressors of finished records.
type pools struct{ buffers, writers sync.Pool }

// pooled is the largest buffer that is kept for the next record.
const pooled = 1 << 20

// packed is an exchange's records, compressed and ready to be appended.
type packed struct {
	buf    *bytes.Buffer // holds them, or
	f      *os.File      // this does, when the body was spooled to disk
	size   int64         // of all members
	first  int64         // of the first member, the response or revisit
	digest string        // of the payload
	entry  entry         // for the index
	pool   *pools
}

func (p *packed) reader() io.Reader {
	if p.f != nil {
		return io.NewSectionReader(p.f, 0, p.size)
	}
	return bytes.NewReader(p.buf.Bytes())
}

func (p *packed) free() {
	if p.f != nil {
		_ = p.f.Close()
	}
	if p.buf != nil && p.buf.Cap() <= pooled {
		p.buf.Reset()
		p.pool.buffers.Put(p.buf)
	}
}

// pack compresses x outside of any lock.
func (s *Store) pack(x Exchange) (_ *packed, err error) {
	respHead := cleanHead(x.ResponseHead)
	if respHead == nil {
		return nil, errors.New("the response has no head")
	}
	if len(respHead) > maxHead {
		return nil, fmt.Errorf("the response's head has %d bytes", len(respHead))
	}
	p := &packed{pool: &s.pool}
	defer func() {
		if err != nil {
			p.free()
		}
	}()
	var out io.Writer
	if x.Body != nil && x.Body.f != nil && x.Revisit == nil {
		if p.f, err = s.temp(); err != nil {
			return nil, err
		}
		out = p.f
	} else {
		p.buf = s.pool.buffer()
		out = p.buf
	}
	var body *Spool
	if x.Revisit == nil {
		body = x.Body
	}
	respID, reqID := recordID(), recordID()
	h, digest := x.responseHeader(respID, reqID)
	if p.first, err = s.pool.writeRecord(out, h, respHead, body); err != nil {
		return nil, err
	}
	p.size, p.digest = p.first, digest
	if reqHead := cleanHead(x.RequestHead); reqHead != nil {
		n, err := s.pool.writeRecord(out, x.requestHeader(reqID, respID), reqHead, nil)
		if err != nil {
			return nil, err
		}
		p.size += n
	}
	p.entry = newEntry(h.get, respHead)
	return p, nil
}

// responseHeader is the WARC header of the response or revisit record, and the payload's digest.
func (x Exchange) responseHeader(id, reqID string) (fields, string) {
	digest := emptyDigest()
	if x.Body != nil {
		digest = x.Body.Digest()
	}
	truncated := x.Truncated
	h := fields{{"WARC-Type", "response"}}
	if r := x.Revisit; r != nil {
		h = fields{{"WARC-Type", "revisit"}}
		switch {
		case r.PayloadDigest != "":
			digest = r.PayloadDigest
		case x.Body == nil:
			digest = "" // a revisit's payload is the earlier one, of which nothing is known here
		}
		if r.Profile == SamePayload {
			truncated = "length" // the standard asks for it: the block is without its payload
		}
	}
	h.add("WARC-Record-ID", id)
	h.add("WARC-Target-URI", escapeURL(x.URL))
	h.add("WARC-Date", x.At.UTC().Format(warcDate))
	h.add("WARC-IP-Address", x.IP)
	if len(x.RequestHead) > 0 {
		h.add("WARC-Concurrent-To", reqID)
	}
	if r := x.Revisit; r != nil {
		h.add("WARC-Profile", profileURI+r.Profile)
		h.add("WARC-Refers-To-Target-URI", escapeURL(r.RefersToURI))
		if !r.RefersToDate.IsZero() {
			h.add("WARC-Refers-To-Date", r.RefersToDate.UTC().Format(warcDate))
		}
	}
	h.add("WARC-Payload-Digest", digest)
	h.add("WARC-Truncated", truncated)
	h.add("Content-Type", "application/http;msgtype=response")
	return h, digest
}

func (x Exchange) requestHeader(id, respID string) fields {
	h := fields{{"WARC-Type", "request"}}
	h.add("WARC-Record-ID", id)
	h.add("WARC-Target-URI", escapeURL(x.URL))
	h.add("WARC-Date", x.At.UTC().Format(warcDate))
	h.add("WARC-IP-Address", x.IP)
	h.add("WARC-Concurrent-To", respID)
	h.add("WARC-Payload-Digest", emptyDigest()) // the crawler sends no bodies
	h.add("Content-Type", "application/http;msgtype=request")
	return h
}

// writeRecord writes one record as one gzip member and returns the member's length. Its block is head and then body. The block's
// digest stands before the block, so the body is read twice.
func (ps *pools) writeRecord(w io.Writer, h fields, head []byte, body *Spool) (int64, error) {
	size := int64(len(head))
	sum := sha1.New()
	sum.Write(head)
	if body != nil {
		if body.err != nil || body.closed {
			return 0, errors.Join(errors.New("the body's spool is of no use"), body.err)
		}
		size += body.size
		if _, err := io.Copy(sum, body.Reader()); err != nil {
			return 0, fmt.Errorf("read spool: %w", err)
		}
	}
	h.add("WARC-Block-Digest", digestString(sum))
	h.add("Content-Length", strconv.FormatInt(size, 10))

	count := &counter{w: w}
	gz := ps.writer(count)
	defer ps.writers.Put(gz)
	_, err := gz.Write(h.bytes())
	if err == nil {
		_, err = gz.Write(head)
	}
	if err == nil && body != nil {
		_, err = io.Copy(gz, body.Reader())
	}
	if err == nil {
		_, err = gz.Write([]byte("\r\n\r\n"))
	}
	if err == nil {
		err = gz.Close()
	}
	return count.n, err
}

func (ps *pools) buffer() *bytes.Buffer {
	if b, ok := ps.buffers.Get().(*bytes.Buffer); ok {
		return b
	}
	return new(bytes.Buffer)
}

func (ps *pools) writer(w io.Writer) *gzip.Writer {
	if gz, ok := ps.writers.Get().(*gzip.Writer); ok {
		gz.Reset(w)
		return gz
	}
	gz, _ := gzip.NewWriterLevel(w, level) // fails only on a level that does not exist
	return gz
}

// fields are the lines of a WARC header.
type fields [][2]string

// add adds a field; one without a value is left out. Control characters become spaces, so that no value can start a line of its own.
func (h *fields) add(name, value string) {
	value = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, value))
	if value != "" {
		*h = append(*h, [2]string{name, value})
	}
}

func (h fields) get(name string) string {
	for _, f := range h {
		if f[0] == name {
			return f[1]
		}
	}
	return ""
}

func (h fields) bytes() []byte {
	b := []byte("WARC/1.1\r\n")
	for _, f := range h {
		b = append(append(append(append(b, f[0]...), ": "...), f[1]...), "\r\n"...)
	}
	return append(b, "\r\n"...)
}

// escapeURL returns u with the bytes that no header line may hold percent-encoded. URLs by the WHATWG rules have none.
func escapeURL(u string) string {
	var b strings.Builder
	for i := range len(u) {
		if c := u[i]; c <= 0x20 || c == 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// cleanHead returns an HTTP head with CRLF line ends and exactly one empty line, at its end: otherwise readers would disagree on
// where the payload begins. A head in that form, as the crawler writes it, is returned as it is; an empty one as nil.
func cleanHead(head []byte) []byte {
	if len(head) == 0 {
		return nil
	}
	out := make([]byte, 0, len(head)+4)
	for line := range bytes.SplitSeq(head, []byte("\n")) {
		line = bytes.TrimRight(line, "\r")
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		line = bytes.ReplaceAll(line, []byte("\r"), []byte(" "))
		out = append(append(out, line...), '\r', '\n')
	}
	if len(out) == 0 {
		return nil
	}
	return append(out, '\r', '\n')
}

// recordID returns a new random UUID (RFC 9562 §5.4) as WARC-Record-ID wants it.
func recordID() string {
	var u [16]byte
	_, _ = rand.Read(u[:]) // never fails
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("<urn:uuid:%x-%x-%x-%x-%x>", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

func emptyDigest() string { return digestString(sha1.New()) }

// warcinfo returns the first record of the segment called name.
func (s *Store) warcinfo(name string, now time.Time) (*packed, error) {
	var body fields
	body.add("software", "Trawl")
	body.add("format", "WARC File Format 1.1")
	body.add("conformsTo", warcSpec)
	body.add("hostname", s.host)
	body.add("operator", strings.Trim(s.opt.Operator+", "+s.opt.Contact, ", "))
	body.add("http-header-user-agent", s.opt.UserAgent)
	h := fields{{"WARC-Type", "warcinfo"}}
	h.add("WARC-Record-ID", recordID())
	h.add("WARC-Date", now.UTC().Format(warcDate))
	h.add("WARC-Filename", name)
	h.add("Content-Type", "application/warc-fields")
	p := &packed{buf: s.pool.buffer(), pool: &s.pool}
	block := bytes.TrimPrefix(body.bytes(), []byte("WARC/1.1\r\n"))
	n, err := s.pool.writeRecord(p.buf, h, bytes.TrimSuffix(block, []byte("\r\n")), nil)
	p.size, p.first = n, n
	return p, err
}

// counter counts what goes through it.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
