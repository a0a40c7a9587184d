package lab

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// set sets trouble that is right.
func set(t testing.TB, w *Web, trouble Trouble) {
	t.Helper()
	if err := w.SetTrouble(trouble); err != nil {
		t.Fatal(err)
	}
}

// post sends JSON to /_trouble at the control address.
func post(t testing.TB, w *Web, body string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.Control()+"/_trouble", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := plainClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res, got}
}

// plainClient dials addresses, not names.
func plainClient(t testing.TB) *http.Client {
	t.Helper()
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// try asks without failing the test: whether an answer came is what is looked at.
func try(t testing.TB, c *http.Client, url string) (int, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

func TestTroubleIsChecked(t *testing.T) {
	w := start(t, Config{Pages: 10, Hosts: 4, Addresses: 2})
	good := Trouble{Status: map[string]int{"h1.lab.test": 503}}
	set(t, w, good)
	for _, row := range []struct {
		name, want string
		Trouble
	}{
		{"dns", `dns "slow"`, Trouble{DNS: "slow"}},
		{"dns nxdomain", "dns", Trouble{DNS: "nxdomain"}},
		{"name's trouble", "names h0.lab.test", Trouble{Names: map[string]string{"h0.lab.test": "gone"}}},
		{"no name", "is no domain name", Trouble{Names: map[string]string{"a..b": "refuse"}}},
		{"unknown host", `down: "h4.lab.test"`, Trouble{Down: []string{"h4.lab.test"}}},
		{"unknown host slow", `slow: "h9.lab.test"`, Trouble{Slow: map[string]time.Duration{"h9.lab.test": 1}}},
		{"push status", "push *: status 500", Trouble{Push: map[string]Push{"*": {Status: 500}}}},
		{"push count", "push h0.lab.test: count", Trouble{Push: map[string]Push{"h0.lab.test": {Status: 429, Count: -1}}}},
		{"push moment", "retry after", Trouble{Push: map[string]Push{"*": {Status: 429, RetryAfter: "+soon"}}}},
		{"push header", "no header", Trouble{Push: map[string]Push{"*": {Status: 429, RetryAfter: "1\r\nX: y"}}}},
		{"push rate", "push *: above -1", Trouble{Push: map[string]Push{"*": {Status: 429, Above: -1}}}},
		{"push at no rate", "push *: above NaN", Trouble{Push: map[string]Push{"*": {Status: 429, Above: math.NaN()}}}},
		{"line", "line -1", Trouble{Line: -1}},
		{"drip", "drip *: -5", Trouble{Drip: map[string]int64{"*": -5}}},
		{"unknown host drips", `drip: "h9.lab.test"`, Trouble{Drip: map[string]int64{"h9.lab.test": 1}}},
		{"hardly huge", "huge h0.lab.test: 65535 bytes", Trouble{Huge: map[string]int64{"h0.lab.test": 65_535}}},
		{"unknown huge host", `huge: "h9.lab.test"`, Trouble{Huge: map[string]int64{"h9.lab.test": 1 << 20}}},
		{"poison", `poison *: "arsenic"`, Trouble{Poison: map[string]string{"*": "arsenic"}}},
		{"unknown poisoned host", `poison: "h9.lab.test"`, Trouble{Poison: map[string]string{"h9.lab.test": "nested"}}},
		{"negative", "slow *", Trouble{Slow: map[string]time.Duration{"*": -1}}},
		{"status", "status *: 200", Trouble{Status: map[string]int{"*": 200}}},
		{"half an address", "shares 127.0.1.1 with h2.lab.test", Trouble{Down: []string{"h0.lab.test"}}},
		{"two things", "status *", Trouble{DNS: "x", Status: map[string]int{"*": 1}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := w.SetTrouble(row.Trouble); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v, want one about %q", err, row.want)
			}
			if diff := cmp.Diff(good, w.Trouble()); diff != "" {
				t.Errorf("bad trouble changed what is set: %s", diff)
			}
		})
	}
}

// TestTroubleIsCopied changes what was set from outside.
func TestTroubleIsCopied(t *testing.T) {
	w := start(t, Config{Pages: 10})
	right := func() Trouble {
		return Trouble{
			Names: map[string]string{"x.test": "refuse"}, Down: []string{"h0.lab.test"}, Push: map[string]Push{"*": {Status: 429}},
			Slow: map[string]time.Duration{"*": 1}, Status: map[string]int{"*": 404}, Drip: map[string]int64{"*": 1},
			Huge: map[string]int64{"*": 1 << 20}, Poison: map[string]string{"*": "nested"},
		}
	}
	mine := right()
	set(t, w, mine)
	for _, tr := range []Trouble{mine, w.Trouble()} {
		tr.Names["x.test"], tr.Down[0], tr.Push["*"], tr.Slow["*"] = "", "", Push{}, 2
		tr.Status["*"], tr.Drip["*"], tr.Huge["*"], tr.Poison["*"] = 0, 2, 2, ""
	}
	if diff := cmp.Diff(right(), w.Trouble()); diff != "" {
		t.Errorf("(-set +changed):\n%s", diff)
	}
}

func TestDownRefusesAndCuts(t *testing.T) {
	w := start(t, Config{Pages: 10, Hosts: 4, Addresses: 2})
	c := client(t, w)
	open, err := w.DialContext(t.Context(), "tcp", "h2.lab.test:"+port(w))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	for range 3 {
		ask(t, c, "GET", w.Seeds()[0])
		down := Trouble{Down: []string{"h0.lab.test", "H2.lab.test"}}
		set(t, w, down)
		set(t, w, down) // says nothing new
		for _, seed := range []string{w.Seeds()[0], w.Seeds()[2], w.Seeds()[0] + "_trouble"} {
			if _, err := try(t, c, seed); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("%s: %v, want it refused", seed, err)
			}
		}
		if got := ask(t, c, "GET", w.Seeds()[1]); got.StatusCode != 200 {
			t.Errorf("a host that is up: %d", got.StatusCode)
		}
		set(t, w, Trouble{Down: []string{"*"}})
		if _, err := try(t, c, w.Seeds()[1]); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("all down, h1: %v", err)
		}
		set(t, w, Trouble{})
		for _, seed := range w.Seeds() {
			if got := ask(t, c, "GET", seed); got.StatusCode != 200 {
				t.Errorf("%s after the trouble: %d", seed, got.StatusCode)
			}
		}
	}
	if n, err := open.Read(make([]byte, 1)); err == nil {
		t.Errorf("the connection from before was not cut: read %d bytes", n)
	}
}

