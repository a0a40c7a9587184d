package handlers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"example.org/trawl/archive"
	"example.org/trawl/fault"
	"example.org/trawl/fetch"
	"example.org/trawl/frontier"
	"example.org/trawl/tasks"
	"example.org/trawl/weburl"
)

// The most redirects that are followed: of a page, and of robots.txt (RFC 9309 §2.3.1.2).
const (
	maxHops       = 10
	maxRobotsHops = 5
)

// Fetch gets the body and puts it into the archive as it comes.
func (c *Crawler) Fetch(ctx context.Context, t tasks.Fetch) (tasks.Result, error) {
	at := time.Now()
	a, err := c.touch(ctx, t.Leg, http.MethodGet)
	if leg, ok, err := c.later(ctx, t.Leg, err); ok {
		return tasks.Then(tasks.Fetch{Leg: leg}), err
	}
	fact := tasks.Fact{Took: took(t.Leg, fetch.TimesOf(err), time.Time{})}
	if err == nil {
		var res tasks.Result
		if res, err = c.receiveAndLeave(ctx, t, a, at); err == nil {
			return res, nil
		}
		fact = tasks.Fact{Status: a.Status, Took: took(t.Leg, a.Times, time.Now()), Addr: a.Remote.Addr()}
	}
	if reason := guarded(err); reason != "" {
		return tasks.End(reason).With(fact), nil
	}
	return tasks.Done().With(fact), fmt.Errorf("fetch %s: %w", t.URL(), err)
}

// receiveAndLeave leaves the host once the answer is through, whatever becomes of it.
func (c *Crawler) receiveAndLeave(ctx context.Context, t tasks.Fetch, a *answer, at time.Time) (res tasks.Result, err error) {
	defer func() { err = a.leave(err) }()
	return c.answered(ctx, t, a, at)
}

// guarded is the reason for which the dialler refused, if it did.
func guarded(err error) tasks.Reason {
	if errors.Is(err, fetch.ErrPrivate) {
		return tasks.Private
	}
	return ""
}

// answered decides by the status.
func (c *Crawler) answered(ctx context.Context, t tasks.Fetch, a *answer, at time.Time) (tasks.Result, error) {
	fact := tasks.Fact{Status: a.Status, Took: took(t.Leg, a.Times, time.Time{}), Addr: a.Remote.Addr()}
	switch {
	case a.Status == http.StatusNotModified && t.Visit.Prior != nil && t.URL() == priorURL(t.Visit):
		return c.unchanged(ctx, t, a, at)
	case a.Status >= 300 && a.Status < 400 && a.Location != "":
		return c.redirect(ctx, t, a, at)
	case a.Status >= 200 && a.Status < 300:
		return c.keep(ctx, t, a, at)
	}
	if err := statusFault(a.Response, t.Visit.Robots); err != nil {
		return tasks.Result{}, err
	}
	if reason := verdict(a.Status); reason != "" {
		return tasks.End(reason).With(fact), nil
	}
	return tasks.End(tasks.BadRedirect).With(fact), nil // a 3xx that leads nowhere, or a 1xx
}

// keep archives a 2xx answer.
func (c *Crawler) keep(ctx context.Context, t tasks.Fetch, a *answer, at time.Time) (tasks.Result, error) {
	ct := a.Header.Get("Content-Type")
	if reason := c.refuse(ct, contentLength(a.Header)); reason != "" && !t.Visit.Robots && !t.Visit.Sitemap {
		return tasks.End(reason).With(tasks.Fact{Status: a.Status}), nil
	}
	spool := c.Archive.NewSpool()
	defer spool.Close()
	truncated, err := c.receive(ctx, spool, a)
	if err != nil {
		return tasks.Result{}, err
	}
	got := time.Now()
	body, err := c.decode(spool, a.Encoding)
	if err != nil {
		return tasks.Result{}, err
	}
	x := exchange(t, a, at, spool, truncated)
	if p := t.Visit.Prior; p != nil && p.Payload == spool.Digest() && truncated == "" {
		x.Revisit = &archive.Revisit{Profile: archive.SamePayload, RefersToURI: priorURL(t.Visit), RefersToDate: p.At, PayloadDigest: p.Payload}
	}
	ref, payload, err := c.Archive.Append(ctx, x)
	if err != nil {
		return tasks.Result{}, err
	}
	if truncated == "" {
		truncated = body.cut
	}
	store := tasks.Store{
		Visit: t.Visit, FinalURL: t.Target, Status: a.Status, ContentType: short(ct), Encoding: short(a.Encoding), RobotsTag: tags(a.Header.Values("X-Robots-Tag")),
		ETag: short(a.Header.Get("ETag")), Modified: short(a.Header.Get("Last-Modified")), Size: body.size, Digest: body.digest, Payload: payload,
		WARC: tasks.WARC(ref), Truncated: truncated, Unchanged: x.Revisit != nil, At: at,
	}
	store.Took = took(t.Leg, a.Times, got)
	if body.whole {
		c.bodies.put(t.Visit.ID, body.data, len(body.data), bodiesSize)
	}
	return tasks.Then(store).With(tasks.Fact{Bytes: spool.Size(), Status: a.Status, Digest: body.digest, WARC: tasks.WARC(ref), Took: store.Took, Type: short(ct), Addr: a.Remote.Addr()}), nil
}

