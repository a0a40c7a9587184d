package sqlite

import (
	"database/sql"
	"math"
	"time"
)

// share is a submitter that has due pages, and how much it was handed out.
type share struct {
	submitter int64
	weight    float64
	pass      float64 // pages it was handed out so far, by weight
	from      float64 // pass when this promotion began
	perMinute int
	quota     float64 // pages that its quota leaves it, in whole and parts
	tokens    int
	queued    int // pages that it has in the window, without those it is given
	given     int
	lanes     []lane // due, the longest first
}

// next is the share whose turn it is; nil when there is none.
func next(all []*share) (s *share) {
	for _, o := range all {
		if len(o.lanes) > 0 && o.tokens > 0 && (s == nil || o.pass < s.pass) {
			s = o
		}
	}
	return s
}

// handOut counts a turn. One that found nothing to hand out is a small one, so that others come up.
func (s *share) handOut(n int) {
	s.pass += max(float64(n), 0.1) / s.weight
	s.given += n
	s.tokens -= n
}

// shares are the submitters with due lanes of that priority. None of them has saved up turns while it had nothing due: who comes
// back starts where the others are.
func (p *promotion) shares(priority int) ([]*share, error) {
	var all []*share
	now := p.w.Now.UnixMilli()
	err := p.rows(func(r *sql.Rows) error {
		s := &share{}
		var tokens float64
		var weight, at int64
		err := r.Scan(&s.submitter, &weight, &s.pass, &s.perMinute, &tokens, &at, &s.queued)
		s.weight, s.tokens = float64(max(weight, 1))/100, math.MaxInt32
		if s.perMinute > 0 {
			s.quota = refilled(tokens, at, now, s.perMinute)
			s.tokens = int(s.quota)
		}
		all = append(all, s)
		return err
	}, `WITH RECURSIVE s(id) AS (
			SELECT min(submitter_id) FROM lanes WHERE priority=?1 AND waiting>0
			UNION ALL SELECT (SELECT min(submitter_id) FROM lanes WHERE priority=?1 AND waiting>0 AND submitter_id>s.id) FROM s WHERE s.id IS NOT NULL)
		SELECT b.id, b.weight, b.pass, b.per_minute, b.tokens, b.tokens_at, coalesce((SELECT sum(queued) FROM counts WHERE dim=2 AND ref=b.id), 0) FROM s JOIN submitters b ON b.id=s.id
		WHERE EXISTS (SELECT 1 FROM lanes WHERE priority=?1 AND waiting>0 AND submitter_id=s.id AND at<=?2)`, priority, now)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	var floor float64
	if _, err := p.row(`SELECT CAST(value AS REAL) FROM meta WHERE name='turn'`, nil, &floor); err != nil {
		return nil, err
	}
	each := max(p.left/len(all), 8)
	for _, s := range all {
		s.pass = max(s.pass, floor)
		s.from = s.pass
		err := p.rows(func(r *sql.Rows) error {
			l := lane{submitter: s.submitter, priority: priority}
			err := r.Scan(&l.id, &l.host, &l.crawl)
			s.lanes = append(s.lanes, l)
			return err
		}, `SELECT id, host_id, crawl_id FROM lanes WHERE priority=? AND submitter_id=? AND waiting>0 AND at<=? ORDER BY at LIMIT ?`, priority, s.submitter, now, each)
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// keep writes what the shares were handed out, and how far the turns have come.
func (p *promotion) keep(all []*share) error {
	floor := math.Inf(1)
	for _, s := range all {
		if s.pass == s.from && s.tokens <= 0 { // its quota held it up: the turns of the others go on
			continue
		}
		floor = min(floor, s.from)
		if s.pass == s.from {
			continue
		}
		if _, err := p.exec(`UPDATE submitters SET pass=? WHERE id=?`, s.pass, s.submitter); err != nil {
			return err
		}
		if s.perMinute > 0 && s.given > 0 {
			if _, err := p.exec(`UPDATE submitters SET tokens=?, tokens_at=? WHERE id=?`, s.quota-float64(s.given), p.w.Now.UnixMilli(), s.submitter); err != nil {
				return err
			}
		}
	}
	if math.IsInf(floor, 1) {
		return nil
	}
	_, err := p.exec(`INSERT INTO meta (name, value) VALUES ('turn', ?1) ON CONFLICT DO UPDATE SET value=?1 WHERE CAST(value AS REAL)<?1`, floor)
	return err
}

// refilled is how many pages a quota leaves at now: it fills up with perMinute a minute, and never holds more than a tenth of that,
// or one.
func refilled(tokens float64, at, now int64, perMinute int) float64 {
	most := max(float64(perMinute)/10, 1)
	if at == 0 {
		return most
	}
	return min(most, tokens+float64(perMinute)*float64(now-at)/float64(time.Minute.Milliseconds()))
}

// pauses are what an operator has paused.
type pauses struct {
	hosts              map[string]bool
	crawls, submitters map[int64]bool
}

func (t *tx) pauses() (pauses, error) {
	out := pauses{map[string]bool{}, map[int64]bool{}, map[int64]bool{}}
	err := t.rows(func(r *sql.Rows) error {
		var what, name string
		var crawl, submitter int64
		err := r.Scan(&what, &name, &crawl, &submitter)
		switch what {
		case "host":
			out.hosts[name] = true
		case "crawl":
			out.crawls[crawl] = true
		case "submitter":
			out.submitters[submitter] = true
		}
		return err
	}, `SELECT p.what, p.name, coalesce(c.id, 0), coalesce(s.id, 0) FROM pauses p LEFT JOIN crawls c ON c.name=p.name LEFT JOIN submitters s ON s.name=p.name`)
	return out, err
}
