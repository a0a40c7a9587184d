package dashboard

import (
	"html/template"
	"net/url"
	"strings"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/status"
)

// textFunctions are for what others wrote, which a page shows as text and nothing else.
var textFunctions = template.FuncMap{
	"plain": status.Printable,
	"web":   web,
	"secs":  secs,
	"met":   met,
	"day":   func(t time.Time) string { return t.Local().Format(time.DateTime) },
}

// web returns a URL that a link may lead to, or "": nothing but http and https, so that no click runs anything here.
func web(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return u.String()
}

// met is what a page met, without the page and the stage, which are shown beside it.
func met(f catalog.FailedPage) string {
	return strings.TrimPrefix(f.Err, f.Stage+" "+f.URL+": ")
}

// secs writes a number of seconds; 0 stands for none.
func secs(v float64) string {
	if v <= 0 {
		return "–"
	}
	return time.Duration(v * float64(time.Second)).Round(100 * time.Millisecond).String()
}

// lines makes a text that others wrote safe to show, line by line.
func lines(b []byte) string {
	all := strings.Split(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n")
	for i, l := range all {
		all[i] = status.Printable(l)
	}
	return strings.TrimSpace(strings.Join(all, "\n"))
}