// took is where the time of an exchange went, whose body was there at got; the zero time for no body.
func took(leg tasks.Leg, ts fetch.Times, got time.Time) tasks.Took {
	t := tasks.Took{DNS: leg.DNS, Connect: ts.Connect, TLS: ts.TLS, FirstByte: ts.FirstByte}
	if !got.IsZero() {
		t.Body = max(got.Sub(ts.Start)-t.FirstByte, 0)
	}
	return t
}

// short drops a header value that is too long to travel in a task; without a validator the next visit is simply unconditional.
func short(v string) string {
	if len(v) > 200 {
		return ""
	}
	return v
}

// tags are the X-Robots-Tag fields; a host that says more than can travel in a task is taken to mean the strictest.
func tags(fields []string) []string {
	n := 0
	for _, f := range fields {
		n += len(f) + 3
	}
	if n > 400 {
		return []string{"none"}
	}
	return fields
}

func priorURL(v tasks.Visit) string {
	if v.Prior.URL != "" {
		return v.Prior.URL
	}
	return v.URL
}

// receive reads the body into spool. What came of a body that stopped half-way is kept, and marked, when no try is left.
func (c *Crawler) receive(ctx context.Context, spool *archive.Spool, a *answer) (truncated string, err error) {
	in := &source{r: a.Body}
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	_, err = io.CopyBuffer(spool, in, *buf)
	switch kind := fault.KindOf(in.err); {
	case err == nil:
		return "", nil
	case in.err == nil:
		return "", fault.New(fault.StoreDown, err) // it was the spool that failed
	case errors.Is(in.err, fetch.ErrTooLarge):
		return "length", nil
	case kind == fault.Stalled && fault.LastTry(ctx, kind):
		return "time", nil
	case kind == fault.Reset && fault.LastTry(ctx, kind):
		return "disconnect", nil
	}
	return "", in.err
}

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// source remembers which side of a copy failed.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// decoded is a body without its content-coding.
type decoded struct {
	digest string
	size   int64
	data   []byte
	whole  bool   // data is all of it
	cut    string // why it is not all there is
}

// decode undoes the content-coding as far as that goes. The catalog's digest is of what comes out.
func (c *Crawler) decode(spool *archive.Spool, encoding string) (d decoded, err error) {
	if b := spool.Bytes(); encoding == "" && b != nil { // nothing to undo, and nothing to copy
		sum := sha256.Sum256(b)
		return decoded{digest: digest(sum[:]), size: int64(len(b)), data: b, whole: true}, nil
	}
	r := spool.Reader()
	plain, err := c.Web.Decode(r, encoding)
	if err != nil {
		plain = io.NopCloser(r) // a coding that nobody knows: the body as it came
		d.cut = "coding"
	}
	defer plain.Close()
	sum := sha256.New()
	var data bytes.Buffer
	n, err := io.Copy(io.MultiWriter(sum, &capped{w: &data, left: handedOver}), plain)
	if err != nil {
		if d.cut = "coding"; errors.Is(err, fetch.ErrTooLarge) || errors.Is(err, fetch.ErrBomb) {
			d.cut = "length"
		}
	}
	d.size, d.digest = n, digest(sum.Sum(nil))
	d.data, d.whole = data.Bytes(), int64(data.Len()) == n
	return d, nil
}

func digest(sum []byte) string { return "sha256:" + hex.EncodeToString(sum) }

// capped passes on the first octets and drops the rest.
type capped struct {
	w    io.Writer
	left int
}

