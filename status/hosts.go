package status

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/weburl"
)

// Host is a host as it stands.
type Host struct {
	Host    string            `json:"host"` // scheme://name:port
	Site    string            `json:"site"` // its registrable domain
	State   catalog.HostState `json:"state"`
	Since   *time.Time        `json:"since,omitempty"` // of a trouble: when it began, when it is tried again, how often it was met in a row, and what it is
	Until   *time.Time        `json:"until,omitempty"`
	Fails   int               `json:"fails,omitempty"`
	Fault   string            `json:"fault,omitempty"`
	Err     string            `json:"error,omitempty"`
	GivenUp bool              `json:"given_up,omitempty"` // its pages fail
	Robots  string            `json:"robots"`             // unknown, read or none
	Delay   float64           `json:"delay_s"`            // that its robots.txt asks for
	Own     *Own              `json:"own,omitempty"`      // what an operator has set for it, which goes before what its crawls say
	Pace    float64           `json:"pace_s"`             // how far apart its starts turned out to be; 0 while that is not known
	catalog.Counts
	ETA float64 `json:"eta_s"` // until its open pages are through; 0 when there are none
}

// Own is how hard an operator lets a host be pressed.
type Own struct {
	Delay   float64 `json:"delay_s"`
	PerHost int     `json:"per_host"` // connections at once
}

// HostOf returns the view of a host.
func HostOf(h catalog.Host, now time.Time) Host {
	out := Host{
		Host: h.Name, Site: h.Site, State: h.Trouble.State, Robots: [...]string{"unknown", "read", "none"}[h.Robots.State],
		Delay: h.Robots.CrawlDelay.Seconds(), Pace: h.Pace.Seconds(), Counts: h.Counts,
	}
	pace := max(h.Pace, h.Robots.CrawlDelay)
	if h.Own != nil {
		out.Own = &Own{Delay: h.Own.Delay.Seconds(), PerHost: h.Own.PerHost}
		pace = max(pace, h.Own.Delay)
	}
	wait := time.Duration(0)
	if x := h.Trouble; x.State != catalog.HostOK {
		out.Since, out.Until, out.Fails, out.Fault, out.Err, out.GivenUp = new(x.Since.UTC()), new(x.Until.UTC()), x.Fails, x.Fault, x.Err, x.GivenUp
		wait = max(x.Until.Sub(now), 0)
	}
	if h.Paused {
		out.State = catalog.HostPaused
	}
	if h.Open() > 0 {
		out.ETA = (wait + time.Duration(h.Open())*pace).Seconds()
	}
	return out
}

// Why says in a few words why a host is not ok; "" when it is.
func (h Host) Why() string {
	switch {
	case h.Fault == "" || h.Until == nil:
		return ""
	case h.GivenUp:
		return fmt.Sprintf("%s since %s: its pages fail", h.Fault, h.Since.Local().Format(time.DateTime))
	}
	return fmt.Sprintf("%s, %d in a row, tried again at %s: %s", h.Fault, h.Fails, h.Until.Local().Format(time.TimeOnly), Printable(h.Err))
}

// HostCatalog is what is asked of the database about hosts.
type HostCatalog interface {
	Hosts(ctx context.Context, state catalog.HostState, limit int) ([]catalog.Host, error)
	Host(ctx context.Context, name string) (catalog.Host, error)
}

// NamedHosts returns the hosts that a user may mean by a name, of those that there are; ErrNotFound when there is none.
func NamedHosts(ctx context.Context, c HostCatalog, name string) (out []catalog.Host, err error) {
	for _, n := range hostNames(name) {
		h, err := c.Host(ctx, n)
		if errors.Is(err, catalog.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("host %q: %w", name, catalog.ErrNotFound)
	}
	return out, nil
}

// hostNames are the hosts that a user may mean: with a scheme there is one, without there are two.
func hostNames(s string) (out []string) {
	raw := []string{s}
	if !strings.Contains(s, "://") {
		raw = []string{"https://" + s, "http://" + s}
	}
	for _, r := range raw {
		if u, err := weburl.Canonical(r); err == nil {
			out = append(out, weburl.Host(u))
		}
	}
	return out
}

// Printable makes what others wrote safe to show: control characters could move a terminal's cursor, and those of direction make
// text look like another.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' {
			return ' '
		}
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '\ufffd'
		}
		return r
	}, s)
}
