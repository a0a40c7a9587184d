package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/weburl"
)

// lanesAtOnce bounds the lanes that one promotion looks at.
const lanesAtOnce = 256

// Promote hands out pages that are due, within the bounds of w: by priority, then in turns between the submitters by their
// weight, then by age. It costs what it hands out, however many pages wait, and is safe in any number of processes at once: what
// it returns is queued, with a visit of its own.
func (c *Catalog) Promote(ctx context.Context, w catalog.Window) ([]catalog.Batch, error) {
	var out []catalog.Batch
	err := c.write.do(ctx, func(t *tx) error {
		out = nil
		// Promotion reads the counters: what was counted earlier in this transaction has to be in them.
		if err := t.flush(); err != nil {
			return err
		}
		p := &promotion{tx: t, w: w, hosts: map[int64]*hostRow{}, left: lanesAtOnce, ready: w.Ready}
		if w.Ready == 0 {
			p.ready = w.Total
		}
		var err error
		if p.queued, err = t.windowQueued(); err != nil {
			return err
		}
		if p.pauses, err = t.pauses(); err != nil {
			return err
		}
		for _, priority := range []int{1, 0, -1} {
			if err := p.turns(priority); err != nil {
				return err
			}
		}
		out = p.out
		return nil
	})
	return out, err
}

// extraParts is the part of a window that is next to nothing.
const extraParts = 20

// promotion is one run of Promote.
type promotion struct {
	*tx
	w      catalog.Window
	queued int // pages that are handed out, in all
	left   int // lanes that may still be looked at
	turn   int // pages that a lane gets in one turn
	ready  int // pages that may still be handed out to be visited at once
	extra  int // more of them, for the submitter whose turn it is
	pauses pauses
	hosts  map[int64]*hostRow
	out    []catalog.Batch
}

func (t *tx) windowQueued() (int, error) {
	var n int
	_, err := t.row(`SELECT coalesce(sum(queued), 0) FROM counts WHERE dim=0 AND ref=0 AND crawl_id IN (SELECT id FROM crawls)`, nil, &n)
	return n, err
}

// room is how many pages of that priority the window still takes.
func (p *promotion) room(priority int) int {
	total := p.w.Total
	if priority > 0 {
		total += total / 4
	}
	return total - p.queued
}

// open tells whether pages of that priority may still be handed out: there is room, and workers have not enough to do as it is.
func (p *promotion) open(priority int) bool {
	return p.room(priority) > 0 && (priority > 0 || p.ready+p.extra > 0)
}

// lane is a lane whose turn it is.
type lane struct {
	id, host, crawl, submitter int64
	priority                   int
}

// turns lets the submitters that have due pages of that priority take turns: the next is who was handed out least for its weight.
func (p *promotion) turns(priority int) error {
	// Where workers have enough to do, who has next to nothing in the window still gets some.
	most := p.w.Total / extraParts
	p.extra = most
	if !p.open(priority) {
		return nil
	}
	shares, err := p.shares(priority)
	if err != nil || len(shares) == 0 {
		return err
	}
	// What room there is goes to all lanes that are due, so that no host stands idle while another has its minute.
	lanes := 0
	for _, s := range shares {
		lanes += len(s.lanes)
	}
	p.turn = max(1, p.room(priority)/max(lanes, 1))
	for s := next(shares); s != nil; s = next(shares) {
		if p.extra = max(most-s.queued-s.given, 0); !p.open(priority) {
			s.lanes = nil
			continue
		}
		l := s.lanes[0]
		s.lanes = s.lanes[1:]
		n, more, err := p.lane(l, min(p.room(priority), s.tokens))
		if err != nil {
			return err
		}
		if more { // when the others have had their turn
			s.lanes = append(s.lanes, l)
		}
		p.queued += n
		s.handOut(n)
	}
	p.left -= lanes
	return p.keep(shares)
}

