package frontier

import (
	"net/netip"
	"time"

	"example.org/trawl/weburl"
)

// Limit is how hard a host may be pressed, as a leg carries it.
type Limit struct {
	Delay     time.Duration // least time between two starts
	PerHost   int           // visits at once
	PerDomain int           // visits at once at all hosts of the registrable domain, which may start so many times as often; 0: no limit
	PerIP     int           // the same for all hosts at one address
	Adapt     bool          // Delay grows with the time that answers take
}

// Units are what a visit of host (scheme://name:port) at addr touches: the host, then whatever else l limits. An address that
// is not known yet, the zero one, is not limited.
func Units(host string, addr netip.Addr, l Limit) []Unit {
	units := []Unit{{Name: host, Delay: l.Delay, Places: l.PerHost, Adapt: l.Adapt}}
	if n := l.PerDomain; n > 0 {
		units = append(units, Unit{Name: "domain " + weburl.Site(weburl.Hostname(host)), Delay: l.Delay / time.Duration(n), Places: n})
	}
	if n := l.PerIP; n > 0 && addr.IsValid() {
		units = append(units, Unit{Name: "ip " + addr.Unmap().String(), Delay: l.Delay / time.Duration(n), Places: n})
	}
	return units
}
