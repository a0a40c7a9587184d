// Package config is the only reader of the environment. A flag wins over the environment, which wins over the default.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Config is everything that can be set.
type Config struct {
	RedisURL    string `env:"REDIS_URL"`    // redis://, rediss://, unix://
	DatabaseURL string `env:"DATABASE_URL"` // sqlite:///path; catalog.db in Data when empty
	StoreURL    string `env:"STORE_URL"`    // file:///dir; warc/ in Data when empty
	Port        int    `env:"PORT" envDefault:"8080"`
	Data        string `env:"TRAWL_DATA" envDefault:"./data"`
	Contact     string `env:"TRAWL_CONTACT"` // URL or address in the user agent
	AllowNets   []Net  `env:"TRAWL_ALLOW_NETS"`
	DNS         []Addr `env:"TRAWL_DNS"`
	Login       Login  `env:"TRAWL_LOGIN"`
	Shards      int    `env:"TRAWL_SHARDS" envDefault:"1"`
	Alert       string `env:"TRAWL_ALERT"`  // a URL or a command that is told when something is wrong
	Canary      string `env:"TRAWL_CANARY"` // URL of a page that is always there
	Profiles    string `env:"TRAWL_PPROF"`  // port of the profiles of a process without a dashboard; "" for none, 0 for any
	Log         Log    `env:"TRAWL_LOG"`
	// OpenTelemetry's own names, which its library reads too: without one of them there are no traces.
	OTLP       string `env:"OTEL_EXPORTER_OTLP_ENDPOINT"`
	OTLPTraces string `env:"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"`
}

// Net is a network that may be crawled although it is private.
type Net struct{ netip.Prefix }

// UnmarshalText reads a CIDR or a single address.
func (n *Net) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, aerr := netip.ParseAddr(s)
		if aerr != nil {
			return fmt.Errorf("%q: want a network such as 127.0.0.0/8", s)
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	n.Prefix = p.Masked()
	return nil
}

// Addr is a resolver.
type Addr struct{ netip.AddrPort }

// UnmarshalText reads ip:port; the port is 53 when it is left out.
func (a *Addr) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		ip, ierr := netip.ParseAddr(s)
		if ierr != nil {
			return fmt.Errorf("%q: want an address such as 127.0.0.1:53", s)
		}
		ap = netip.AddrPortFrom(ip, 53)
	}
	a.AddrPort = ap
	return nil
}

// Login is who may use the dashboard. The zero Login is nobody in particular.
type Login struct{ User, Password string }

// UnmarshalText reads user:password, where the password may be a bcrypt hash.
func (l *Login) UnmarshalText(text []byte) error {
	user, password, ok := strings.Cut(string(text), ":")
	if !ok || user == "" || password == "" {
		return errors.New("want user:password")
	}
	l.User, l.Password = user, password
	return nil
}

// Log is the level and the format of the log.
type Log struct {
	Level slog.Level
	JSON  *bool // nil: text on a terminal, JSON elsewhere
}

// UnmarshalText reads debug, info, warn or error, json or text, or both with a comma between them.
func (l *Log) UnmarshalText(text []byte) error {
	for part := range strings.SplitSeq(string(text), ",") {
		switch p := strings.ToLower(strings.TrimSpace(part)); p {
		case "json", "text":
			l.JSON = new(p == "json")
		default:
			if err := l.Level.UnmarshalText([]byte(p)); err != nil {
				return fmt.Errorf("%q: want debug, info, warn or error, json or text, or both as in debug,json", part)
			}
		}
	}
	return nil
}

// Load reads the environment, in the form of os.Environ.
func Load(environ []string) (Config, error) {
	var c Config
	vars := env.ToMap(environ)
	for name, v := range vars {
		if v == "" {
			delete(vars, name) // an empty value counts as unset
		}
	}
	if err := unknown(vars); err != nil {
		return c, err
	}
	if err := env.ParseWithOptions(&c, env.Options{Environment: vars}); err != nil {
		return c, describe(err)
	}
	return c, c.Validate()
}