func (c *capped) Write(p []byte) (int, error) {
	part := p[:min(len(p), c.left)]
	c.left -= len(part)
	if _, err := c.w.Write(part); err != nil {
		return 0, err
	}
	return len(p), nil
}

func exchange(t tasks.Fetch, a *answer, at time.Time, body *archive.Spool, truncated string) archive.Exchange {
	return archive.Exchange{
		URL: t.URL(), IP: a.Remote.Addr().Unmap().String(), At: at, RequestHead: a.RequestHead, ResponseHead: a.ResponseHead, Body: body, Truncated: truncated,
	}
}

// unchanged archives a 304: a revisit record that refers to the earlier one.
func (c *Crawler) unchanged(ctx context.Context, t tasks.Fetch, a *answer, at time.Time) (tasks.Result, error) {
	x := exchange(t, a, at, nil, "")
	p := t.Visit.Prior
	x.Revisit = &archive.Revisit{Profile: archive.NotModified, RefersToURI: priorURL(t.Visit), RefersToDate: p.At, PayloadDigest: p.Payload}
	ref, _, err := c.Archive.Append(ctx, x)
	if err != nil {
		return tasks.Result{}, err
	}
	s := tasks.Store{
		Visit: t.Visit, Status: a.Status, ETag: short(a.Header.Get("ETag")), Modified: short(a.Header.Get("Last-Modified")), WARC: tasks.WARC(ref), Unchanged: true, At: at, Took: took(t.Leg, a.Times, time.Time{}),
	}
	return tasks.Then(s).With(tasks.Fact{Status: a.Status, WARC: tasks.WARC(ref), Reason: "unchanged", Took: s.Took, Addr: a.Remote.Addr()}), nil
}

// redirect follows a redirect within the host, hop by hop and each at its own slot; one to another host ends the page and
// makes its target a page of its own.
func (c *Crawler) redirect(ctx context.Context, t tasks.Fetch, a *answer, at time.Time) (tasks.Result, error) {
	fact := tasks.Fact{Status: a.Status, Took: took(t.Leg, a.Times, time.Time{}), Addr: a.Remote.Addr()}
	target, err := weburl.Canonical(a.Location)
	if err != nil || frontier.Trap(target) != "" {
		return tasks.End(tasks.BadRedirect).With(fact), nil
	}
	fact.URL = target
	most := maxHops
	if t.Visit.Robots {
		most = maxRobotsHops
	}
	if target == t.URL() || target == t.Visit.URL || t.Hop >= most {
		return tasks.End(tasks.RedirectLoop).With(fact), nil
	}
	if err := c.archiveRedirect(ctx, t, a, at); err != nil {
		return tasks.Result{}, err
	}
	leg := t.Leg
	leg.Target, leg.Hop = target, t.Hop+1
	sameHost := weburl.Host(target) == weburl.Host(t.URL())
	switch {
	case !sameHost && t.Visit.Robots:
		leg.Addrs = nil
		if leg, err = c.again(ctx, leg); err != nil {
			return tasks.Result{}, err
		}
		return tasks.Then(tasks.Resolve{Leg: leg}).With(fact), nil
	case !sameHost:
		return tasks.End(tasks.Redirected).With(fact), nil // End admits the target
	case !t.Visit.Robots:
		if ok, err := c.allowedHere(ctx, target); err != nil || !ok {
			return tasks.End(tasks.Robots).With(fact), err
		}
	}
	if leg, err = c.again(ctx, leg); err != nil {
		return tasks.Result{}, err
	}
	return tasks.Then(tasks.Fetch{Leg: leg}).With(fact), nil
}

func (c *Crawler) archiveRedirect(ctx context.Context, t tasks.Fetch, a *answer, at time.Time) error {
	spool := c.Archive.NewSpool()
	defer spool.Close()
	truncated, err := c.receive(ctx, spool, a)
	if err != nil {
		return err
	}
	_, _, err = c.Archive.Append(ctx, exchange(t, a, at, spool, truncated))
	return err
}

// allowedHere asks the robots rules of the URL's own host.
func (c *Crawler) allowedHere(ctx context.Context, url string) (bool, error) {
	h, err := c.Catalog.Host(ctx, weburl.Host(url))
	if err != nil {
		return false, err
	}
	rules, err := c.rulesOf(ctx, h.ID, h.Robots.At)
	if err != nil {
		return false, err
	}
	ok, _ := rules.Allowed(weburl.Path(url))
	return ok, nil
}
