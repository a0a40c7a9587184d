package why

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"example.org/trawl/fault"
	"example.org/trawl/signals"
	"example.org/trawl/tasks"
)

func not(format string, args ...any) finding { return finding{because: fmt.Sprintf(format, args...)} }

func percent(x float64) string { return fmt.Sprintf("%.0f %%", 100*x) }

func pages(n int64) string { return count(int(n), "page", "pages") }

func pagesWait(n int64) string { return count(int(n), "page waits", "pages wait") }

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return humanize.Comma(int64(n)) + " " + many
}

// Span writes seconds as somebody would say them.
func Span(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < 100*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	case d < 10*time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}

// Quantity writes a value with its unit.
func Quantity(v float64, unit string) string {
	switch unit {
	case "part":
		return percent(v)
	case "bytes":
		return humanize.IBytes(uint64(max(v, 0)))
	case "bytes/s":
		return humanize.IBytes(uint64(max(v, 0))) + "/s"
	case "s":
		return Span(v)
	}
	return humanize.CommafWithDigits(v, 1) + " " + unit
}

// drain is how long n pages take at the present rate; -1 when nothing moves.
func (f *facts) drain(n int64) float64 {
	rate := f.closing()
	switch {
	case n == 0:
		return 0
	case rate == 0:
		return -1
	}
	return float64(n) / rate
}

// unknown: signals are missing, so nothing can be told.
func unknown(f *facts) finding {
	silence, ever := f.silence()
	switch {
	case f.known && f.state.Redis.Err == "" && f.served() && silence.Seconds() >= mute.Value:
		said := "none of them has said yet what it does"
		if ever {
			said = "none of them has said for " + Span(silence.Seconds()) + " what it does"
		}
		return finding{
			hit: true, eta: -1, summary: "workers are running, and " + said,
			evidence: []Evidence{{"age of the newest beat of a worker", silence.Seconds(), "s", 0, mute.Value}},
			actions:  []Action{{"look whether something removes " + signals.Stream + " from Redis, and at the workers' logs", "redis-cli XLEN " + signals.Stream}},
		}
	case f.known && f.age().Seconds() < stale.Value:
		return finding{}
	case !f.known:
		return finding{
			hit: true, eta: -1, summary: "no process has said how things are: is any trawl process running?",
			actions: []Action{{"start the processes", "trawl up, or worker, scheduler and web"}},
		}
	}
	return finding{
		hit: true, eta: -1, summary: fmt.Sprintf("the last that any process said is %s old", Span(f.age().Seconds())),
		evidence: []Evidence{{"age of the newest state", f.age().Seconds(), "s", 0, stale.Value}},
		actions:  []Action{{"look whether the processes and Redis are running", "trawl doctor"}},
	}
}

// redis: Redis is away, full or slow, and with it everything.
func redis(f *facts) finding {
	r := f.state.Redis
	part := 0.0
	if r.Max > 0 {
		part = float64(r.Used) / float64(r.Max)
	}
	ping := func(s signals.State) (float64, bool) { return s.Redis.Ping.Seconds(), s.Redis.Err == "" }
	slow, normal := f.recently(ofState(ping)), f.normal(ofState(ping))
	refused, evicted := r.Refused-f.before.Redis.Refused, r.Evicted-f.before.Redis.Evicted
	switch {
	case r.Err != "":
		return finding{
			hit: true, eta: -1, summary: "Redis cannot be used: " + r.Err, cost: "nothing moves; nothing is lost, for the pages are in the database",
			evidence: []Evidence{{"redis", 0, "answers", 0, 1}}, actions: []Action{{"bring Redis back", ""}},
		}
	case part >= redisFull.Value:
		return finding{
			hit: true, eta: -1, summary: fmt.Sprintf("Redis has %s of its %s in use", percent(part), humanize.IBytes(uint64(r.Max))),
			cost: "no more pages are handed out; from 75 % on none are admitted",
			evidence: []Evidence{{"redis memory", part, "part", f.normal(ofState(func(s signals.State) (float64, bool) {
				return float64(s.Redis.Used) / float64(max(s.Redis.Max, 1)), s.Redis.Max > 0
			})), redisFull.Value}},
			actions: []Action{{"find what else uses it, or raise maxmemory", "redis-cli --bigkeys"}},
		}
	case refused > 0 || evicted > 0:
		return finding{
			hit: true, eta: -1, summary: fmt.Sprintf("Redis refused %d commands and evicted %d keys for want of memory", refused, evicted),
			cost:     "tasks are lost and found again later",
			evidence: []Evidence{{"commands refused", float64(refused), "commands", 0, 1}, {"keys evicted", float64(evicted), "keys", 0, 1}},
			actions:  []Action{{"raise maxmemory, and set maxmemory-policy to noeviction", "redis-cli CONFIG SET maxmemory-policy noeviction"}},
		}
	case slow >= redisSlow.Value && slow >= tenfold.Value*normal && f.count(func(s signals.State) bool { return s.Redis.Ping.Seconds() >= redisSlow.Value }) >= int(steady.Value):
		return finding{
			hit: true, eta: f.drain(f.state.Open), summary: fmt.Sprintf("Redis takes %s to answer", Span(slow)), cost: "every stage waits for it several times a page",
			evidence: []Evidence{{"redis latency", slow, "s", normal, redisSlow.Value}},
			actions:  []Action{{"look what keeps it busy", "redis-cli SLOWLOG GET"}},
		}
	}
	return not("it answers in %.1f ms, %s of its memory is used", 1000*slow, percent(part))
}

