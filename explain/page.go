package explain

import (
	"cmp"
	"time"

	"example.org/trawl/catalog"
)

// Page is a page in JSON; a key that has no value is left out.
type Page struct {
	URL          string        `json:"url"`
	Crawl        string        `json:"crawl"`
	Submitter    string        `json:"submitter"`
	Host         string        `json:"host"`
	Depth        int           `json:"depth"`
	State        catalog.State `json:"state"`
	Reason       string        `json:"reason,omitempty"`
	Status       int           `json:"status,omitempty"`
	FinalURL     string        `json:"final_url,omitempty"`
	MIME         string        `json:"mime,omitempty"`
	Charset      string        `json:"charset,omitempty"`
	Size         *int64        `json:"size,omitempty"`
	Digest       string        `json:"digest,omitempty"`
	Truncated    string        `json:"truncated,omitempty"`
	Title        string        `json:"title,omitempty"`
	Description  string        `json:"description,omitempty"`
	Lang         string        `json:"lang,omitempty"`
	Canonical    string        `json:"canonical,omitempty"`
	Duplicate    string        `json:"duplicate,omitempty"` // exact, near or canonical
	DuplicateOf  string        `json:"duplicate_of,omitempty"`
	ETag         string        `json:"etag,omitempty"`
	LastModified string        `json:"last_modified,omitempty"`
	FirstSeen    *time.Time    `json:"first_seen,omitempty"`
	FetchedAt    *time.Time    `json:"fetched_at,omitempty"`
	NextDue      *time.Time    `json:"next_due,omitempty"`
	Visits       int           `json:"visits,omitempty"`
	WARC         *catalog.WARC `json:"warc,omitempty"`
}

// PageOf returns a page as it is shown, without its text and links.
func PageOf(p catalog.Page) Page {
	j := Page{
		URL: p.URL, Crawl: p.Crawl, Submitter: p.Submitter, Host: p.Host, Depth: p.Depth, State: p.State, Reason: p.Reason, Status: p.Status, FinalURL: p.FinalURL,
		MIME: p.MIME, Charset: p.Charset, Digest: p.Digest, Truncated: p.Truncated, Title: p.Title, Description: p.Description, Lang: p.Lang, Canonical: p.Canonical,
		Duplicate: p.Copy.String(), DuplicateOf: p.CopyOf,
		ETag: p.ETag, LastModified: p.LastModified, Visits: p.Visits,
	}
	set := func(to **time.Time, t time.Time) {
		if !t.IsZero() {
			*to = &t
		}
	}
	set(&j.FirstSeen, p.FirstSeen)
	set(&j.FetchedAt, p.FetchedAt)
	if p.State == catalog.Waiting {
		set(&j.NextDue, p.Due)
	} else {
		set(&j.NextDue, p.Revisit.At)
	}
	if p.Digest != "" {
		j.Size = &p.Size
		j.FinalURL = cmp.Or(p.FinalURL, p.URL)
	}
	if p.WARC.File != "" {
		j.WARC = &p.WARC
	}
	return j
}
