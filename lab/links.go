package lab

// link is one link of a page, before it is spelled.
type link struct {
	to       *site // nil: outside the lab
	page     int   // with to nil: which of the outside addresses
	via      via
	noFollow bool
}

// via is what carries a link.
type via uint8

const (
	anchor via = iota
	area
	iframe
	noscript // an anchor that browsers with scripts never show
	fragment // to a place on the page itself
	next     // <link rel=next>
	refresh  // <meta http-equiv=refresh>
)

// outside is how many addresses beyond the lab are linked; none of their hosts exists.
const outside = 40

// links appends the links of an HTML page: some thirty, fewer on very short pages.
func (m *model) links(dst []link, s *site, k int, kd kind, lk look) []link {
	r := stream(m.seed, s.index, k, forLinks)
	add := func(to *site, page int, v via) { dst = append(dst, link{to: to, page: page, via: v}) }
	start := len(dst)
	for p := range min(5, s.tree) {
		add(s, p, anchor)
	}
	if k > 0 && k < s.tree {
		add(s, (k-1)/fan, anchor)
	}
	cross := 16
	for p := fan*k + 1; p <= fan*k+fan && p < s.tree; p++ {
		add(s, p, carrier(&r))
		cross--
	}
	if lk.size < 6000 {
		cross /= 3
	}
	for range cross {
		v := carrier(&r)
		dst = append(dst, link{to: s, page: r.n(s.tree), via: v, noFollow: v == anchor && !m.plain && r.oneIn(40)})
	}
	for range 1 + r.n(2) {
		other := m.sites[r.n(len(m.sites))]
		add(other, r.n(other.tree), anchor)
	}
	for range r.n(4) {
		add(nil, r.n(outside), anchor)
	}
	if k+1 < s.tree && r.oneIn(4) {
		add(s, k+1, next)
	}
	if !m.plain && r.oneIn(30) {
		add(s, r.n(s.tree), refresh)
	}
	// Where a page names a base, "#top" would lead to the base.
	if lk.base == "" && r.oneIn(3) {
		add(s, k, fragment)
	}
	if r.oneIn(3) {
		dup := dst[start+r.n(len(dst)-start)]
		if dup.via != fragment {
			dup.via = anchor
			dst = append(dst, dup)
		}
	}
	if kd == listing {
		dst = m.nextListing(dst, s, k)
	}
	return m.hiddenLinks(dst, &r, s, k, kd)
}

// carrier draws what carries an ordinary link.
func carrier(r *rng) via {
	switch r.n(40) {
	case 0:
		return area
	case 1:
		return iframe
	case 2:
		return noscript
	}
	return anchor
}

// nextListing links a listing to the next one, whose address differs in the query alone.
func (m *model) nextListing(dst []link, s *site, k int) []link {
	for p := k + 1; p < min(k+64, s.tree); p++ {
		if m.kind(s, p) == listing {
			return append(dst, link{to: s, page: p})
		}
	}
	return dst
}

// hiddenLinks links to hidden pages in the ways that must not lead there.
func (m *model) hiddenLinks(dst []link, r *rng, s *site, k int, kd kind) []link {
	if nf := s.hidden[behindNoFollow]; k < nf.len() {
		dst = append(dst, link{to: s, page: nf.from + k, noFollow: true})
	}
	way := -1
	switch kd {
	case private, draft, backup:
		way = behindPrivate
	case noFollow:
		way = behindNoFollowing
	}
	for w, h := range s.hidden {
		if k >= h.from && k < h.to && w != behindNoFollow {
			way = w
		}
	}
	if way < 0 || way == unlinked || s.hidden[way].len() == 0 {
		return dst
	}
	for range 4 {
		dst = append(dst, link{to: s, page: s.hidden[way].from + r.n(s.hidden[way].len())})
	}
	return dst
}