// workersMissing: tasks wait for a stage that nobody runs, or that was told to wait.
func workersMissing(f *facts) finding {
	s := f.state
	var idle []string
	for _, k := range tasks.Stages() {
		q := s.Queues[k]
		if q.Paused {
			return finding{
				hit: true, eta: -1, summary: fmt.Sprintf("the queue %s is paused, and %d tasks wait in it", k, q.Pending), cost: "no page passes " + string(k),
				evidence: []Evidence{{"ready tasks in " + string(k), float64(q.Pending), "tasks", 0, 0}}, actions: []Action{{"let it go on, on asynqmon's page of queues", ""}},
			}
		}
		if q.Workers == 0 {
			idle = append(idle, string(k))
		}
	}
	for _, k := range tasks.Stages() {
		q := s.Queues[k]
		if q.Workers == 0 && q.Pending > 0 && f.count(func(s signals.State) bool { return s.Queues[k].Workers == 0 && s.Queues[k].Pending > 0 }) >= int(steady.Value) {
			return finding{
				hit: true, eta: -1, summary: fmt.Sprintf("nobody runs %s: %d tasks wait, the first for %s", strings.Join(idle, ", "), q.Pending, Span(q.Oldest.Seconds())),
				cost:     pagesWait(s.Open),
				evidence: []Evidence{{"workers of " + string(k), 0, "processes", f.normal(ofState(func(s signals.State) (float64, bool) { return float64(s.Queues[k].Workers), true })), 1}},
				actions:  []Action{{"start a worker for it", "trawl worker --stages " + strings.Join(idle, ",")}},
			}
		}
	}
	if n, part := f.waits("paused"); part >= most.Value {
		return finding{
			hit: true, eta: -1, summary: fmt.Sprintf("%s because an operator paused %s", pagesWait(n), strings.Join(s.Paused, ", ")),
			evidence: []Evidence{{"pages that are paused", part, "part", 0, most.Value}}, actions: []Action{{"let it go on", "trawl resume --" + first(s.Paused)}},
		}
	}
	if n := f.stuck(); n > 0 && len(idle) == len(tasks.Stages()) {
		return finding{
			hit: true, eta: -1, summary: fmt.Sprintf("no worker is running, and %s due", count(int(n), "page is", "pages are")), cost: pagesWait(s.Open),
			evidence: []Evidence{{"workers", 0, "processes", 0, 1}}, actions: []Action{{"start a worker", "trawl worker"}},
		}
	}
	if n, part := f.waits("backpressure"); part >= most.Value && !f.scheduled() && f.queued() == 0 {
		return finding{
			hit: true, eta: -1, summary: fmt.Sprintf("no scheduler is running: %s due and nobody hands them out", count(int(n), "page is", "pages are")), cost: pagesWait(s.Open),
			evidence: []Evidence{{"schedulers", 0, "processes", 0, 1}}, actions: []Action{{"start a scheduler", "trawl scheduler"}},
		}
	}
	if len(idle) > 0 {
		return not("nothing waits for %s, which nobody runs", strings.Join(idle, ", "))
	}
	return not("every stage is served, by %s in all", count(len(f.workers()), "process", "processes"))
}

func first(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[0]
}

// scheduled tells whether somebody sets the periodic work going.
func (f *facts) scheduled() bool {
	return slices.ContainsFunc(f.alive, func(p signals.Process) bool { return p.Role == "scheduler" || p.Role == "up" })
}

// queued is how many tasks are in the queues of visits.
func (f *facts) queued() (n int) {
	for _, q := range f.state.Queues {
		n += q.Pending + q.Active + q.Scheduled + q.Retry
	}
	return n
}

// outage is what the workers have declared to be down, if it is one of these.
func (f *facts) outage(kinds ...fault.Kind) (signals.Outage, bool) {
	for _, o := range f.state.Outages {
		if slices.Contains(kinds, fault.Kind(o.Fault)) {
			return o, true
		}
	}
	return signals.Outage{}, false
}

// fails tells whether a canary keeps failing, and how.
func (f *facts) fails(name string) (string, bool) {
	err := f.state.Canaries[name].Err
	return err, err != "" && f.count(func(s signals.State) bool { return s.Canaries[name].Err != "" }) >= int(steady.Value)
}

