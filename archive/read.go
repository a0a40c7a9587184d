package archive

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/textproto"
	"os"
	"strconv"
	"strings"

	"example.org/trawl/fault"
)

// Record is a record as it lies in the archive.
type Record struct {
	Header   Header        // the WARC header
	HTTPHead []byte        // request or status line and headers with the empty line; nil when the block is no HTTP message
	Body     io.ReadCloser // the rest of the block. Its end is reported only when the record's checksum was right. To be closed.
}

// Response is an archived answer.
type Response struct {
	Status int // 0 when the status line cannot be read
	Header http.Header
	Body   io.ReadCloser // with its content coding; empty for a revisit. To be closed.
}

// Read returns the record at ref, from a finished segment or one that this or another process is writing. The error is
// fs.ErrNotExist when the file is gone, ErrDamaged when there is no whole record at ref, and of kind StoreDown when the disk fails;
// reading the body gives the same.
func (s *Store) Read(ref Ref) (Record, error) {
	f, err := s.openRef(ref)
	if err != nil {
		return Record{}, readFault(ref, err)
	}
	rec, err := readRecord(f, ref)
	if err != nil {
		_ = f.Close()
		return Record{}, readFault(ref, err)
	}
	return rec, nil
}

// Body returns the response at ref with its header parsed.
func (s *Store) Body(ref Ref) (*Response, error) {
	rec, err := s.Read(ref)
	if err != nil {
		return nil, err
	}
	status, header := parseHead(rec.HTTPHead)
	return &Response{Status: status, Header: header, Body: rec.Body}, nil
}

// Copy writes the record at ref to w as it lies there, compressed: a gzip member that may be appended to another WARC file.
func (s *Store) Copy(ref Ref, w io.Writer) error {
	f, err := s.openRef(ref)
	if err != nil {
		return readFault(ref, err)
	}
	defer f.Close()
	var magic [2]byte
	if _, err := f.ReadAt(magic[:], ref.Offset); err != nil && err != io.EOF {
		return readFault(ref, err)
	}
	if magic != [2]byte{0x1f, 0x8b} {
		return readFault(ref, damaged(errors.New("no gzip member")))
	}
	n, err := io.Copy(w, io.NewSectionReader(f, ref.Offset, ref.Length))
	if err != nil {
		return fmt.Errorf("copy %s at %d: %w", ref.File, ref.Offset, err)
	}
	if n != ref.Length {
		return readFault(ref, damaged(io.ErrUnexpectedEOF))
	}
	return nil
}

// openRef opens the file of ref under its final name or, while it is being written, under its first one.
func (s *Store) openRef(ref Ref) (*os.File, error) {
	if strings.ContainsAny(ref.File, "/\\\x00") || !strings.HasSuffix(ref.File, warcSuffix) {
		return nil, fmt.Errorf("%w: %q is no segment", fs.ErrInvalid, ref.File)
	}
	if ref.Offset < 0 || ref.Length <= 0 {
		return nil, fmt.Errorf("%w: no record is at %d with %d bytes", fs.ErrInvalid, ref.Offset, ref.Length)
	}
	f, err := s.root.Open(ref.File)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = s.root.Open(ref.File + openSuffix)
	}
	if errors.Is(err, fs.ErrNotExist) {
		f, err = s.root.Open(ref.File) // it got its final name between the two
	}
	return f, err
}

func readRecord(f *os.File, ref Ref) (Record, error) {
	sc := newScanner(io.NewSectionReader(f, ref.Offset, ref.Length))
	rec, err := sc.next()
	if err == io.EOF {
		err = damaged(io.ErrUnexpectedEOF)
	}
	if err != nil {
		return Record{}, err
	}
	out := Record{Header: rec.header}
	br := bufio.NewReader(rec.block)
	if rec.header.isHTTP() {
		if out.HTTPHead, err = readHead(br); err != nil {
			return Record{}, err
		}
	}
	out.Body = &payload{r: br, sc: sc, f: f, ref: ref}
	return out, nil
}

// payload is the body of a record that is being read.
type payload struct {
	r    *bufio.Reader
	sc   *scanner
	f    *os.File
	ref  Ref
	done bool
}

func (p *payload) Read(b []byte) (int, error) {
	if p.done {
		return 0, io.EOF
	}
	n, err := p.r.Read(b)
	if err == nil {
		return n, nil
	}
	if err == io.EOF {
		if err = p.sc.endMember(); err == nil && p.sc.offset() != p.ref.Length {
			err = damaged(fmt.Errorf("the record has %d bytes, not %d", p.sc.offset(), p.ref.Length))
		}
		if err == nil {
			p.done = true
			return n, io.EOF
		}
	}
	return n, readFault(p.ref, err)
}

func (p *payload) Close() error { return p.f.Close() }

// readFault says what err was about. A disk that fails is StoreDown, which is worth waiting for; a file that is gone or damaged is not.
func readFault(ref Ref, err error) error {
	err = fmt.Errorf("read %s at %d: %w", ref.File, ref.Offset, err)
	if path := (*fs.PathError)(nil); errors.As(err, &path) && !errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.StoreDown, err)
	}
	return err
}

// parseHead reads a response's head, however bad it is: lines it does not understand are left out.
func parseHead(head []byte) (status int, h http.Header) {
	h = http.Header{}
	first, rest, _ := bytes.Cut(head, []byte("\n"))
	if f := bytes.Fields(first); len(f) > 1 && bytes.HasPrefix(f[0], []byte("HTTP/")) {
		if n, err := strconv.Atoi(string(f[1])); err == nil && 100 <= n && n <= 999 {
			status = n
		}
	}
	last := ""
	for line := range bytes.SplitSeq(rest, []byte("\n")) {
		text := strings.TrimRight(string(line), "\r")
		if v := h[last]; len(v) > 0 && (strings.HasPrefix(text, " ") || strings.HasPrefix(text, "\t")) {
			v[len(v)-1] += " " + strings.TrimSpace(text)
			continue
		}
		name, value, ok := strings.Cut(text, ":")
		if !ok {
			continue
		}
		last = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))
		h[last] = append(h[last], strings.TrimSpace(value))
	}
	return status, h
}