// lane hands out up to room pages of a lane and says when to look at it again; more says that it has more, and its host room.
func (p *promotion) lane(l lane, room int) (n int, more bool, err error) {
	h, err := p.host(l)
	if err != nil {
		return 0, false, err
	}
	switch {
	case p.pauses.hosts[h.Host]:
		return 0, false, p.closeHost(h.HostID, time.UnixMilli(never), time.UnixMilli(never))
	case p.pauses.crawls[l.crawl] || p.pauses.submitters[l.submitter]:
		return 0, false, p.rest(l.id, time.UnixMilli(never))
	case h.trouble.State != catalog.HostOK:
		n, err = p.troubled(h, l, room)
		return n, false, err
	case h.robots == catalog.RobotsUnknown || h.robotsUntil <= p.w.Now.UnixMilli():
		return 0, false, p.readRobots(h, l, false)
	}
	return p.visits(h, l, room)
}

// visits hands out what the host has time for. Lanes of one host share that time.
func (p *promotion) visits(h *hostRow, l lane, room int) (n int, more bool, err error) {
	free, err := p.hostRoom(h, l)
	if err != nil {
		return 0, false, err
	}
	if free <= 0 {
		return 0, false, p.full(h, l)
	}
	lanes := 1
	if _, err := p.row(`SELECT max(1, count(*)) FROM lanes INDEXED BY lanes_key WHERE host_id=? AND priority=? AND waiting>0 AND at<=?`, []any{l.host, l.priority, p.w.Now.UnixMilli()}, &lanes); err != nil {
		return 0, false, err
	}
	limit := min((free+lanes-1)/lanes, room, p.turn)
	if h.pace() == 0 && l.priority <= 0 {
		limit = min(limit, p.ready+p.extra)
	}
	idle := h.Queued == 0
	b := h.Batch
	b.Urgent = l.priority > 0
	n, err = p.some(b, l, limit)
	h.Queued += n
	switch {
	case h.pace() == 0:
		p.ready -= n
	case idle: // the first of them; the others wait for the host
		p.ready--
	}
	switch {
	case err != nil || n < limit:
		return n, false, err
	case n == free:
		return n, false, p.full(h, l)
	}
	return n, true, p.rest(l.id, p.w.Now) // others go first
}

// horizon is how much of a host's time is handed out: less once half of the window is taken, so that hosts which have nothing in it,
// and could be visited at once, find room.
func (p *promotion) horizon() time.Duration {
	if 2*p.queued > p.w.Total {
		return p.w.Horizon / 6
	}
	return p.w.Horizon
}

// full leaves a host alone whose window is full. It lasts for horizon: half of it may drain first.
func (p *promotion) full(h *hostRow, l lane) error {
	until := p.w.Now.Add(min(h.pace()*4, max(p.horizon()/2, h.pace())))
	urgent := p.w.Now
	if l.priority > 0 {
		urgent = until
	}
	return p.closeHost(h.HostID, until, urgent)
}

// urgentMore is by how much a host's window may be exceeded by pages of high priority.
const urgentMore = 32

// hostRoom is how many more pages of the host may be handed out: about Horizon of its time, and of that of its domain and address.
func (p *promotion) hostRoom(h *hostRow, l lane) (int, error) {
	limit := p.share(h.pace(), 1)
	if l.priority > 0 {
		limit += urgentMore
	}
	limit -= h.Queued
	for _, g := range []struct {
		places int
		query  string
		name   string
	}{
		{h.PerDomain, `SELECT coalesce(sum(queued), 0) FROM hosts WHERE site=? AND queued>0`, h.site},
		{h.PerIP, `SELECT coalesce(sum(queued), 0) FROM hosts WHERE addr=? AND queued>0`, h.addr},
	} {
		if g.places == 0 || g.name == "" || limit <= 0 {
			continue
		}
		var n int
		if _, err := p.row(g.query, []any{g.name}, &n); err != nil {
			return 0, err
		}
		for _, b := range p.out { // not in the counters yet
			if o := p.hosts[b.HostID]; o.site == g.name || o.addr == g.name {
				n += len(b.Pages)
			}
		}
		limit = min(limit, p.share(h.pace(), g.places)-n)
	}
	return limit, nil
}

