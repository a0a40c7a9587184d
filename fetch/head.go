package fetch

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

const (
	acceptDefault   = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	acceptEncodings = "gzip, br, zstd"
)

// build makes net/http's request of ours.
func (c *Client) build(r Request) (*http.Request, error) {
	u, err := target(r.URL)
	if err != nil {
		return nil, err
	}
	method := r.Method
	switch method {
	case "":
		method = http.MethodGet
	case http.MethodGet, http.MethodHead:
	default:
		return nil, fmt.Errorf("method %q", method)
	}
	accept := r.Accept
	if accept == "" {
		accept = acceptDefault
	}
	h := http.Header{
		"User-Agent":      {c.o.UserAgent},
		"Accept":          {accept},
		"Accept-Encoding": {acceptEncodings},
	}
	if validETag(r.ETag) {
		h["If-None-Match"] = []string{r.ETag}
	}
	if _, err := http.ParseTime(r.LastModified); err == nil {
		h["If-Modified-Since"] = []string{r.LastModified}
	}
	return &http.Request{
		Method: method, URL: u, Host: u.Host, Header: h,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// target is raw for net/http. net/url disagrees with the WHATWG about what a path may hold ("%zz", "|", "[" ...), and would
// refuse or rewrite it; so the URL is taken apart here, and its path and query go over the wire as they stand.
func target(raw string) (*url.URL, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || scheme != "http" && scheme != "https" {
		return nil, errors.New("neither http nor https")
	}
	rest, _, _ = strings.Cut(rest, "#")
	host, path := rest, "/"
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		host, path = rest[:i], rest[i:]
	}
	if host == "" || strings.ContainsAny(host, "@\\ ") {
		return nil, errors.New("no plain host")
	}
	path, query, asked := strings.Cut(path, "?")
	if path == "" {
		path = "/"
	}
	u := &url.URL{Scheme: scheme, Host: host, RawQuery: query, ForceQuery: asked && query == ""}
	if p, err := url.PathUnescape(path); err == nil {
		u.Path, u.RawPath = p, path
		if u.EscapedPath() == path {
			return u, nil
		}
		u.Path, u.RawPath = "", ""
	}
	u.Opaque = path
	if strings.HasPrefix(path, "//") { // net/url would take the path for a host: say it in absolute form (RFC 9112 §3.2.2)
		u.Opaque = "//" + host + path
	}
	return u, nil
}

// requestHead is what HTTP/1.1 puts on the wire for req: net/http writes it with this very method.
func requestHead(req *http.Request) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(512)
	if err := req.Write(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// responseHead writes what net/http kept of the head. HTTP/2 gets a status line of HTTP/1.1, which is what readers of WARC
// files understand.
func responseHead(resp *http.Response) []byte {
	var b bytes.Buffer
	b.Grow(1024)
	proto, status := resp.Proto, resp.Status
	if resp.ProtoMajor != 1 {
		proto = "HTTP/1.1"
	}
	fmt.Fprintf(&b, "%s %s\r\n", proto, status)
	_ = resp.Header.WriteSubset(&b, map[string]bool{"Transfer-Encoding": true, "Connection": true, "Keep-Alive": true})
	b.WriteString("\r\n")
	return b.Bytes()
}

// validETag follows RFC 9110 §8.8.3: what a server sent and is none is not sent back.
func validETag(s string) bool {
	s = strings.TrimPrefix(s, "W/")
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return false
	}
	for _, c := range []byte(s[1 : len(s)-1]) {
		if c < 0x21 || c == '"' || c == 0x7f {
			return false
		}
	}
	return true
}

func conditional(req *http.Request) bool {
	return req.Header["If-None-Match"] != nil || req.Header["If-Modified-Since"] != nil
}

// encodingOf lists the content codings of a response, without "identity".
func encodingOf(h http.Header) string {
	codings, _ := split(strings.Join(h["Content-Encoding"], ","))
	return strings.Join(codings, ", ")
}

// locationText reads the bytes of a Location field: UTF-8, as browsers do, or else Latin-1.
func locationText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	r := make([]rune, len(s))
	for i, c := range []byte(s) {
		r[i] = rune(c)
	}
	return string(r)
}
