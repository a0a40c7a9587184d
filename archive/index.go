package archive

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
)

// entry is a line of the CDXJ index, but for the record's place. Every value is a string, the digest comes without "sha1:", and
// what is unknown is "-" ("unk" for the media type), as pywb's own indexer has it.
type entry struct {
	key, date string

	URL      string `json:"url"`
	Mime     string `json:"mime"`
	Status   string `json:"status"`
	Digest   string `json:"digest"`
	Length   string `json:"length"`
	Offset   string `json:"offset"`
	Filename string `json:"filename"`
}

// newEntry makes the entry of a response or revisit from its WARC header and its HTTP head.
func newEntry(warc func(name string) string, head []byte) entry {
	e := entry{URL: warc("WARC-Target-URI"), Mime: "unk", Status: "-", Digest: "-"}
	e.key = surt(e.URL)
	e.date = digits(warc("WARC-Date"), 14)
	if d := warc("WARC-Payload-Digest"); d != "" {
		e.Digest = strings.TrimPrefix(d, "sha1:")
	}
	if warc("WARC-Type") == "revisit" {
		e.Mime = "warc/revisit"
		return e
	}
	status, header := parseHead(head)
	if status > 0 {
		e.Status = strconv.Itoa(status)
	}
	if m := strings.FieldsFunc(header.Get("Content-Type"), func(r rune) bool { return r <= ' ' || r == ';' || r == ',' }); len(m) > 0 {
		e.Mime = m[0]
	}
	return e
}

// line returns the index line of the record at ref.
func (e entry) line(ref Ref) string {
	e.Filename = ref.File
	e.Offset = strconv.FormatInt(ref.Offset, 10)
	e.Length = strconv.FormatInt(ref.Length, 10)
	var b strings.Builder
	b.WriteString(e.key + " " + e.date + " ")
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(e) // strings into memory: cannot fail
	return b.String()
}

// writeIndex writes the sorted index of a segment that the caller has locked. It replaces any there is, at once.
func (s *Store) writeIndex(name string, lines []string) error {
	slices.Sort(lines)
	tmp := indexName(name) + ".tmp"
	f, err := s.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for _, l := range lines {
		_, _ = w.WriteString(l) // the error stays until Flush
	}
	err = w.Flush()
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = s.root.Rename(tmp, indexName(name))
	}
	if err != nil {
		_ = s.root.Remove(tmp)
	}
	return err
}

// surt returns the key by which indexes sort: the host's labels in reverse, then path and query, in lower case and with the query's
// arguments in order, without scheme, userinfo, "www.", default port, fragment and final slash. "http://www.Example.org:80/a/?c&b" is
// "org,example)/a?b&c". Session ids and percent-escapes stay as they are, which pywb's own key alters.
func surt(u string) string {
	u = escapeURL(u)
	scheme, rest, ok := strings.Cut(u, "://")
	if !ok {
		return strings.ToLower(u)
	}
	rest, _, _ = strings.Cut(rest, "#")
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	host, path := strings.ToLower(rest[:end]), strings.ToLower(rest[end:])
	host = host[strings.LastIndexByte(host, '@')+1:]
	port := ""
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host, port = host[:i], host[i:]
	}
	if scheme = strings.ToLower(scheme); port == ":" || scheme == "http" && port == ":80" || scheme == "https" && port == ":443" {
		port = ""
	}
	if tail, ok := strings.CutPrefix(host, "www"); ok {
		if tail, ok = strings.CutPrefix(strings.TrimLeft(tail, "0123456789"), "."); ok {
			host = tail
		}
	}
	if !strings.HasPrefix(host, "[") {
		labels := strings.Split(strings.Trim(host, "."), ".")
		slices.Reverse(labels)
		host = strings.Join(labels, ",")
	}
	path, query, _ := strings.Cut(path, "?")
	path = "/" + strings.TrimPrefix(path, "/")
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	if query != "" {
		path += "?" + sortQuery(query)
	}
	return host + port + ")" + path
}

// sortQuery sorts the arguments by name and then by value, so that "a=1" comes before "a0=1".
func sortQuery(q string) string {
	args := strings.Split(q, "&")
	slices.SortFunc(args, func(a, b string) int {
		an, av, aok := strings.Cut(a, "=")
		bn, bv, bok := strings.Cut(b, "=")
		if c := strings.Compare(an, bn); c != 0 {
			return c
		}
		if aok != bok {
			if bok {
				return -1
			}
			return 1
		}
		return strings.Compare(av, bv)
	})
	return strings.Join(args, "&")
}

// digits returns the first n digits of s.
func digits(s string, n int) string {
	s = string(bytes.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, []byte(s)))
	return s[:min(n, len(s))]
}

// IndexLine returns the CDXJ line of the record at ref, with its line feed.
func (s *Store) IndexLine(ref Ref) (string, error) {
	rec, err := s.Read(ref)
	if err != nil {
		return "", err
	}
	defer rec.Body.Close()
	return newEntry(rec.Header.Get, rec.HTTPHead).line(ref), nil
}