func port(w *Web) string {
	_, p, _ := net.SplitHostPort(w.hosts[0].door.address())
	return p
}

// TestDownCutsWhoWaits has an answer under way when its host goes down, and again when the lab is closed.
func TestDownCutsWhoWaits(t *testing.T) {
	w := start(t, Config{Pages: 10})
	c := client(t, w)
	cut(t, w, c, "down", func() { set(t, w, Trouble{Down: []string{"*"}}) })
	cut(t, w, c, "closed", func() { _ = w.Close() })
	if err := w.SetTrouble(Trouble{}); err == nil {
		t.Error("trouble was set in a closed lab")
	}
}

// cut starts a request that waits for a slow host, calls end, and wants no answer.
func cut(t *testing.T, w *Web, c *http.Client, name string, end func()) {
	t.Helper()
	set(t, w, Trouble{Slow: map[string]time.Duration{"h0.lab.test": time.Hour}})
	before, done := len(w.Requests()), make(chan error, 1)
	go func() {
		_, err := try(t, c, w.Seeds()[0])
		done <- err
	}()
	until(t, "the request is there", func() bool { return len(w.Requests()) > before })
	end()
	if err := <-done; err == nil {
		t.Errorf("%s: an answer came all the same", name)
	}
}

// until waits for what another goroutine does.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 20_000 {
		if ok() {
			return
		}
		<-tick.C
	}
	t.Fatalf("waited in vain: %s", what)
}

