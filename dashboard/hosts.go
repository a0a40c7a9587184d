package dashboard

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"

	"example.org/trawl/catalog"
	"example.org/trawl/status"
)

// hostsAtOnce is how many hosts are listed unless somebody asks for another number, and mostHosts how many may be asked for.
const (
	hostsAtOnce = 50
	mostHosts   = 500
)

// hostFilter chooses hosts.
type hostFilter struct {
	Name  string
	State catalog.HostState // "" for all
	Limit int
}

// stateFilters are the states that hosts can be listed by.
func stateFilters() []catalog.HostState {
	return append(catalog.HostStates()[1:], catalog.HostPaused)
}

// hostFilterOf reads a filter from a request; one that makes no sense is an error for who asked.
func hostFilterOf(r *http.Request) (hostFilter, error) {
	v := r.URL.Query()
	f := hostFilter{Name: v.Get("host"), State: catalog.HostState(v.Get("state")), Limit: hostsAtOnce}
	if f.State != "" && !slices.Contains(stateFilters(), f.State) {
		return f, fmt.Errorf("state %q: want backoff, dns, robots, dead or paused", status.Printable(string(f.State)))
	}
	if l := v.Get("limit"); l != "" {
		n, err := strconv.Atoi(l)
		if err != nil || n < 1 || n > mostHosts {
			return f, fmt.Errorf("limit %q: want a number from 1 to %d", status.Printable(l), mostHosts)
		}
		f.Limit = n
	}
	return f, nil
}

// findHosts returns the hosts that f chooses; ErrNotFound when it names one that there is not.
func (s *Server) findHosts(r *http.Request, f hostFilter) (out []catalog.Host, err error) {
	if f.Name == "" {
		return s.o.Catalog.Hosts(r.Context(), f.State, f.Limit)
	}
	named, err := status.NamedHosts(r.Context(), s.o.Catalog, f.Name)
	for _, h := range named {
		if f.State == "" || status.HostOf(h, time.Now()).State == f.State {
			out = append(out, h)
		}
	}
	return out, err
}

type hostsPage struct {
	frame
	Filter hostFilter
	States []catalog.HostState
	Hosts  []status.Host
	Error  string
}

type hostPage struct {
	frame
	Hosts []hostView
}

// hostView is a host with everything that is known of it.
type hostView struct {
	status.Host
	Sentence string
	Facts    []fact
	Rules    string // of its robots.txt, as far as they are shown
	Cut      bool   // they go on
}

// fact is a line of a table.
type fact struct{ Name, Text string }

// rulesShown bounds the octets of a robots.txt that a page shows.
const rulesShown = 20_000

func (s *Server) hosts(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	p := hostsPage{frame: frame{Title: "Hosts", Nav: "hosts", At: now}, States: stateFilters()}
	f, err := hostFilterOf(r)
	if err != nil {
		p.Error = sentenceOf(err)
		s.render(w, r, http.StatusBadRequest, "hosts.html", p)
		return
	}
	p.Filter = f
	found, err := s.findHosts(r, f)
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		p.Error = fmt.Sprintf("There is no host %q: no page of it was ever admitted.", status.Printable(f.Name))
	case err != nil:
		s.fail(w, r, err)
		return
	case f.Name != "" && len(found) > 0:
		one := hostPage{frame: p.frame}
		one.Title = "Host " + status.Printable(f.Name)
		if len(found) == 1 {
			one.Title = "Host " + status.Printable(found[0].Name)
		}
		for _, h := range found {
			one.Hosts = append(one.Hosts, viewHost(h, now))
		}
		s.render(w, r, http.StatusOK, "host.html", one)
		return
	case f.Name != "":
		p.Error = fmt.Sprintf("The host %q is not in the state %s.", status.Printable(f.Name), f.State)
	}
	for _, h := range found {
		p.Hosts = append(p.Hosts, status.HostOf(h, now))
	}
	s.render(w, r, http.StatusOK, "hosts.html", p)
}

func (s *Server) apiHosts(w http.ResponseWriter, r *http.Request) {
	f, err := hostFilterOf(r)
	if err != nil {
		s.json(w, r, http.StatusBadRequest, apiError{err.Error()})
		return
	}
	found, err := s.findHosts(r, f)
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		s.json(w, r, http.StatusNotFound, apiError{fmt.Sprintf("there is no host %q: GET /api/hosts lists those with pages waiting", f.Name)})
		return
	case err != nil:
		s.fail(w, r, err)
		return
	}
	out := []status.Host{} // a list, if an empty one
	for _, h := range found {
		out = append(out, status.HostOf(h, time.Now()))
	}
	s.json(w, r, http.StatusOK, out)
}