func (f *facts) declared(o signals.Outage, what, action string) finding {
	return finding{
		hit: true, eta: -1, summary: fmt.Sprintf("%s since %s: %s", what, o.Since.Local().Format(time.TimeOnly), o.Err),
		cost:     pagesWait(f.state.Open) + "; no page loses a try, and all goes on by itself",
		evidence: []Evidence{{"down for", f.state.At.Sub(o.Since).Seconds(), "s", 0, 0}}, actions: []Action{{action, ""}},
	}
}

// storageFailing: disk or database refuse what is to be kept.
func storageFailing(f *facts) finding {
	if o, ok := f.outage(fault.StoreDown, fault.DiskFull, fault.CatalogDown); ok {
		return f.declared(o, fault.Of(fault.Kind(o.Fault)).Means, "make room, or mend the disk")
	}
	for _, c := range []struct{ name, what string }{{signals.CanaryDatabase, "the database"}, {signals.CanaryArchive, "the archive"}} {
		if err, fails := f.fails(c.name); fails {
			return finding{
				hit: true, eta: -1, summary: fmt.Sprintf("%s cannot be written: %s", c.what, err), cost: pagesWait(f.state.Open) + "; no page loses a try",
				evidence: []Evidence{{c.name + " canary", 1, "failing", 0, 1}}, actions: []Action{{"make room, or mend the disk", "df -h"}},
			}
		}
	}
	least := int64(math.MaxInt64)
	for _, d := range f.state.Disks {
		if least = min(least, d.Free); float64(d.Free) < diskLow.Value {
			return finding{
				hit: true, eta: -1, summary: fmt.Sprintf("%s has %s left", d.Path, humanize.IBytes(uint64(d.Free))), cost: "the crawl stops when it is full; nothing is lost",
				evidence: []Evidence{{"free disk", float64(d.Free), "bytes", 0, diskLow.Value}}, actions: []Action{{"make room", "df -h"}},
			}
		}
	}
	var runs, bad int64
	for _, k := range []tasks.Kind{tasks.KindFetch, tasks.KindStore} {
		x := f.flow(k)
		runs += x.Done + x.Ended + x.Failed + x.Retried
		bad += x.Faults[fault.StoreDown] + x.Faults[fault.DiskFull] + x.Faults[fault.CatalogDown]
	}
	if part := share(bad, runs); part >= storeFails.Value && bad >= int64(poisoned.Value) {
		return finding{
			hit: true, eta: -1, summary: fmt.Sprintf("%s of what is to be stored meets a disk or a database that fails", percent(part)),
			evidence: []Evidence{{"storage faults", part, "part", 0, storeFails.Value}}, actions: []Action{{"read the workers' log", "trawl tail"}},
		}
	}
	if least == math.MaxInt64 {
		return not("database and archive can be written")
	}
	return not("database and archive can be written, %s of disk are free", humanize.IBytes(uint64(least)))
}

func share(n, of int64) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// dnsDown: nobody can be found any more.
func dnsDown(f *facts) finding {
	if o, ok := f.outage(fault.DNSDown); ok {
		return f.declared(o, "no name can be resolved", "mend the resolver, or name another in TRAWL_DNS")
	}
	w := f.now.Web
	part := share(w.Unnamed, w.Lookups)
	if err, fails := f.fails(signals.CanaryDNS); fails {
		return finding{
			hit: true, eta: -1, summary: "the resolver does not answer: " + err, cost: pagesWait(f.state.Open) + " or will; no page loses a try",
			evidence: []Evidence{{"lookups without an answer", part, "part", 0, namesFail.Value}}, actions: []Action{{"mend the resolver, or name another in TRAWL_DNS", ""}},
		}
	}
	if n, waiting := f.waits("dns"); waiting >= most.Value {
		return finding{
			hit: true, eta: -1, summary: fmt.Sprintf("%s for names that no server answers for, though the resolver does", pagesWait(n)), cost: "they are tried again, less and less often",
			evidence: []Evidence{{"pages that wait for a name", waiting, "part", 0, most.Value}}, who: f.troubled(string("dns")), actions: []Action{{"look at those hosts", "trawl hosts --state dns"}},
		}
	}
	if w.Lookups > 0 && w.Missing > 0 {
		return not("the resolver answers in %s; %s of names do not exist, which is an answer", Span(f.state.Canaries[signals.CanaryDNS].Took.Seconds()), percent(share(w.Missing, w.Lookups)))
	}
	return not("the resolver answers in %s, %s of %d lookups failed", Span(f.state.Canaries[signals.CanaryDNS].Took.Seconds()), percent(part), w.Lookups)
}

// troubled names the host in that state that has at least half of what waits there.
func (f *facts) troubled(states ...string) []Who {
	var all, top int64
	name := ""
	for _, h := range f.state.Hosts {
		if slices.Contains(states, h.State) {
			if all += h.Pages; h.Pages > top {
				name, top = h.Name, h.Pages
			}
		}
	}
	if all == 0 || share(top, all) < owns.Value {
		return nil
	}
	return []Who{{signals.ByHost, name, share(top, all)}}
}