func TestPush(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 500, time.UTC)
	w := start(t, Config{Pages: 10, Now: func() time.Time { return noon }})
	c := client(t, w)
	set(t, w, Trouble{
		Push: map[string]Push{
			"*":           {Status: 429, RetryAfter: "7", Count: 2},
			"h1.lab.test": {Status: 503, RetryAfter: "+90s", Robots: true},
		},
		Status: map[string]int{"h1.lab.test": 500},
	})
	type answer struct {
		Status int
		After  string
	}
	for _, row := range []struct {
		url  string
		want []answer
	}{
		{w.Seeds()[0] + "robots.txt", []answer{{200, ""}}},
		{w.Seeds()[0], []answer{{429, "7"}, {429, "7"}, {200, ""}, {200, ""}}},
		{w.Seeds()[2], []answer{{429, "7"}, {429, "7"}, {200, ""}}}, // each host has its own count
		{w.Seeds()[1], []answer{{503, "Sun, 01 Mar 2026 12:01:30 GMT"}, {503, "Sun, 01 Mar 2026 12:01:30 GMT"}}},
		{w.Seeds()[1] + "robots.txt", []answer{{503, "Sun, 01 Mar 2026 12:01:30 GMT"}}},
	} {
		var got []answer
		for range row.want {
			res := ask(t, c, "GET", row.url)
			got = append(got, answer{res.StatusCode, res.Header.Get("Retry-After")})
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.url, diff)
		}
	}
	until(t, "the log has the status", func() bool { return w.Requests()[1].Status == 429 })
	set(t, w, w.Trouble())
	if got := ask(t, c, "GET", w.Seeds()[0]); got.StatusCode != 429 {
		t.Errorf("set anew, the count did not begin anew: %d", got.StatusCode)
	}
}

// TestPushAbove asks at moments of its own choosing, as rate limiters see them.
func TestPushAbove(t *testing.T) {
	var watch clock
	w := start(t, Config{Pages: 10, Plain: true, Now: watch.time})
	c := client(t, w)
	set(t, w, Trouble{Push: map[string]Push{
		"*":           {Status: 429, RetryAfter: "2", Above: 3},
		"h1.lab.test": {Status: 503, Above: 0.5, Robots: true},
		"h2.lab.test": {Status: 429, Above: 1, Count: 2},
	}})
	for i, row := range []struct {
		wait time.Duration
		host int
		path string
		want []int
	}{
		{0, 0, "", []int{200, 200, 200, 429, 429}},           // those of a second at once
		{0, 0, "robots.txt", []int{200, 200}},                // does not count
		{400 * time.Millisecond, 0, "", []int{200, 429}},     // what came in since
		{10 * time.Second, 0, "", []int{200, 200, 200, 429}}, // no more than those of a second are saved up
		{0, 1, "robots.txt", []int{200, 503}},                // where it does, each host has its own count
		{1900 * time.Millisecond, 1, "", []int{503}},         // one in two seconds
		{200 * time.Millisecond, 1, "", []int{200, 503}},
		{0, 2, "", []int{200, 429, 429, 200, 200}}, // pushed back twice, then no more
		{0, 0, "", []int{200, 200, 200, 429}},      // 2.1 s after
	} {
		watch.pass(row.wait)
		var got []int
		for range row.want {
			res := ask(t, c, "GET", w.Seeds()[row.host]+row.path)
			got = append(got, res.StatusCode)
			if after := res.Header.Get("Retry-After"); (after == "2") != (res.StatusCode == 429 && row.host == 0) {
				t.Errorf("row %d: %d with Retry-After %q", i, res.StatusCode, after)
			}
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("row %d (-want +got):\n%s", i, diff)
		}
	}
	set(t, w, w.Trouble())
	if got := ask(t, c, "GET", w.Seeds()[0]); got.StatusCode != 200 {
		t.Errorf("set anew, the bucket is not full: %d", got.StatusCode)
	}
}

func TestStatus(t *testing.T) {
	w := start(t, Config{Pages: 10})
	c := client(t, w)
	set(t, w, Trouble{Status: map[string]int{"*": 410, "h1.lab.test": 500}})
	for i, want := range []int{410, 500, 410} {
		for _, path := range []string{"", "robots.txt", "none"} {
			if got := ask(t, c, "GET", w.Seeds()[i]+path); got.StatusCode != want {
				t.Errorf("%s%s: %d, want %d", w.Seeds()[i], path, got.StatusCode, want)
			}
		}
	}
	if got := ask(t, c, "GET", w.Seeds()[1]+"_hosts"); got.StatusCode != 200 {
		t.Errorf("the lab's own address: %d", got.StatusCode)
	}
}

