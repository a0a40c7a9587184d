package weburl

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// appendAuthority appends userinfo, host and port of a special URL.
func appendAuthority(b []byte, scheme, s string) ([]byte, error) {
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		b = appendUserinfo(b, s[:at])
		s = s[at+1:]
	}
	name, port, hasPort := s, "", false
	bracket := false
	for i := range len(s) {
		switch {
		case s[i] == '[':
			bracket = true
		case s[i] == ']':
			bracket = false
		case s[i] == ':' && !bracket && !hasPort:
			name, port, hasPort = s[:i], s[i+1:], true
		}
	}
	if name == "" {
		return nil, fmt.Errorf("%w: no host", ErrSyntax)
	}
	host, err := parseHost(name)
	if err != nil {
		return nil, err
	}
	b = append(b, host...)
	if port == "" {
		return b, nil
	}
	return appendPort(b, scheme, port)
}

func appendPort(b []byte, scheme, port string) ([]byte, error) {
	for i := range len(port) {
		if port[i] < '0' || port[i] > '9' {
			return nil, fmt.Errorf("%w: port %q is no number", ErrSyntax, cut(port, 40))
		}
	}
	number := strings.TrimLeft(port[:len(port)-1], "0") + port[len(port)-1:]
	if n, err := strconv.ParseUint(number, 10, 16); err != nil || n > 65535 {
		return nil, fmt.Errorf("%w: port %q is above 65535", ErrSyntax, cut(port, 40))
	}
	if usual, _ := defaultPort(scheme); number == usual {
		return b, nil
	}
	return append(append(b, ':'), number...), nil
}

// appendUserinfo appends "user:password@", or nothing where both are empty.
func appendUserinfo(b []byte, s string) []byte {
	user, password, _ := strings.Cut(s, ":")
	if user == "" && password == "" {
		return b
	}
	b = appendEscaped(b, user, inUserinfo)
	if password != "" {
		b = appendEscaped(append(b, ':'), password, inUserinfo)
	}
	return append(b, '@')
}

// parseHost returns the host of a special URL as the standard serialises it. ASCII names and IPv4 addresses are read here, IPv6
// addresses and international names by the library. An ASCII name is taken as it is even where its "xn--" labels decode to
// nothing valid: the standard demands that, and the library refuses them.
func parseHost(s string) (string, error) {
	if s[0] == '[' {
		if inner := s[1:]; len(inner) < 2 || strings.IndexByte(inner, ']') != len(inner)-1 || strings.Contains(inner, "[") {
			return "", badHost(s)
		}
		return libraryHost(s)
	}
	name := s
	if strings.Contains(name, "%") {
		name = unescape(name)
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c == 0x7f || strings.IndexByte(`#/:<>?@[\]^|%`, c) >= 0 {
			return "", badHost(s)
		}
	}
	if !isASCII(name) {
		if !utf8.ValidString(name) {
			return "", badHost(s)
		}
		return libraryHost(newerMappings.Replace(name))
	}
	name = strings.ToLower(name)
	if !endsInNumber(name) {
		return name, nil
	}
	return parseIPv4(name)
}

// newerMappings are characters of UTS 46 that the library's older tables refuse or map otherwise.
var newerMappings = strings.NewReplacer(
	"\u1e9e", "\u00df", // capital sharp s
	"\u04c0", "\u04cf", // palochka
	"\u2183", "\u2184", // reversed c
	"\U0002f868", "\u36fc", // a compatibility ideograph
	"\u180e", "", // Mongolian vowel separator
	"\u206a", "", "\u206b", "", "\u206c", "", "\u206d", "", "\u206e", "", "\u206f", "", // deprecated format characters
)

func badHost(s string) error {
	return fmt.Errorf("%w: host %q is no name or address", ErrSyntax, cut(s, 80))
}

// endsInNumber tells whether the standard takes a lower-case host for an IPv4 address.
func endsInNumber(s string) bool {
	s = strings.TrimSuffix(s, ".")
	last := s[strings.LastIndexByte(s, '.')+1:]
	if last == "" {
		return false
	}
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

// parseIPv4 reads one to four numbers, decimal, octal (0…) or hexadecimal (0x…), the last of which fills what the others leave.
func parseIPv4(s string) (string, error) {
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	if len(labels) > 4 {
		return "", badHost(s)
	}
	var addr uint64
	for i, label := range labels {
		n, err := parseIPv4Number(label)
		room := 1
		if i == len(labels)-1 {
			room = 5 - len(labels)
		}
		if err != nil || n >= 1<<(8*room) {
			return "", badHost(s)
		}
		addr = addr<<(8*room) | n
	}
	return netip.AddrFrom4([4]byte{byte(addr >> 24), byte(addr >> 16), byte(addr >> 8), byte(addr)}).String(), nil
}

func parseIPv4Number(s string) (uint64, error) {
	digits, base := s, 10
	switch {
	case strings.HasPrefix(s, "0x"):
		digits, base = s[2:], 16
	case len(s) > 1 && s[0] == '0':
		digits, base = s[1:], 8
	}
	if digits == "" && s != "" {
		return 0, nil
	}
	return strconv.ParseUint(digits, base, 64)
}