// uplinkDown: the line is down.
func uplinkDown(f *facts) finding {
	if o, ok := f.outage(fault.UplinkDown); ok {
		return f.declared(o, "no host can be reached", "mend the line")
	}
	if err, fails := f.fails(signals.CanaryUplink); fails && f.now.Web.Answers == 0 {
		return finding{hit: true, eta: -1, summary: "no host can be reached: " + err, cost: pagesWait(f.state.Open) + "; no page loses a try", actions: []Action{{"mend the line", ""}}}
	}
	var lost int64
	for _, k := range []tasks.Kind{tasks.KindHead, tasks.KindFetch} {
		lost += f.flow(k).Faults[fault.Unreachable] + f.flow(k).Faults[fault.Refused]
	}
	return not("%d answers in the last half minute, %d connections failed", f.now.Web.Answers, lost)
}

// perDownload is how many bytes a second one download gets while its body comes.
func perDownload(t signals.Tick) (float64, bool) {
	s := t.Web.Body.Sum().Seconds()
	return float64(t.Web.Bytes) / max(s, 1e-9), s > 0 && t.Web.Bytes > 0
}

// bandwidth: the line is full.
func bandwidth(f *facts) finding {
	part := f.now.Web.Body.Sum().Seconds() / max(f.now.Web.Busy.Seconds(), 1e-9)
	var rates []float64
	for _, t := range f.last {
		rates = append(rates, float64(t.Web.Bytes)/signals.Every.Seconds())
	}
	uneven, rate := spread(rates), f.rate(f.now.Web.Bytes)
	// Bytes are counted when a page is through, and pages differ in size: of n pages a tick the sum varies by √(2/n) on a steady line.
	even := max(flat.Value, math.Sqrt(2*float64(len(rates))/float64(max(f.now.Web.Body.N(), 1))))
	active := f.now.Web.Busy.Seconds() / max(f.now.Span.Seconds(), 1e-9)
	each, _ := perDownload(f.now)
	normal := f.normal(perDownload)
	switch {
	case f.now.Web.Bytes == 0 || part < bodyTime.Value:
		return not("%s of the time of downloads goes to bodies", percent(min(part, 1)))
	case active < parallel.Value:
		return not("%.0f downloads at once cannot fill a line", active)
	case uneven > even:
		return not("the rate of %s/s goes up and down by %s", humanize.Bytes(uint64(rate)), percent(uneven))
	case normal > 0 && each > halved.Value*normal, normal == 0 && each > slowLine.Value:
		return not("one download gets %s/s, usually %s/s", humanize.Bytes(uint64(each)), humanize.Bytes(uint64(normal)))
	}
	for _, by := range []string{signals.ByHost, signals.ByDomain, signals.ByBlock, signals.ByType} {
		if w, ok := f.owner(signals.Bytes, by); ok && (by != signals.ByType || !strings.HasPrefix(w.Name, "text/")) {
			return not("%s of the bytes are of %s", percent(w.Share), w.Name)
		}
	}
	return finding{
		hit: true, eta: f.drain(f.state.Open), summary: fmt.Sprintf("the line is full: %s/s over %.0f downloads at once, %s/s for each", humanize.Bytes(uint64(rate)), active, humanize.Bytes(uint64(each))),
		cost: "more workers would only share it further",
		evidence: []Evidence{
			{"bytes a second of one download", each, "bytes/s", normal, cmp.Or(halved.Value*normal, slowLine.Value)},
			{"spread of the rate", uneven, "part", 0, even},
			{"time that goes to bodies", min(part, 1), "part", 0, bodyTime.Value},
		},
		actions: []Action{{"run fewer downloads at once, or get a faster line", ""}},
	}
}

