package weburl

import (
	"errors"
	"strings"
	"testing"
)

func TestCanonical(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"is already", "https://example.org/a/b?c=d", "https://example.org/a/b?c=d"},
		{"case and default port", "HTTP://Example.ORG:80", "http://example.org/"},
		{"the other's default port stays", "http://example.org:443/", "http://example.org:443/"},
		{"leading zeros of a port", "http://example.org:0080/", "http://example.org/"},
		{"fragment and userinfo", "http://user:secret@example.org/#top", "http://example.org/"},
		{"several @", "http://a@b@example.org/x@y", "http://example.org/x@y"},
		{"trailing dot", "http://example.org.:8080/", "http://example.org:8080/"},
		{"empty query", "http://example.org/?", "http://example.org/"},
		{"empty query and fragment", "http://example.org/?#", "http://example.org/"},
		{"a query of ?", "http://example.org/??", "http://example.org/??"},
		{"query order and empty parts", "http://example.org/?b&&a=1&b", "http://example.org/?b&&a=1&b"},
		{"unreserved escapes", "http://example.org/%7Eme/%41?%2d=%5F", "http://example.org/~me/A?-=_"},
		{"reserved escapes, upper case", "http://example.org/a%2fb?c%3d", "http://example.org/a%2Fb?c%3D"},
		{"dot segments", "http://example.org/a/./b/%2E%2e/c/..", "http://example.org/a/"},
		{"an escaped dot in a name", "http://example.org/a%2ehtml", "http://example.org/a.html"},
		{"no new escape", "http://example.org/%%34%31", "http://example.org/%%341"},
		{"no new escape, second digit", "http://example.org/%4%31", "http://example.org/%4%31"},
		{"after a stray percent sign", "http://example.org/%zz%31", "http://example.org/%zz1"},
		{"an escaped percent sign", "http://example.org/%2541", "http://example.org/%2541"},
		{"backslash, tab, spaces", " http:\\\\example.org\\a\t\\b c ", "http://example.org/a/b%20c"},
		{"international", "http://bücher.example/ü?ü", "http://xn--bcher-kva.example/%C3%BC?%C3%BC"},
		{"escaped host", "http://%65xample%2Eorg/", "http://example.org/"},
		{"IPv4 in octal", "http://0177.1/", "http://127.0.0.1/"},
		{"IPv6", "http://[2001:DB8:0:0::1]:80/", "http://[2001:db8::1]/"},
		{"double slashes stay", "http://example.org//a//", "http://example.org//a//"},
		{"not UTF-8", "http://example.org/\xff", "http://example.org/%EF%BF%BD"},
	} {
		got, err := Canonical(c.in)
		if err != nil || got != c.want {
			t.Errorf("%s: Canonical(%q) = %q, %v; want %q", c.name, c.in, got, err, c.want)
		}
	}
}

func TestCanonicalRefuses(t *testing.T) {
	for _, c := range []struct {
		in   string
		is   error
		says string
	}{
		{"", ErrSyntax, "no scheme; add http:// or https://"},
		{"example.org/x", ErrSyntax, "add http:// or https://"},
		{"//example.org/x", ErrSyntax, "add http:// or https://"},
		{"example.org:80/x", ErrScheme, "add http:// or https://"},
		{"localhost:8080", ErrScheme, "add http:// or https://"},
		{"ftp://example.org/", ErrScheme, `"ftp"`},
		{"mailto:someone@example.org", ErrScheme, `"mailto"`},
		{"javascript:void(0)", ErrScheme, `"javascript"`},
		{"http://", ErrSyntax, "no host"},
		{"http://user@/", ErrSyntax, "no host"},
		{"http://:80/", ErrSyntax, "no host"},
		{"http://./", ErrSyntax, "empty label"},
		{"http://a..b/", ErrSyntax, "empty label"},
		{"http://example.org../", ErrSyntax, "empty label"},
		{"http://exa mple.org/", ErrSyntax, "no name or address"},
		{"http://a%00b/", ErrSyntax, "no name or address"},
		{"http://[::1/", ErrSyntax, "no name or address"},
		{"http://[[::1]]/", ErrSyntax, "no name or address"},
		{"http://[1::2::3]/", ErrSyntax, "multiple instances"},
		{"http://1.2.3.256/", ErrSyntax, "no name or address"},
		{"http://1.+2.3/", ErrSyntax, "no name or address"},
		{"http://example.org:99999/", ErrSyntax, "above 65535"},
		{"http://example.org:8a/", ErrSyntax, "no number"},
		{"http://example.org/" + strings.Repeat("a", MaxLen), ErrLong, "65536"},
		{"http://example.org/" + strings.Repeat(" a", MaxLen/3), ErrLong, "65536"},
	} {
		got, err := Canonical(c.in)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("Canonical(%q) = %q, %v; want %v saying %q", cut(c.in, 80), got, err, c.is, c.says)
			continue
		}
		if len(err.Error()) > 500 || strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("Canonical(%q): the error is not one short line: %v", cut(c.in, 80), err)
		}
	}
}