// share is how many starts a delay apart fit into Horizon, as often as there are places.
func (p *promotion) share(delay time.Duration, places int) int {
	if delay <= 0 {
		return max(1, p.w.Total/2)
	}
	horizon := p.horizon()
	if delay > horizon/2 { // such a host never has many
		horizon = p.w.Horizon
	}
	return max(1, places*int(horizon/delay))
}

// troubled hands out a single visit of a host in trouble, when that is to be tried again; or, when it has been in trouble for too
// long, pages that are to fail.
func (p *promotion) troubled(h *hostRow, l lane, room int) (int, error) {
	now := p.w.Now
	switch wait := h.trouble.Until.After(now); {
	case wait && !h.trouble.GivenUp:
		return 0, p.freeHost(h.HostID, h.trouble.Until)
	case wait:
		b := h.Batch
		b.GivenUp = &h.trouble
		return p.some(b, l, room)
	case h.Queued > 0 || h.robotsVisit != "": // visits from before are on their way back, or this is the probe
		return 0, p.freeHost(h.HostID, now.Add(probePatience/6))
	case h.robots == catalog.RobotsUnknown || h.robotsUntil <= now.UnixMilli():
		return 0, p.readRobots(h, l, true)
	}
	b := h.Batch
	b.Probe, b.Urgent = true, true
	n, err := p.some(b, l, 1)
	if err != nil || n == 0 {
		return n, err
	}
	h.Queued += n
	return n, p.freeHost(h.HostID, now.Add(probePatience))
}

// some hands out up to limit pages of a lane as part of b.
func (p *promotion) some(b catalog.Batch, l lane, limit int) (int, error) {
	var err error
	if b.Pages, err = p.handOut(l, limit); err != nil {
		return 0, err
	}
	if len(b.Pages) > 0 {
		p.out = append(p.out, b)
	}
	if len(b.Pages) < limit {
		return len(b.Pages), p.lookAgain(l.id)
	}
	return len(b.Pages), nil
}

// probePatience is how long a probe may take before another is sent.
const probePatience = 30 * time.Second

// readRobots hands out the visit that reads robots.txt; until that is through, the host's pages wait.
func (p *promotion) readRobots(h *hostRow, l lane, probe bool) error {
	lease := p.w.Now.Add(p.w.Lease)
	if h.robotsVisit == "" {
		b := h.Batch
		b.RobotsVisit, b.Probe, b.Urgent = p.w.NewID(), probe, l.priority > 0
		h.robotsVisit = b.RobotsVisit
		if _, err := p.exec(`UPDATE hosts SET robots_visit=?, robots_lease=? WHERE id=?`, b.RobotsVisit, lease.UnixMilli(), h.HostID); err != nil {
			return err
		}
		p.out = append(p.out, b)
		p.ready--
	}
	return p.freeHost(h.HostID, lease)
}

// handOut moves up to limit due pages of the lane from waiting to queued, the longest due first.
func (p *promotion) handOut(l lane, limit int) ([]catalog.Promoted, error) {
	type row struct {
		catalog.Promoted
		due int64
	}
	var rows []row
	at := place{crawl: l.crawl, host: l.host, submitter: l.submitter, lane: l.id}
	crawl, err := p.nameOf("crawls", l.crawl)
	if err != nil {
		return nil, err
	}
	submitter, err := p.nameOf("submitters", l.submitter)
	if err != nil {
		return nil, err
	}
	err = p.rows(func(r *sql.Rows) error {
		x := row{Promoted: catalog.Promoted{Crawl: crawl, Submitter: submitter}}
		var body int64
		err := r.Scan(&x.ID, &x.Visit, &x.URL, &x.due, &x.Depth, &x.Reach, &x.Sitemap, &x.Tries, &x.FinalURL, &x.ETag, &x.LastModified, &x.Payload, &body)
		x.Reach = reachOut(x.Reach)
		if body > 0 {
			x.BodyAt = time.UnixMicro(body)
		}
		p.move(at, waiting, queued)
		rows = append(rows, x)
		return err
	}, `UPDATE pages SET state=1, visit=lower(hex(randomblob(8))), lease=? WHERE id IN (
			SELECT id FROM pages WHERE lane_id=? AND state=0 AND due<=? ORDER BY due, id LIMIT ?)
		RETURNING id, visit, url, due, depth, reach, sitemap, tries, final_url, etag, last_modified, payload, CASE WHEN body_at>0 THEN body_at ELSE 1000*fetched_at END`,
		p.w.Now.Add(p.w.Lease).UnixMilli(), l.id, p.w.Now.UnixMilli(), limit)
	// RETURNING has no order.
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.ID, b.ID)) })
	out := make([]catalog.Promoted, len(rows))
	for i, r := range rows {
		out[i] = r.Promoted
	}
	return out, err
}