// viewHost is everything that is known of a host, in words.
func viewHost(h catalog.Host, now time.Time) hostView {
	v := hostView{Host: status.HostOf(h, now)}
	v.Sentence = hostSentence(v.Host)
	add := func(name, format string, args ...any) {
		v.Facts = append(v.Facts, fact{name, fmt.Sprintf(format, args...)})
	}
	add("Pages", "%s waiting, %s queued, %s stored, %s failed, %s ended", humanize.Comma(h.Waiting), humanize.Comma(h.Queued), humanize.Comma(h.Stored),
		humanize.Comma(h.Failed), humanize.Comma(h.Ended))
	add("Stored", "%s of bodies, ever", humanize.Bytes(uint64(max(h.Bytes, 0))))
	if v.ETA > 0 {
		add("To go", "about %s", eta(v.ETA))
	}
	if h.Pace > 0 {
		add("Pace", "one start in %s, as it turns out", h.Pace.Round(time.Millisecond))
	} else {
		add("Pace", "not known yet")
	}
	add("Delay", "%s", delayWords(h))
	if h.Own != nil {
		add("Own limits", "%s between two starts, %d at once, set by an operator: trawl hosts reset takes them back", h.Own.Delay, h.Own.PerHost)
	} else {
		add("Own limits", "none: it is pressed as hard as its crawls say")
	}
	add("Robots.txt", "%s", robotsWords(h.Robots, now))
	if x := h.Trouble; x.State != catalog.HostOK {
		add("In trouble since", "%s (%s)", x.Since.Local().Format(time.DateTime), humanize.RelTime(x.Since, now, "ago", "from now"))
		if x.GivenUp {
			add("Tried again", "not by itself: it was given up, and its pages fail; trawl retry --host takes that back")
		} else {
			add("Tried again", "%s (%s)", x.Until.Local().Format(time.DateTime), humanize.RelTime(x.Until, now, "ago", "from now"))
		}
		add("Trouble", "%s, %s", x.Fault, times(x.Fails))
		add("Last error", "%s", status.Printable(x.Err))
	}
	if h.Waiting > 0 {
		add("Looked at", "%s by promotion", humanize.RelTime(h.NextAt, now, "ago", "from now"))
	}
	add("Site", "%s", h.Site)
	rules := h.Robots.Body
	if v.Cut = len(rules) > rulesShown; v.Cut {
		rules = rules[:rulesShown]
	}
	v.Rules = lines(rules)
	return v
}

// hostSentence says in one line how a host stands.
func hostSentence(h status.Host) string {
	open := fmt.Sprintf("%s waiting, %s queued", humanize.Comma(h.Waiting), humanize.Comma(h.Queued))
	switch {
	case h.State == catalog.HostPaused:
		return fmt.Sprintf("Paused by an operator: %s. trawl resume --host %s takes that back.", open, h.Host)
	case h.GivenUp:
		return fmt.Sprintf("Given up for %s: its pages fail.", h.Fault)
	case h.State != catalog.HostOK:
		return fmt.Sprintf("%s: its pages wait, and keep their tries. %s.", stateWords(h.State), open)
	case h.Open() == 0:
		return fmt.Sprintf("Nothing is left to do: %s stored, %s failed.", humanize.Comma(h.Stored), humanize.Comma(h.Failed))
	case h.ETA == 0:
		return open + "; as fast as the workers get to it."
	}
	return fmt.Sprintf("%s; through in about %s.", open, eta(h.ETA))
}

// stateWords says what a state means.
func stateWords(s catalog.HostState) string {
	return map[catalog.HostState]string{
		catalog.HostBackoff: "It asked for fewer requests", catalog.HostDNS: "Its name cannot be resolved",
		catalog.HostRobots: "Its robots.txt cannot be had", catalog.HostDead: "It does not answer",
	}[s]
}

func delayWords(h catalog.Host) string {
	if h.Robots.CrawlDelay > 0 {
		return fmt.Sprintf("%s, which its robots.txt asks for", h.Robots.CrawlDelay)
	}
	return "its robots.txt asks for none"
}

// robotsWords says what is known of a host's robots.txt, and until when that holds.
func robotsWords(r catalog.Robots, now time.Time) string {
	ago := func(t time.Time) string { return humanize.RelTime(t, now, "ago", "from now") }
	switch r.State {
	case catalog.RobotsRead:
		return fmt.Sprintf("read %s, to be read again %s", ago(r.At), ago(r.Until))
	case catalog.RobotsAllow:
		return fmt.Sprintf("there is none, so all is allowed; asked %s, to be asked again %s", ago(r.At), ago(r.Until))
	}
	return "not read yet: its pages wait for it"
}

func times(n int) string {
	if n == 1 {
		return "once so far"
	}
	return fmt.Sprintf("%s times in a row", humanize.Comma(int64(n)))
}