// largeDownloads: a few downloads take the places of all others.
func largeDownloads(f *facts) finding {
	fetch := f.flow(tasks.KindFetch)
	newest := signals.Over(f.last[len(f.last)/2:]) // they took half a minute to become long
	long := func(w signals.Web) float64 { return w.LongBusy.Seconds() / max(w.Busy.Seconds(), 1e-9) }
	part := long(newest.Web)
	var n int64
	for _, t := range f.w.Ticks[max(len(f.w.Ticks)-int(2*signals.LongTransfer/signals.Every), 0):] {
		n += t.Web.Long
	}
	runs := fetch.Done + fetch.Ended + fetch.Failed + fetch.Retried + n
	switch {
	case part < longPart.Value:
		return not("%s of the time of downloads goes to those beyond %s or %s", percent(part), signals.LongTransfer, humanize.IBytes(signals.LargeTransfer))
	case newest.Web.LongBusy.Seconds() < atOnce.Value*newest.Span.Seconds():
		return not("%.1f large downloads at once hold nobody up", newest.Web.LongBusy.Seconds()/max(newest.Span.Seconds(), 1e-9))
	case share(n, runs) > fewLong.Value && f.load(tasks.KindFetch) < loose.Value:
		return not("%s of downloads take long: it is not a few", percent(share(n, runs)))
	case f.state.Open <= 2*n:
		return not("nothing waits behind them")
	}
	out := finding{
		hit: true, eta: f.drain(f.state.Open), summary: fmt.Sprintf("%d large or slow downloads take %s of the time of all", n, percent(part)), cost: pagesWait(f.state.Open) + ", in part behind them",
		evidence: []Evidence{{"time of large downloads", part, "part", f.normal(func(t signals.Tick) (float64, bool) {
			return long(t.Web), t.Web.Busy > 0
		}), longPart.Value}},
		actions: []Action{{"leave the host out or give it fewer connections", "trawl hosts set HOST --per-host 1"}},
	}
	for _, by := range []string{signals.ByHost, signals.ByType} {
		if w, ok := f.owner(signals.Busy, by); ok && w.Name != "text/html" {
			out.who = append(out.who, w)
		}
	}
	for _, d := range f.now.Doing {
		if d.Stage == tasks.KindFetch && len(out.who) == 0 {
			out.who = append(out.who, Who{signals.ByPage, d.URL, part / float64(max(n, 1))})
		}
	}
	return out
}

// storageSlow: what is fetched cannot be stored fast enough.
func storageSlow(f *facts) finding {
	p95 := func(t signals.Tick) (float64, bool) {
		s := flowOf(t, tasks.KindStore).Service
		return s.Quantile(0.95).Seconds(), s.N() > 0
	}
	now, _ := p95(f.now)
	normal := f.normal(p95)
	cpu := f.cpu()
	for _, name := range []string{signals.CanaryDatabase, signals.CanaryArchive} {
		took := func(s signals.State) (float64, bool) {
			return s.Canaries[name].Took.Seconds(), s.Canaries[name].Err == ""
		}
		d, usual := f.recently(ofState(took)), f.normal(ofState(took))
		if d >= diskSlow.Value && d >= tripled.Value*usual && (cpu < cpuFull.Value || d >= 5*diskSlow.Value) {
			return finding{
				hit: true, eta: f.drain(f.state.Open), summary: fmt.Sprintf("a small write to the %s takes %s", name, Span(d)), cost: "what is fetched waits to be stored",
				evidence: []Evidence{{name + " canary", d, "s", usual, diskSlow.Value}, {"store, 95th percentile", now, "s", normal, storeSlow.Value}},
				actions:  []Action{{"look what else uses the disk", "iostat -x 1"}},
			}
		}
	}
	load := f.load(tasks.KindStore)
	q := f.state.Queues[tasks.KindStore]
	switch {
	case now < storeSlow.Value || normal > 0 && now < tripled.Value*normal:
		return not("a page is stored in %s, nineteen times of twenty", Span(now))
	case load < full.Value && q.Pending < max(q.Slots, 1):
		return not("%s of the places of store are taken", percent(load))
	case cpu >= cpuFull.Value:
		return not("the processors are %s busy: everything is slow", percent(cpu))
	}
	return finding{
		hit: true, eta: f.drain(f.state.Open), summary: fmt.Sprintf("storing a page takes %s, and %d wait for it", Span(now), q.Pending), cost: "nothing more is handed out until that is through",
		evidence: []Evidence{{"store, 95th percentile", now, "s", normal, max(storeSlow.Value, tripled.Value*normal)}, {"places of store taken", load, "part", 0, full.Value}},
		actions:  []Action{{"look at the database's disk; more workers of store help only while small writes are quick", ""}},
	}
}

// pushback: hosts ask for fewer requests, or do not answer.
func pushback(f *facts) finding {
	w := f.now.Web
	pushed := share(w.Pushed, w.Answers)
	n, part := f.waits("backoff")
	others := share(n, f.state.Open-f.state.Backlog["revisit"]-f.giant())
	slow, dead := f.state.Troubled["backoff"], f.state.Troubled["dead"]
	switch {
	case part >= most.Value && dead > slow:
		return finding{
			hit: true, eta: -1, who: f.troubled("dead"), summary: fmt.Sprintf("%s for %s", pagesWait(n), count(int(dead), "host that does not answer", "hosts that do not answer")), cost: "they keep their tries; a single request each finds out whether they are back",
			evidence: []Evidence{{"pages that wait for hosts in trouble", part, "part", 0, most.Value}}, actions: []Action{{"look at those hosts", "trawl hosts --state dead"}},
		}
	case part >= most.Value, others >= leftAlone.Value && slow > dead: // a host that is left alone says no more: its pages do
		return finding{
			hit: true, eta: -1, who: f.troubled("backoff"), summary: fmt.Sprintf("%s for %s", pagesWait(n), count(int(slow), "host that asks for fewer requests", "hosts that ask for fewer requests")), cost: "they keep their tries",
			evidence: []Evidence{{"pages that wait for hosts that push back", others, "part", 0, leftAlone.Value}, {"answers 429 and 503", pushed, "part", 0, pushes.Value}},
			actions:  []Action{{"ask them more slowly", "trawl hosts --state backoff"}},
		}
	case w.Answers >= int64(sample.Value) && pushed >= pushes.Value:
		return finding{
			hit: true, eta: f.drain(f.state.Open), summary: fmt.Sprintf("%s of answers ask for fewer requests (429, 503)", percent(pushed)), cost: "those hosts are left alone for a while",
			evidence: []Evidence{{"answers 429 and 503", pushed, "part", 0, pushes.Value}}, actions: []Action{{"ask them more slowly", "trawl hosts --state backoff"}},
		}
	}
	return not("%s of answers are 429 or 503, %s of what is due waits for hosts in trouble", percent(pushed), percent(others))
}