// TestSlow asks without a connection, so that the wait costs no time.
func TestSlow(t *testing.T) {
	w := start(t, Config{Pages: 10})
	set(t, w, Trouble{Slow: map[string]time.Duration{"h0.lab.test": 300 * time.Second, "*": 0}})
	synctest.Test(t, func(t *testing.T) {
		for path, want := range map[string]time.Duration{w.Seeds()[0]: 300 * time.Second, w.Seeds()[0] + "robots.txt": 300 * time.Second, w.Seeds()[1]: 0, w.Seeds()[0] + "_hosts": 0} {
			began, rec := time.Now(), httptest.NewRecorder()
			w.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
			if took := time.Since(began); took != want || rec.Code != 200 {
				t.Errorf("%s: %d after %v, want %v", path, rec.Code, took, want)
			}
		}
	})
}

func TestTroubleWithNames(t *testing.T) {
	w := start(t, Config{Pages: 10})
	query := func(name string, wait time.Duration) (int, error) {
		got, _, err := (&dns.Client{Timeout: wait}).ExchangeContext(t.Context(), new(dns.Msg).SetQuestion(name, dns.TypeA), w.DNS())
		if err != nil {
			return 0, err
		}
		if got.Rcode == dns.RcodeSuccess && len(got.Answer) == 0 {
			t.Errorf("%s: success and no answer", name)
		}
		return got.Rcode, nil
	}
	const quick, patient = 20 * time.Millisecond, 20 * time.Second
	for i, row := range []struct {
		name string
		Trouble
		ask   string
		rcode int // below 0: no answer
	}{
		{"none", Trouble{}, "h0.lab.test.", dns.RcodeSuccess},
		{"silent", Trouble{DNS: "silent"}, "h0.lab.test.", -1},
		{"refuse", Trouble{DNS: "refuse"}, "h0.lab.test.", dns.RcodeRefused},
		{"servfail", Trouble{DNS: "servfail"}, "other.example.test.", dns.RcodeServerFailure},
		{"one name", Trouble{Names: map[string]string{"H0.lab.test.": "nxdomain"}}, "h0.LAB.test.", dns.RcodeNameError},
		{"another name", Trouble{Names: map[string]string{"h0.lab.test": "nxdomain"}}, "h1.lab.test.", dns.RcodeSuccess},
		{"a foreign name", Trouble{Names: map[string]string{"other.example.test": "servfail"}}, "other.example.test.", dns.RcodeServerFailure},
		{"name before all", Trouble{DNS: "refuse", Names: map[string]string{"h0.lab.test": "silent"}}, "h0.lab.test.", -1},
		{"none again", Trouble{}, "h0.lab.test.", dns.RcodeSuccess},
	} {
		t.Run(row.name, func(t *testing.T) {
			set(t, w, row.Trouble)
			wait := patient
			if row.rcode < 0 {
				wait = quick
			}
			rcode, err := query(row.ask, wait)
			until(t, "the question is there", func() bool { return len(w.Questions()) > i })
			switch {
			case row.rcode < 0 && err == nil:
				t.Errorf("answered %s, want silence", dns.RcodeToString[rcode])
			case row.rcode >= 0 && (err != nil || rcode != row.rcode):
				t.Errorf("answered %s, %v, want %s", dns.RcodeToString[rcode], err, dns.RcodeToString[row.rcode])
			}
		})
	}
	list := w.Questions()
	if len(list) != 9 || list[3].Name != "other.example.test" || list[4].Name != "h0.lab.test" || list[1].Type != "A" || list[8].At.Before(list[0].At) {
		t.Errorf("questions: %+v", list)
	}
	lines := string(ask(t, client(t, w), "GET", w.Seeds()[0]+"_questions").body)
	if strings.Count(lines, "\n") != 9 || !strings.Contains(lines, `"name":"other.example.test","type":"A"}`) {
		t.Errorf("questions over HTTP: %s", lines)
	}
}

