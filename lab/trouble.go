package lab

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Trouble is how the lab misbehaves just now. The zero value: not at all. Where both "*" and a host's own name say something,
// the host's own counts. The lab's own addresses, below /_, are as usual, except that a host that is down cannot be reached.
type Trouble struct {
	DNS    string                   `json:"dns,omitempty"`    // silent, refuse, servfail: every question; "" answers
	Names  map[string]string        `json:"names,omitempty"`  // any name → silent, refuse, servfail, nxdomain: that name alone, whatever DNS says
	Down   []string                 `json:"down,omitempty"`   // hosts whose address refuses connections; open ones are cut; "*" for all
	Push   map[string]Push          `json:"push,omitempty"`   // host → answers with 429 or 503; "*" for all
	Slow   map[string]time.Duration `json:"slow,omitempty"`   // host → waits that long before it answers (in JSON a Go duration such as "300ms"); "*" for all
	Status map[string]int           `json:"status,omitempty"` // host → answers every request with this status, from 400 to 599; "*" for all
	Line   int64                    `json:"line,omitempty"`   // bytes a second that all hosts together send, headers and bodies, the same for each connection; 0: as many as they can
	Drip   map[string]int64         `json:"drip,omitempty"`   // host → bytes a second of the body of each answer, which is slow and never still for more than a second; "*" for all; 0: none
	Huge   map[string]int64         `json:"huge,omitempty"`   // host → every HTML page is of so many bytes, from 65,536; "*" for all; 0: none
	Poison map[string]string        `json:"poison,omitempty"` // host → every HTML page is small and dear to parse: nested, unclosed or attributes, and never huge; "*" for all; "": none
}

// Push is how a host pushes back. It goes before a status of Trouble.Status.
type Push struct {
	Status     int    `json:"status"`                // 429 or 503
	RetryAfter string `json:"retry_after,omitempty"` // as sent; "+90s" becomes the HTTP date of that moment; "": none
	Count      int    `json:"count,omitempty"`       // so many times at each host, then as usual; 0: until it is taken away
	Robots     bool   `json:"robots,omitempty"`      // also robots.txt
	// Above is how many requests a second each host answers as usual, by the lab's clock, before it pushes back: those of one
	// second, and at least one, may come at once. 0: it pushes every request back.
	Above float64 `json:"above,omitempty"`
}

// What a name server in trouble does.
const (
	silent   = "silent"
	refuse   = "refuse"
	servfail = "servfail"
	nxdomain = "nxdomain"
)

// everyone is the name that means all hosts.
const everyone = "*"

// onWire is Trouble as JSON has it: without Trouble's methods, and with durations as text.
type onWire struct {
	inMemory
	Slow map[string]string `json:"slow,omitempty"`
}

type inMemory Trouble

// MarshalJSON writes durations as Go writes them.
func (t Trouble) MarshalJSON() ([]byte, error) {
	out := onWire{inMemory: inMemory(t), Slow: make(map[string]string, len(t.Slow))}
	for name, d := range t.Slow {
		out.Slow[name] = d.String()
	}
	return json.Marshal(out)
}

// UnmarshalJSON fails at fields that Trouble has not, so that a slip of the pen is no quiet lab.
func (t *Trouble) UnmarshalJSON(b []byte) error {
	var in onWire
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return err
	}
	*t = Trouble(in.inMemory)
	if len(in.Slow) > 0 {
		t.Slow = make(map[string]time.Duration, len(in.Slow))
	}
	for name, text := range in.Slow {
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("slow %s: %w", name, err)
		}
		t.Slow[name] = d
	}
	return nil
}

// clone shares nothing with t.
func (t Trouble) clone() Trouble {
	t.Names, t.Down, t.Push = maps.Clone(t.Names), slices.Clone(t.Down), maps.Clone(t.Push)
	t.Slow, t.Status = maps.Clone(t.Slow), maps.Clone(t.Status)
	t.Drip, t.Huge, t.Poison = maps.Clone(t.Drip), maps.Clone(t.Huge), maps.Clone(t.Poison)
	return t
}

// SetTrouble replaces what was set before; counts of pushes begin anew, and answers under way go on at the new speed. When it
// returns, the hosts that are down refuse connections and all others take them. The truth knows nothing of trouble: it is what
// a crawl finds that outlasts it. Of a page that was fetched while it was huge or poisoned, the truth is right in state, depth
// and links, and wrong in title, charset, size and digest. The error names what is wrong with t, and nothing is changed then;
// or it names the addresses that could not be opened again, and the rest is set.
func (w *Web) SetTrouble(t Trouble) error {
	t = t.clone()
	if err := w.check(t); err != nil {
		return fmt.Errorf("set trouble: %w", err)
	}
	p := w.plights(t)
	w.setting.Lock()
	defer w.setting.Unlock()
	if w.ended {
		return errors.New("set trouble: the lab is closed")
	}
	if before := w.trouble.Swap(p); before != nil {
		close(before.over)
	}
	if err := w.setDoors(func(d *door) bool { return p.down(d.hosts[0]) }); err != nil {
		return fmt.Errorf("set trouble: %w", err)
	}
	return nil
}

// Trouble is what was set last.
func (w *Web) Trouble() Trouble {
	if p := w.trouble.Load(); p != nil {
		return p.set.clone()
	}
	return Trouble{}
}