func TestErrorsKeepSecrets(t *testing.T) {
	for _, in := range []string{
		"http://user:secret@exa mple.org/",
		"http:\\\\user:secret@exa mple.org/",
		"http:user:secret@exa mple.org",
		"ftp://user:secret@example.org/a@b",
		"//user:secret@example.org",
	} {
		if _, err := Canonical(in); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("Canonical(%q): %v", in, err)
		}
	}
}

func TestResolve(t *testing.T) {
	for _, c := range []struct{ base, ref, want string }{
		{"http://u:p@example.org/a/b?c#d", "", "http://u:p@example.org/a/b?c"},
		{"http://example.org/a/b?c#d", "#e f", "http://example.org/a/b?c#e%20f"},
		{"http://example.org/a/b?c#d", "?e", "http://example.org/a/b?e"},
		{"http://example.org/a/b?c#d", "\\x", "http://example.org/x"},
		{"http://example.org/a/b?c#d", "\\\\x", "http://x/"},
		{"http://example.org/a/b?c#d", "https:x", "https://x/"},
		{"http://example.org/a/b?c#d", "http:x", "http://example.org/a/x"},
		{"http://example.org/a/b?c#d", "mailto:x@example.org", "mailto:x@example.org"},
		{"http://example.org", "a", "http://example.org/a"},
		{"http://example.org/a/", "../../b/", "http://example.org/b/"},
		{"http://example.org/a/b", "javascript:void(0)", "javascript:void(0)"},
		{"file:///a/b", "c", "file:///a/c"},
		{"data:text/html,x", "http://example.org", "http://example.org/"},
	} {
		got, err := Resolve(c.base, c.ref)
		if err != nil || got != c.want {
			t.Errorf("Resolve(%q, %q) = %q, %v; want %q", c.base, c.ref, got, err, c.want)
		}
	}
	for _, c := range [][2]string{
		{"", "http://example.org/"},
		{"example.org", "/x"},
		{"mailto:x@example.org", "/x"},
		{"http://example.org/", "//"},
		{"http://example.org/", "http://a:b/"},
		{"http://example.org/", strings.Repeat("a", MaxLen+1)},
	} {
		if got, err := Resolve(c[0], c[1]); err == nil {
			t.Errorf("Resolve(%q, %q) = %q, want an error", c[0], cut(c[1], 80), got)
		}
	}
}

func TestParts(t *testing.T) {
	for _, c := range []struct{ in, host, hostname, path string }{
		{"http://example.org/", "http://example.org:80", "example.org", "/"},
		{"https://example.org/a?b=c:d/e@f", "https://example.org:443", "example.org", "/a?b=c:d/e@f"},
		{"https://example.org:8443/a", "https://example.org:8443", "example.org", "/a"},
		{"http://[2001:db8::1]/", "http://[2001:db8::1]:80", "2001:db8::1", "/"},
		{"http://[2001:db8::1]:81/x", "http://[2001:db8::1]:81", "2001:db8::1", "/x"},
		{"http://u:p@example.org?x#y", "http://example.org:80", "example.org", "/?x"},
		{"https://example.org:443", "https://example.org:443", "example.org", "/"},
	} {
		if got := Host(c.in); got != c.host {
			t.Errorf("Host(%q) = %q, want %q", c.in, got, c.host)
		}
		if got := Hostname(c.in); got != c.hostname {
			t.Errorf("Hostname(%q) = %q, want %q", c.in, got, c.hostname)
		}
		if got := Path(c.in); got != c.path {
			t.Errorf("Path(%q) = %q, want %q", c.in, got, c.path)
		}
	}
	if got := Host("mailto:someone@example.org"); got != "" {
		t.Errorf("Host of a mailto URL = %q, want none", got)
	}
}

func TestSite(t *testing.T) {
	for in, want := range map[string]string{
		"www.example.co.uk":  "example.co.uk",
		"a.b.example.org.":   "example.org",
		"user.github.io":     "user.github.io",
		"localhost":          "localhost",
		"127.0.0.1":          "127.0.0.1",
		"2001:db8::1":        "2001:db8::1",
		"co.uk":              "co.uk",
		"www.bücher.example": "xn--bcher-kva.example",
		"":                   "",
	} {
		if got := Site(in); got != want {
			t.Errorf("Site(%q) = %q, want %q", in, got, want)
		}
	}
}
