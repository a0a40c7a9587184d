package fetch

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"code.dny.dev/ssrf"
)

// ErrPrivate says that a connection was refused by us because its address or port is not part of the public web. It has
// no fault kind: trying again changes nothing, so callers ask for it with errors.Is before they ask for the kind.
var ErrPrivate = errors.New("not a public address")

// PrivateError is an ErrPrivate with what was refused and why.
type PrivateError struct {
	Addr  netip.Addr
	Port  uint16 // 0 when the address alone was the reason
	Range string // the range the address belongs to, or what the port is
}

func (e *PrivateError) Error() string {
	if e.Port != 0 {
		return fmt.Sprintf("port %d of %s is refused: %s", e.Port, e.Addr, e.Range)
	}
	return fmt.Sprintf("address %s is refused: %s", e.Addr, e.Range)
}

// Unwrap makes every PrivateError an ErrPrivate.
func (e *PrivateError) Unwrap() error { return ErrPrivate }

// special names the ranges people meet most, the narrower before the wider. It is not the list of what is refused: that is
// this table and the guardian's own list together.
var special = []struct {
	prefix netip.Prefix
	name   string
}{
	{netip.MustParsePrefix("169.254.169.254/32"), "cloud metadata"},
	{netip.MustParsePrefix("169.254.170.2/32"), "cloud metadata"},
	{netip.MustParsePrefix("100.100.100.200/32"), "cloud metadata"},
	{netip.MustParsePrefix("192.0.0.192/32"), "cloud metadata"},
	{netip.MustParsePrefix("168.63.129.16/32"), "cloud metadata"}, // a public address that only answers from inside Azure
	{netip.MustParsePrefix("fd00:ec2::/32"), "cloud metadata"},
	{netip.MustParsePrefix("0.0.0.0/32"), "unspecified"},
	{netip.MustParsePrefix("0.0.0.0/8"), "this network (RFC 791)"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private (RFC 1918)"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private (RFC 1918)"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private (RFC 1918)"},
	{netip.MustParsePrefix("100.64.0.0/10"), "carrier-grade NAT (RFC 6598)"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local (RFC 3927)"},
	{netip.MustParsePrefix("192.0.0.0/24"), "IETF protocols (RFC 6890)"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation (RFC 5737)"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation (RFC 5737)"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation (RFC 5737)"},
	{netip.MustParsePrefix("192.88.99.0/24"), "6to4 relay (RFC 7526)"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking (RFC 2544)"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("255.255.255.255/32"), "broadcast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved (RFC 1112)"},
	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{netip.MustParsePrefix("::ffff:0:0:0/96"), "IPv4-translated (RFC 2765)"},
	{netip.MustParsePrefix("::/96"), "IPv4-compatible (RFC 4291)"},
	{netip.MustParsePrefix("64:ff9b::/96"), "NAT64 (RFC 6052)"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "local NAT64 (RFC 8215)"},
	{netip.MustParsePrefix("100::/64"), "discard (RFC 6666)"},
	{netip.MustParsePrefix("2001::/32"), "Teredo (RFC 4380)"},
	{netip.MustParsePrefix("2001:10::/28"), "ORCHID (RFC 4843)"},
	{netip.MustParsePrefix("2001:20::/28"), "ORCHIDv2 (RFC 7343)"},
	{netip.MustParsePrefix("2001:db8::/32"), "documentation (RFC 3849)"},
	{netip.MustParsePrefix("3fff::/20"), "documentation (RFC 9637)"},
	{netip.MustParsePrefix("2002::/16"), "6to4 (RFC 3056)"},
	{netip.MustParsePrefix("5f00::/16"), "segment routing (RFC 9602)"},
	{netip.MustParsePrefix("fc00::/7"), "private (RFC 4193)"},
	{netip.MustParsePrefix("fe80::/10"), "link-local (RFC 4291)"},
	{netip.MustParsePrefix("fec0::/10"), "site-local (RFC 3879)"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}

// refusedPorts are the ports of services that understand enough of an HTTP request to be harmed by one: those that browsers
// refuse (the Fetch standard's "bad ports"), and the databases and control ports that servers listen on today. Sorted.
var refusedPorts = []uint16{
	0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 111,
	113, 115, 117, 119, 123, 135, 137, 138, 139, 143, 161, 179, 389, 427, 445, 465, 512, 513, 514, 515, 526, 530, 531, 532,
	540, 548, 554, 556, 563, 587, 601, 636, 873, 989, 990, 993, 995, 1433, 1521, 1719, 1720, 1723, 2049, 2181, 2375, 2376, 2379,
	2380, 3306, 3389, 3659, 4045, 4190, 4369, 5060, 5061, 5432, 5672, 5900, 5984, 6000, 6379, 6380, 6566, 6665, 6666, 6667,
	6668, 6669, 6679, 6697, 7000, 7001, 9042, 9092, 9200, 9300, 10080, 10250, 11211, 26379, 27017, 27018,
}

// guardian knows the special-purpose registries of IANA; ports are our own affair. It never changes.
var guardian = ssrf.New(ssrf.WithAnyPort())

// Allowed tells whether the crawler may connect to addr: nil, or a *PrivateError that names the range. Whatever is not
// plain public unicast is refused, and so is every notation that wraps an IPv4 address in an IPv6 one. What lies in a prefix
// of allow is let through, also when it is written as an IPv4-mapped address.
func Allowed(addr netip.Addr, allow []netip.Prefix) error {
	if !addr.IsValid() {
		return &PrivateError{Addr: addr, Range: "no address"}
	}
	bare := addr.WithZone("")
	for _, p := range allow {
		if p.Contains(bare) || p.Contains(bare.Unmap()) {
			return nil
		}
	}
	if bare.Is4In6() {
		return &PrivateError{Addr: addr, Range: "IPv4-mapped (RFC 4291)"}
	}
	for _, s := range special {
		if s.prefix.Contains(bare) {
			return &PrivateError{Addr: addr, Range: s.name}
		}
	}
	if guardian.SafeAddr(addr) != nil {
		return &PrivateError{Addr: addr, Range: "special-purpose"}
	}
	return nil
}

// allowedPort is Allowed for an address with its port. The ports of other services are open where the operator has let the
// address through by name.
func allowedPort(ap netip.AddrPort, allow []netip.Prefix) error {
	if err := Allowed(ap.Addr(), allow); err != nil {
		return err
	}
	bare := ap.Addr().WithZone("").Unmap()
	if slices.ContainsFunc(allow, func(p netip.Prefix) bool { return p.Contains(bare) }) {
		return nil
	}
	if _, bad := slices.BinarySearch(refusedPorts, ap.Port()); bad {
		return &PrivateError{Addr: ap.Addr(), Port: ap.Port(), Range: "port of another service"}
	}
	return nil
}

// guard is the net.Dialer's Control: it sees the address that is about to be connected to, whatever name or notation led
// there, and is thus the check that counts.
type guard struct{ allow []netip.Prefix }

func (g guard) control(network, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%w: %s %s", ErrPrivate, network, address)
	}
	return allowedPort(ap, g.allow)
}
