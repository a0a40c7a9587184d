package status

import (
	"time"

	"example.org/trawl/catalog"
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