// hostRow is what promotion needs of a host.
type hostRow struct {
	catalog.Batch
	site, addr  string
	robots      catalog.RobotsState
	robotsUntil int64
	robotsVisit string
	crawlDelay  time.Duration       // of robots.txt
	own         *catalog.HostLimits // an operator's
	trouble     catalog.Trouble
}

// pace is how far apart the host's starts are, as far as that is known.
func (h *hostRow) pace() time.Duration { return max(h.Delay, h.Pace) }

// host reads the lane's host, as the lane's crawl sees it.
func (p *promotion) host(l lane) (*hostRow, error) {
	h := p.hosts[l.host]
	if h == nil {
		var err error
		if h, err = p.readHost(l.host); err != nil {
			return nil, err
		}
		p.hosts[l.host] = h
	}
	// Several crawls may visit one host: the strictest of those that have pages open there decides, unless an operator has.
	var longest, others int64
	_, err := p.row(`SELECT coalesce(max(c.delay), 0), coalesce(max(CASE WHEN c.id<>? THEN c.delay END), 0), coalesce(min(c.per_host), 1),
			coalesce(min(nullif(c.per_domain, 0)), 0), coalesce(min(nullif(c.per_ip, 0)), 0), coalesce(max(c.adapt), 0)
		FROM counts n JOIN crawls c ON c.id=n.crawl_id WHERE n.dim=1 AND n.ref=? AND (n.waiting+n.queued > 0 OR c.id=?)`, []any{l.crawl, l.host, l.crawl},
		&longest, &others, &h.PerHost, &h.PerDomain, &h.PerIP, &h.Adapt)
	h.Floor = max(h.crawlDelay, time.Duration(others))
	h.Delay = max(h.Floor, time.Duration(longest))
	if h.Delay > 0 && longest == 0 {
		h.PerHost = 1
	}
	if h.own != nil {
		own := h.own.Under(h.crawlDelay)
		h.Delay, h.PerHost = own.Delay, own.PerHost
	}
	return h, err
}

func (p *promotion) readHost(id int64) (*hostRow, error) {
	h := &hostRow{Batch: catalog.Batch{HostID: id}}
	var delay, at, pace, until, since, own int64
	var state, perHost int
	x := &h.trouble
	_, err := p.row(`SELECT name, site, addr, queued, robots_state, robots_delay, robots_at, robots_until, robots_visit, pace, holds, state, since, until, fails, fault, error, given_up, own_delay, own_per_host
		FROM hosts WHERE id=?`, []any{id},
		&h.Host, &h.site, &h.addr, &h.Queued, &h.robots, &delay, &at, &h.robotsUntil, &h.robotsVisit, &pace, &h.Holds, &state, &since, &until, &x.Fails, &x.Fault, &x.Err, &x.GivenUp, &own, &perHost)
	h.own = ownLimits(own, perHost)
	h.crawlDelay, h.RobotsAt, h.Pace = time.Duration(delay), time.UnixMilli(at), time.Duration(pace)
	x.State, x.Since, x.Until = catalog.HostStates()[state], time.UnixMilli(since), time.UnixMilli(until)
	if err == nil && h.site == "" { // from before sites were kept
		h.site = weburl.Site(weburl.Hostname(h.Host))
		_, err = p.exec(`UPDATE hosts SET site=? WHERE id=?`, h.site, id)
	}
	return h, err
}
