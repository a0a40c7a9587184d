package weburl

import (
	"fmt"

	libraryerrors "github.com/nlnwa/whatwg-url/errors"
	whatwg "github.com/nlnwa/whatwg-url/url"
)

// library reads what special does not: other schemes, IPv6 addresses and international names. The standard's path set has "^",
// which the library's has not.
var library = whatwg.NewParser(whatwg.WithPathPercentEncodeSet(whatwg.PathPercentEncodeSet.Set('^')))

// parse returns the absolute URL raw as one of a special scheme, or else as the library has it.
func parse(raw string) (*special, *whatwg.Url, error) {
	if len(raw) > MaxLen {
		return nil, nil, ErrLong
	}
	s := clean(raw)
	scheme, rest, ok := cutScheme(s)
	if !ok {
		return nil, nil, errNoScheme
	}
	if _, ok := defaultPort(scheme); ok {
		u, err := absolute(scheme, rest)
		return u, nil, err
	}
	u, err := library.Parse(s)
	return nil, u, reason(err)
}

// resolve returns ref against base.
func resolve(base, ref string) (string, error) {
	b, _, err := parse(base)
	if err != nil {
		return "", fmt.Errorf("base: %w", describe(base, err))
	}
	if len(ref) > MaxLen {
		return "", describe(ref, ErrLong)
	}
	s := clean(ref)
	scheme, rest, ok := cutScheme(s)
	_, isSpecial := defaultPort(scheme)
	var u *special
	switch {
	case b != nil && (!ok || scheme == b.scheme()):
		u, err = b.resolve(b.scheme(), rest)
	case isSpecial:
		u, err = absolute(scheme, rest)
	default:
		return resolveOther(base, s)
	}
	if err != nil {
		return "", describe(ref, err)
	}
	return string(u.text), nil
}

// resolveOther resolves with the library: base or the cleaned ref is of no special scheme.
func resolveOther(base, ref string) (string, error) {
	u, err := library.ParseRef(base, ref)
	if err != nil {
		return "", describe(ref, reason(err))
	}
	return u.Href(false), nil
}

// libraryHost reads the host of a special URL that is an IPv6 address in brackets or has characters beyond ASCII.
func libraryHost(s string) (string, error) {
	u, err := library.Parse("http://" + s + "/")
	if err != nil {
		return "", fmt.Errorf("host %q: %w", cut(s, 80), reason(err))
	}
	host := u.Hostname()
	for i := range len(host) {
		if host[i] <= ' ' || host[i] >= 0x7f {
			return "", badHost(s)
		}
	}
	return host, nil
}

// reason keeps of the library's error what is one line and does not repeat the whole URL.
func reason(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrSyntax, libraryerrors.Type(err))
}
