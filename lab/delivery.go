package lab

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// delivery is how a document is sent. All but the version is drawn once for each page, like its look.
type delivery struct {
	edition
	coding     string // offered content coding; "": none
	chunked    bool
	tag, dated bool // it has an ETag, a Last-Modified
	etag       string
	modified   time.Time // in whole seconds, UTC; a page that does not say so has one, too
}

// delivery tells how page k is sent at a moment.
func (m *model) delivery(s *site, k int, kd kind, at time.Time) delivery {
	r := stream(m.seed, s.index, k, forDelivery)
	d := delivery{edition: m.edition(s, k, kd, at)}
	if !m.plain {
		d.coding = [...]string{"gzip", "br", "zstd", "gzip", "", "", "", "", "", "", "", ""}[r.n(12)]
		d.chunked = r.oneIn(10)
	}
	d.tag, d.dated = !r.oneIn(3), r.oneIn(2)
	d.tag = d.tag || m.marked && !d.dated
	d.etag = strconv.FormatUint(r.next(), 36)
	first := time.Unix(1_700_000_000+int64(r.n(30_000_000)), 0)
	if first.After(m.began) {
		// Only where the lab's clock is another one: a page is never from the future.
		first = m.began.Add(first.Sub(time.Unix(1_731_000_000, 0)))
	}
	d.modified = first.UTC().Truncate(time.Second)
	if d.version > 0 {
		d.etag += "-" + strconv.Itoa(d.version)
		d.modified = d.changed.UTC().Truncate(time.Second)
	}
	d.etag = `"` + d.etag + `"`
	if d.coding != "" {
		d.etag = "W/" + d.etag // the bytes differ by coding, the meaning does not
	}
	return d
}

// fresh tells whether the asker has the document already (RFC 9110 §13.2.2: If-None-Match goes before If-Modified-Since).
func (d delivery) fresh(r *http.Request) bool {
	if asked := r.Header.Get("If-None-Match"); asked != "" {
		bare := strings.TrimPrefix(d.etag, "W/")
		for one := range strings.SplitSeq(asked, ",") {
			one = strings.TrimSpace(one)
			if one == "*" || d.tag && strings.TrimPrefix(one, "W/") == bare {
				return true
			}
		}
		return false
	}
	asked := r.Header.Get("If-Modified-Since")
	if asked == "" || !d.dated {
		return false
	}
	since, err := http.ParseTime(asked)
	return err == nil && (d.modified.Before(since) || d.modified.Equal(since) && !d.hasty)
}