// check names everything that is wrong with t, in an order that does not change.
func (w *Web) check(t Trouble) error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !slices.Contains([]string{"", silent, refuse, servfail}, t.DNS) {
		wrong("dns %q: want silent, refuse or servfail", t.DNS)
	}
	for _, name := range inOrder(t.Names) {
		if _, ok := dns.IsDomainName(name); !ok {
			wrong("names: %q is no domain name", name)
		}
		if !slices.Contains([]string{silent, refuse, servfail, nxdomain}, t.Names[name]) {
			wrong("names %s: %q: want silent, refuse, servfail or nxdomain", name, t.Names[name])
		}
	}
	for _, set := range []struct {
		of    string
		names []string
	}{
		{"down", t.Down},
		{"push", inOrder(t.Push)},
		{"slow", inOrder(t.Slow)},
		{"status", inOrder(t.Status)},
		{"drip", inOrder(t.Drip)},
		{"huge", inOrder(t.Huge)},
		{"poison", inOrder(t.Poison)},
	} {
		for _, name := range set.names {
			if name != everyone && w.host(name) == nil {
				wrong("%s: %q is no host of the lab", set.of, name)
			}
		}
	}
	for _, name := range inOrder(t.Push) {
		if err := t.Push[name].check(); err != nil {
			wrong("push %s: %w", name, err)
		}
	}
	for _, name := range inOrder(t.Slow) {
		if t.Slow[name] < 0 {
			wrong("slow %s: %v is less than nothing", name, t.Slow[name])
		}
	}
	for _, name := range inOrder(t.Status) {
		if s := t.Status[name]; s < 400 || s > 599 {
			wrong("status %s: %d: want 400 to 599", name, s)
		}
	}
	errs = append(errs, t.checkBodies()...)
	return errors.Join(append(errs, w.checkShared(t.Down)...)...)
}

// checkBodies finds what is wrong with how answers are sent, and with what is sent in place of pages.
func (t Trouble) checkBodies() []error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if t.Line < 0 {
		wrong("line %d is less than nothing", t.Line)
	}
	for _, name := range inOrder(t.Drip) {
		if t.Drip[name] < 0 {
			wrong("drip %s: %d is less than nothing", name, t.Drip[name])
		}
	}
	for _, name := range inOrder(t.Huge) {
		if size := t.Huge[name]; size != 0 && size < leastHuge {
			wrong("huge %s: %d bytes: want at least %d, or 0 for none", name, size, leastHuge)
		}
	}
	for _, name := range inOrder(t.Poison) {
		if !slices.Contains([]string{"", nested, unclosed, attributes}, t.Poison[name]) {
			wrong("poison %s: %q: want nested, unclosed or attributes", name, t.Poison[name])
		}
	}
	return errs
}

func (p Push) check() error {
	if p.Status != http.StatusTooManyRequests && p.Status != http.StatusServiceUnavailable {
		return fmt.Errorf("status %d: want 429 or 503", p.Status)
	}
	if p.Count < 0 {
		return fmt.Errorf("count %d is less than nothing", p.Count)
	}
	if !(p.Above >= 0) || math.IsInf(p.Above, 0) {
		return fmt.Errorf("above %v: want so many requests a second, or 0 for none", p.Above)
	}
	if later, ok := strings.CutPrefix(p.RetryAfter, "+"); ok {
		if _, err := time.ParseDuration(later); err != nil {
			return fmt.Errorf("retry after: %w", err)
		}
	}
	if strings.ContainsFunc(p.RetryAfter, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("retry after %q: no header can say that", p.RetryAfter)
	}
	return nil
}

// checkShared finds the addresses of which some hosts are to be down and others not.
func (w *Web) checkShared(down []string) []error {
	named := make(map[*host]bool, len(down))
	for _, name := range down {
		if name == everyone {
			return nil
		}
		if h := w.host(name); h != nil {
			named[h] = true
		}
	}
	var errs []error
	for _, d := range w.doors {
		up := slices.IndexFunc(d.hosts, func(h *host) bool { return !named[h] })
		in := slices.IndexFunc(d.hosts, func(h *host) bool { return named[h] })
		if up >= 0 && in >= 0 {
			errs = append(errs, fmt.Errorf("down: %s shares %s with %s, which is not to be down: name all of its hosts or none",
				d.hosts[in].site.name, d.ip, d.hosts[up].site.name))
		}
	}
	return errs
}

// inOrder lists the keys of a map in their order.
func inOrder[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// serveTrouble answers at /_trouble: GET tells what is set, POST with a JSON object replaces it. The answer to a POST that
// takes down the very host that it was sent to is lost; send it to the control address.
func (w *Web) serveTrouble(rw http.ResponseWriter, r *http.Request) {
	const most = 8 << 20 // thousands of hosts, each named in every field
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		var t Trouble
		body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, most))
		if err == nil {
			err = json.Unmarshal(body, &t)
		}
		if err == nil {
			err = w.SetTrouble(t)
		}
		if err != nil {
			write(rw, r, http.StatusBadRequest, "text/plain; charset=utf-8", []byte(err.Error()+"\n"))
			return
		}
	default:
		rw.Header().Set("Allow", "GET, HEAD, POST")
		write(rw, r, http.StatusMethodNotAllowed, "text/plain", []byte("GET, HEAD and POST only\n"))
		return
	}
	writeJSON(rw, w.Trouble())
}