// abuse: one submitter has everybody wait, or submits what cannot be crawled.
func abuse(f *facts) finding {
	w := f.now.Web
	if part := share(w.Missing, w.Lookups); w.Lookups >= int64(sample.Value) && part >= deadNames.Value {
		out := finding{
			hit: true, eta: f.drain(f.state.Open), summary: fmt.Sprintf("%s of the names that are looked up do not exist", percent(part)), cost: "each costs a lookup and a place in the queue",
			evidence: []Evidence{{"names that do not exist", part, "part", 0, deadNames.Value}},
		}
		if x := f.top(signals.Missing, signals.BySubmitter).Shares(1); len(x) > 0 && x[0].Share >= owns.Value {
			out.who = []Who{{signals.BySubmitter, x[0].Name, x[0].Share}}
			out.actions = []Action{{"leave it until it is looked at", "trawl pause --submitter " + x[0].Name}}
		}
		return out
	}
	who, ok := f.owner(signals.Arrivals, signals.BySubmitter)
	if !ok {
		return not("no submitter has twice its usual share of what is new")
	}
	rate := 60 * f.arriving() * who.Share
	perMinute := func(t signals.Tick) (float64, bool) {
		x := t.Top[signals.Name(signals.Arrivals, signals.BySubmitter)]
		return 60 * x.Of(who.Name) * float64(x.Total()) / signals.Every.Seconds(), true
	}
	usual := f.normal(perMinute)
	many := max(flood.Value, tripled.Value*usual)
	brought := 0 // ticks in which it brought as many
	for _, v := range values(f.last, perMinute) {
		if v >= many {
			brought++
		}
	}
	host, one := f.owner(signals.Arrivals, signals.ByHost)
	others := slices.ContainsFunc(f.state.Submitters, func(s signals.Waiting) bool { return s.Name != who.Name && s.Pages > 0 })
	switch {
	case !others:
		return not("%s has %s of what is new, and nobody else waits", who.Name, percent(who.Share))
	case rate < many:
		return not("%s brings %.0f pages a minute, usually %.0f", who.Name, rate, usual)
	case brought < int(onAndOn.Value):
		return not("%s has brought %.0f pages a minute, and not on and on", who.Name, rate)
	case f.state.Open <= f.before.Open:
		return not("what waits does not grow")
	case one:
		return not("%s of what is new is of %s, which has them wait for its own pace", percent(host.Share), host.Name)
	}
	return finding{
		hit: true, eta: f.drain(f.state.Open), who: []Who{who}, summary: fmt.Sprintf("%s brings %.0f pages a minute, %s of all that is new", who.Name, rate, percent(who.Share)),
		cost:     "the others keep their share of the work; what waits grows",
		evidence: []Evidence{{"pages a minute of " + who.Name, rate, "pages/min", usual, many}},
		actions:  []Action{{"leave it until it is looked at", "trawl pause --submitter " + who.Name}, {"bound it", "trawl quota --submitter " + who.Name + " --per-minute 100"}},
	}
}

// resubmits: pages are visited again and again.
func resubmits(f *facts) finding {
	revisits := string(tasks.OriginRevisit)
	x := f.top(signals.Starts, signals.ByOrigin)
	part := x.Of(revisits)
	perMinute := func(t signals.Tick) (float64, bool) {
		x := t.Top[signals.Name(signals.Starts, signals.ByOrigin)]
		return 60 * x.Of(revisits) * float64(x.Total()) / signals.Every.Seconds(), true
	}
	rate := 60 * f.rate(int64(part*float64(x.Total())))
	usual := f.normal(perMinute)
	same := share(f.now.Web.Unchanged, f.now.Web.Answers)
	switch {
	case x.Total() < int64(sample.Value) || part < again.Value:
		return not("%s of visits are to pages that were visited before", percent(part))
	case rate < max(60, tripled.Value*usual) && usual > 0:
		return not("%.0f revisits a minute are usual (%.0f)", rate, usual)
	}
	out := finding{
		hit: true, eta: f.drain(f.state.Open), summary: fmt.Sprintf("%s of visits are to pages that were visited before, %.0f a minute", percent(part), rate), cost: fmt.Sprintf("%s of answers say that nothing has changed", percent(same)),
		evidence: []Evidence{{"visits that are revisits", part, "part", 0, again.Value}, {"revisits a minute", rate, "visits/min", usual, tripled.Value * usual}},
		actions:  []Action{{"look how often what is submitted again", "trawl schedules"}},
	}
	if s := f.top(signals.Starts, signals.BySubmitter).Shares(1); len(s) > 0 && s[0].Share >= owns.Value {
		out.who = []Who{{signals.BySubmitter, s[0].Name, s[0].Share}}
	}
	return out
}