// describe names the variable and not the field.
func describe(err error) error {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return err
	}
	t := reflect.TypeFor[Config]()
	var errs []error
	for _, e := range all.Errors {
		var p env.ParseError
		if !errors.As(e, &p) {
			errs = append(errs, e)
			continue
		}
		name := p.Name
		if f, ok := t.FieldByName(p.Name); ok {
			name, _, _ = strings.Cut(f.Tag.Get("env"), ",")
		}
		errs = append(errs, fmt.Errorf("%s: %w", name, p.Err))
	}
	return errors.Join(errs...)
}

// Validate tells what is wrong with c.
func (c Config) Validate() error {
	var errs []error
	if c.Port < 0 || c.Port > 65535 {
		errs = append(errs, fmt.Errorf("PORT %d: want 0 to 65535", c.Port))
	}
	if c.Shards != 1 {
		errs = append(errs, fmt.Errorf("TRAWL_SHARDS %d: this version has one queue for fetch: leave it at 1", c.Shards))
	}
	if c.RedisURL != "" && !slices.ContainsFunc([]string{"redis://", "rediss://", "unix://"}, func(p string) bool { return strings.HasPrefix(c.RedisURL, p) }) {
		errs = append(errs, errors.New("REDIS_URL: want redis://host:6379, rediss://host:6379 or unix:///path"))
	}
	if strings.ContainsAny(c.Contact, "\r\n") {
		errs = append(errs, errors.New("TRAWL_CONTACT: want one line"))
	}
	if u, err := url.Parse(c.Canary); c.Canary != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		errs = append(errs, errors.New("TRAWL_CANARY: want the URL of a page, as in https://example.org/"))
	}
	if _, err := strconv.ParseUint(c.Profiles, 10, 16); c.Profiles != "" && err != nil {
		errs = append(errs, fmt.Errorf("TRAWL_PPROF %q: want a port, or 0 for any that is free", c.Profiles))
	}
	_, derr := c.DatabasePath()
	_, serr := c.StoreDir()
	return errors.Join(append(errs, derr, serr)...)
}

// DatabasePath is the file of the SQLite database.
func (c Config) DatabasePath() (string, error) {
	if c.DatabaseURL == "" {
		return filepath.Join(c.Data, "catalog.db"), nil
	}
	return local("DATABASE_URL", c.DatabaseURL, "sqlite")
}

// StoreDir is the folder of the archive.
func (c Config) StoreDir() (string, error) {
	if c.StoreURL == "" {
		return filepath.Join(c.Data, "warc"), nil
	}
	return local("STORE_URL", c.StoreURL, "file")
}

func local(name, raw, scheme string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", fmt.Errorf("%s: not a URL", name) // without the URL: it may hold a password
	}
	if u.Scheme != scheme || u.Path == "" || u.Host != "" {
		return "", fmt.Errorf("%s: this version takes %s:///path (its scheme is %q)", name, scheme, u.Scheme)
	}
	return u.Path, nil
}

// Prefixes are the allowed networks.
func (c Config) Prefixes() []netip.Prefix {
	out := make([]netip.Prefix, len(c.AllowNets))
	for i, n := range c.AllowNets {
		out[i] = n.Prefix
	}
	return out
}

// Resolvers are the resolvers to ask; none means the system's.
func (c Config) Resolvers() []netip.AddrPort {
	out := make([]netip.AddrPort, len(c.DNS))
	for i, a := range c.DNS {
		out[i] = a.AddrPort
	}
	return out
}

// unknown refuses TRAWL_ names that mean nothing: a misspelt setting must not pass in silence.
func unknown(vars map[string]string) error {
	known := names()
	var errs []error
	for name := range vars {
		if strings.HasPrefix(name, "TRAWL_") && !slices.Contains(known, name) {
			errs = append(errs, fmt.Errorf("%s is not a setting: did you mean %s?", name, nearest(name, known)))
		}
	}
	return errors.Join(errs...)
}

// names lists the variables that are read.
func names() []string {
	t := reflect.TypeFor[Config]()
	var out []string
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("env"), ",")
		out = append(out, name)
	}
	return out
}

func nearest(name string, known []string) string {
	best, least := "", len(name)+100
	for _, k := range known {
		if d := distance(name, k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is the number of letters to add, drop or change (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// Environ is the environment of this process.
func Environ() []string { return os.Environ() }