func TestTroubleOverHTTP(t *testing.T) {
	w := start(t, Config{Pages: 10})
	want := Trouble{
		DNS: "refuse", Names: map[string]string{"h0.lab.test": "silent"}, Down: []string{"*"},
		Push:   map[string]Push{"h1.lab.test": {Status: 429, RetryAfter: "5", Count: 3, Robots: true, Above: 0.5}},
		Slow:   map[string]time.Duration{"h2.lab.test": 1500 * time.Millisecond},
		Status: map[string]int{"*": 404},
		Line:   500_000,
		Drip:   map[string]int64{"h0.lab.test": 100},
		Huge:   map[string]int64{"h1.lab.test": 1 << 40},
		Poison: map[string]string{"h2.lab.test": "unclosed"},
	}
	const all = `{"dns":"refuse","names":{"h0.lab.test":"silent"},"down":["*"],"push":{"h1.lab.test":{"status":429,"retry_after":"5","count":3,"robots":true,"above":0.5}},"status":{"*":404},"line":500000,"drip":{"h0.lab.test":100},"huge":{"h1.lab.test":1099511627776},"poison":{"h2.lab.test":"unclosed"},"slow":{"h2.lab.test":"1.5s"}}`
	got := post(t, w, all)
	if got.StatusCode != 200 || strings.TrimSpace(string(got.body)) != all {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if diff := cmp.Diff(want, w.Trouble()); diff != "" {
		t.Errorf("trouble (-sent +set):\n%s", diff)
	}
	for _, bad := range []string{`{"dsn":"refuse"}`, `{"slow":{"*":5}}`, `{"slow":{"*":"soon"}}`, `{"dns":"maybe"}`, `[]`, ``, `{"push":{"*":{"status":429,"after":"5"}}}`, `{"line":"fast"}`, `{"drip":{"*":0.5}}`, `{"poison":["*"]}`} {
		if got := post(t, w, bad); got.StatusCode != 400 || len(got.body) < 10 {
			t.Errorf("%s: %d %s", bad, got.StatusCode, got.body)
		}
	}
	var read Trouble
	if err := json.Unmarshal(ask(t, plainClient(t), "GET", w.Control()+"/_trouble").body, &read); err != nil || !cmp.Equal(read, want) {
		t.Errorf("read back: %v %s", err, cmp.Diff(want, read))
	}
	if got := ask(t, plainClient(t), "PUT", w.Control()+"/_trouble"); got.StatusCode != 405 {
		t.Errorf("PUT: %d", got.StatusCode)
	}
	if got := post(t, w, `{"dns":"silent"}`); got.StatusCode != 200 || !cmp.Equal(w.Trouble(), Trouble{DNS: "silent"}) {
		t.Errorf("not replaced: %+v", w.Trouble())
	}
	if got := post(t, w, `{}`); strings.TrimSpace(string(got.body)) != "{}" || !cmp.Equal(w.Trouble(), Trouble{}) {
		t.Errorf("not cleared: %s", got.body)
	}
	if got := ask(t, plainClient(t), "GET", w.Control()+"/"); got.StatusCode != 404 {
		t.Errorf("a page at the control address: %d", got.StatusCode)
	}
}

// TestTroubleFromAllSides is for the race detector: trouble comes and goes while others ask.
func TestTroubleFromAllSides(t *testing.T) {
	w := start(t, Config{Pages: 40, Hosts: 20})
	c := client(t, w)
	var names []string
	for _, h := range w.hosts {
		names = append(names, h.site.name)
	}
	end := make(chan struct{})
	for range 4 {
		go func() {
			defer func() { end <- struct{}{} }()
			for i := range 40 {
				_, _ = try(t, c, w.Seeds()[i%20]) // whether it is up just now is chance
			}
		}()
	}
	for i := range 2 {
		go func() {
			defer func() { end <- struct{}{} }()
			for range 10 {
				if err := errors.Join(w.SetTrouble(Trouble{Down: names[i : 10+i]}), w.SetTrouble(Trouble{Push: map[string]Push{"*": {Status: 429, Count: 1}}})); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	for range 6 {
		<-end
	}
	set(t, w, Trouble{})
	for _, seed := range w.Seeds() {
		if got := ask(t, c, "GET", seed); got.StatusCode != 200 {
			t.Errorf("%s: %d", seed, got.StatusCode)
		}
	}
}