// poison: pages break the stages that work on them.
func poison(f *facts) finding {
	var broken, all int64
	stage := tasks.Kind("")
	for k, x := range f.now.Stages {
		n := x.Faults[fault.Panic] + x.Faults[fault.Internal]
		if broken += n; n > 0 {
			stage = k
		}
		for _, n := range x.Faults {
			all += n
		}
	}
	if broken < int64(poisoned.Value) || share(broken, all) < owns.Value {
		return not("%d runs in half a minute broke a stage", broken)
	}
	out := finding{
		hit: true, eta: f.drain(f.state.Open), summary: fmt.Sprintf("%d runs of %s broke it in half a minute", broken, stage), cost: "those pages fail after a few tries; the others go on",
		evidence: []Evidence{{"runs that broke a stage", float64(broken), "runs", 0, poisoned.Value}}, actions: []Action{{"read what it was, and report it", "trawl failures"}},
	}
	for _, s := range f.top(signals.Troubles, signals.ByPage).Shares(1) {
		out.who = []Who{{signals.ByPage, s.Name, s.Share}}
	}
	return out
}

// cpu is how busy the processors of the workers are, on the busiest machine.
func (f *facts) cpu() float64 {
	return f.recently(func(t signals.Tick) (most float64, ok bool) {
		for _, p := range t.Processes {
			if len(p.Stages) > 0 {
				most, ok = max(most, p.Busy, p.CPU/float64(max(p.Cores, 1))), true
			}
		}
		return most, ok
	})
}

// machineSaturated: there is work, and the machine cannot do more.
func machineSaturated(f *facts) finding {
	n := f.stuck()
	wait := f.drain(n)
	for _, p := range f.workers() {
		mem, files := share(p.Memory, p.MemMax), share(int64(p.Files), int64(p.FileMax))
		for _, x := range []struct {
			what  string
			value float64
			limit *Threshold
		}{{"memory", mem, memFull}, {"file descriptors", files, filesFull}} {
			if x.value >= x.limit.Value {
				return finding{
					hit: true, eta: f.drain(f.state.Open), summary: fmt.Sprintf("the worker %d on %s uses %s of its %s", p.PID, p.Host, percent(x.value), x.what),
					evidence: []Evidence{{x.what, x.value, "part", 0, x.limit.Value}}, actions: []Action{{"run workers on another machine too", "trawl worker"}},
				}
			}
		}
	}
	cpu := f.cpu()
	switch {
	case cpu < cpuFull.Value:
		return not("the processors are %s busy", percent(cpu))
	case wait >= 0 && wait < patience.Value:
		return not("the processors are %s busy, but what waits for them is through in %s", percent(cpu), Span(wait))
	}
	return finding{
		hit: true, eta: f.drain(f.state.Open), summary: fmt.Sprintf("the processors are %s busy, and %s could be visited at once", percent(cpu), pages(n)), cost: fmt.Sprintf("%.0f pages a second is what this machine does", f.closing()),
		evidence: []Evidence{{"processors", cpu, "part", 0, cpuFull.Value}, {"work that waits", wait, "s", 0, patience.Value}},
		actions:  []Action{{"run workers on another machine too", "trawl worker"}},
	}
}

// workerShortage: a stage has too few places.
func workerShortage(f *facts) finding {
	for _, k := range slices.Backward(tasks.Stages()) {
		q, load := f.state.Queues[k], f.load(k)
		x := f.flow(k)
		aging := q.Oldest.Seconds() >= readyAge.Value && q.Oldest >= f.before.Queues[k].Oldest
		if held := f.drain(f.stuck()); load < full.Value || !aging && held >= 0 && held < worth.Value {
			continue // what is handed out is bounded, so the rest may wait in the frontier
		}
		mean := func(t signals.Tick) (float64, bool) { s := flowOf(t, k).Service; return s.Mean().Seconds(), s.N() > 0 }
		took, _ := mean(f.now)
		usual := f.normal(mean)
		if usual > 0 && took > slower.Value*usual && k != tasks.KindHead && k != tasks.KindFetch { // for a slow web, more places are what helps
			return not("%s takes %s a task, usually %s: it is not the number of workers", k, Span(took), Span(usual))
		}
		if part := f.now.Web.Busy.Seconds() / max(x.Busy.Seconds(), 1e-9); k == tasks.KindFetch && part < waiting.Value {
			return not("all places of fetch are taken, but %s of their time is the wait for a host's turn", percent(1-part))
		}
		need := max(math.Ceil(f.rate(x.Enqueued)*took), math.Ceil(float64(q.Slots)*1.1))
		return finding{
			hit: true, eta: f.drain(f.state.Open), summary: fmt.Sprintf("all %d places of %s are taken, and %s could be visited at once: it needs %.0f", q.Slots, k, pages(f.stuck()), need), cost: pagesWait(f.state.Open),
			evidence: []Evidence{{"places of " + string(k) + " taken", load, "part", 0, full.Value}, {"age of the oldest ready task", q.Oldest.Seconds(), "s", 0, readyAge.Value}},
			actions:  []Action{{fmt.Sprintf("start %.0f more processes for it", math.Ceil((need-float64(q.Slots))/float64(tasks.SpecOf(k).Concurrency))), "trawl worker --stages " + string(k)}},
		}
	}
	busiest, load := tasks.Kind(""), 0.0
	for _, k := range tasks.Stages() {
		if x := f.load(k); x >= load {
			busiest, load = k, x
		}
	}
	return not("%s of the places of %s are taken, more than of any other stage", percent(load), busiest)
}

// politeHost: all is well, but a few hosts have most of what waits, and they set the pace.
func politeHost(f *facts) finding {
	n, _ := f.waits("polite")
	part := f.recently(ofState(func(s signals.State) (float64, bool) {
		due := s.Open - s.Backlog["revisit"]
		return share(s.Backlog["polite"], due), due > 0
	}))
	ready, load := f.state.Backlog["ready"], f.load(tasks.KindFetch)
	var top, eta float64
	var who []Who
	for i, h := range f.state.Hosts {
		if float64(i) < fewHosts.Value {
			top += float64(h.Pages)
			eta = max(eta, h.ETA)
		}
		if x := share(h.Pages, f.state.Open); i == 0 && x >= owns.Value {
			who = []Who{{signals.ByHost, h.Name, x}}
		}
	}
	top /= max(float64(f.state.Open), 1)
	eta = max(eta, f.state.ETA)
	switch {
	case f.state.Open == 0:
		return not("nothing waits")
	case part < most.Value:
		return not("%s of what is due waits for its host's pace", percent(part))
	case load > loose.Value:
		return not("%s of the places of fetch are taken", percent(load))
	case float64(ready) > float64(f.state.Open)/10+50:
		return not("%s are ready and wait for a worker", pages(ready))
	case top < most.Value:
		return not("the %.0f hosts with the most have %s of what waits", fewHosts.Value, percent(top))
	}
	return finding{
		hit: true, eta: eta, who: who, summary: fmt.Sprintf("%s for the pace of their hosts, %s of them at %s: that is as fast as they may be asked", pagesWait(n), percent(min(top, 1)), count(min(len(f.state.Hosts), int(fewHosts.Value)), "host", "hosts")),
		cost:     "nothing: nobody else waits",
		evidence: []Evidence{{"pages that wait for their host", part, "part", 0, most.Value}, {"places of fetch taken", load, "part", 0, loose.Value}},
		actions:  []Action{{"ask faster only where you are allowed to", "trawl hosts set HOST --delay 500ms"}},
	}
}

// burst: more came than could be done at once, and it is being worked off.
func burst(f *facts) finding {
	n := f.stuck()
	wait := f.drain(n)
	switch {
	case workerShortage(f).hit:
		return not("there are too few workers for what comes")
	case wait >= 0 && wait < worth.Value:
		return not("what is ready is through in %s", Span(wait))
	case wait < 0 || f.falling() <= 0:
		return not("what waits does not get less")
	}
	return finding{
		hit: true, eta: f.drain(f.state.Open), summary: fmt.Sprintf("%s could be visited at once and are being worked off, %.0f a second", pages(n), f.closing()), cost: "nothing but the time",
		evidence: []Evidence{{"work that waits", wait, "s", 0, worth.Value}}, actions: []Action{{"nothing", ""}},
	}
}

// idle: there is nothing to do.
func idle(f *facts) finding {
	return finding{summary: fmt.Sprintf("there is nothing to do: all %s are closed", pages(f.state.Closed))}
}

// healthy: nothing is piling up.
func healthy(f *facts) finding {
	if later := f.state.Backlog["revisit"]; later == f.state.Open && later > 0 {
		return finding{summary: fmt.Sprintf("%s for the time at which they are due", pagesWait(later)), eta: f.state.ETA}
	}
	return finding{summary: fmt.Sprintf("nothing is piling up: %.1f pages a second, %s open", f.closing(), pages(f.state.Open)), eta: f.state.ETA}
}
