package lab

import (
	"math"
	"strconv"
	"time"
)

// model is the web before anybody asks for it. Nothing in it grows with the number of pages: what a page is, where it is
// and what it says is worked out from the seed whenever it is wanted.
type model struct {
	seed    uint64
	plain   bool
	errors  bool
	marked  bool // every page with a body has a validator
	port    int
	domains int           // 0: all hosts are in lab.test
	delay   time.Duration // Crawl-delay in robots.txt; 0: no such line
	rates   []time.Duration
	began   time.Time // from when on pages change
	traps   bool
	feeds   bool
	sites   []*site
	prose   []*prose
	code    [][]byte
	slugs   []string
	kinds   [1000]kind // kinds of leaves, by their weights
	png     []byte
}

// site is one host. Its pages are numbered from 0, the root. The first `tree` of them form a tree in which page p has the
// children fan*p+1 to fan*p+fan; the rest is hidden: no followed link of a public page leads there.
type site struct {
	index  int
	name   string // h0.lab.test, or h0.d0.test
	origin string // http://h0.lab.test:8080
	first  int    // number of the root among the pages of all hosts
	pages  int
	tree   int
	inner  int // pages of the tree with children: 0 to inner-1
	hidden [hiddenWays]span
	lang   int
	open   bool // no robots.txt: everything is allowed
	secret int  // a disallowed page, for redirects that lead into one; -1: none
	footer []byte
}

const fan = 8

// span is a range of page numbers.
type span struct{ from, to int }

func (s span) len() int { return s.to - s.from }

// The ways to be hidden.
const (
	behindPrivate     = iota // linked from disallowed pages only
	behindNoFollow           // linked with rel=nofollow only
	behindNoFollowing        // linked from pages that say nofollow only
	unlinked                 // in the sitemap only
	hiddenWays
)

// kind is what a page answers with.
type kind uint8

const (
	article  kind = iota // HTML
	listing              // HTML at an address with a query
	noIndex              // HTML that asks not to be indexed
	noFollow             // HTML whose links are not to be followed
	plainText
	pdf
	picture
	moved       // redirects to a page of the same host, over up to two hops
	away        // redirects to another host
	looping     // redirects for ever
	trapdoor    // redirects to a page that robots.txt disallows
	missing     // 404
	gone        // 410
	forbidden   // 403
	broken      // 500; only with Config.Errors
	private     // disallowed by its folder
	privateOpen // in the same folder, but allowed by a longer rule
	draft       // disallowed by a rule with *
	backup      // disallowed by a rule with $
	backupLike  // allowed: the rule with $ just misses it
	kindCount
)

// mixed is how many of a thousand leaves are of a kind; what is left are articles.
func mixed() map[kind]int {
	return map[kind]int{
		listing: 60, noIndex: 20, noFollow: 12, plainText: 20, pdf: 12, picture: 12,
		moved: 40, away: 10, looping: 4, trapdoor: 4, missing: 20, gone: 5, forbidden: 5,
		private: 25, privateOpen: 8, draft: 6, backup: 6, backupLike: 4,
	}
}

func newModel(c Config, port int) *model {
	m := &model{seed: c.Seed, plain: c.Plain, errors: c.Errors, marked: c.Validators, port: port, domains: c.Domains, delay: c.CrawlDelay, rates: c.Rates, traps: c.Traps, feeds: c.Feeds, png: dot()}
	for i, t := range tongues() {
		m.prose = append(m.prose, newProse(c.Seed, i, t))
	}
	m.slugs = m.prose[0].words[300:1324]
	m.code = code(c.Seed, m.slugs)
	weights := mixed()
	if m.plain {
		weights = map[kind]int{listing: 60}
	} else if m.errors {
		weights[broken] = 10
	}
	at := 0
	for k := range kindCount {
		for range weights[k] {
			m.kinds[at] = k
			at++
		}
	}
	m.addSites(c.Hosts, c.Pages, c.Giant)
	return m
}

// addSites spreads the pages: host i has a weight of 1/(i+2), so that the first is the largest. A giant is given its part before.
func (m *model) addSites(hosts, pages int, giant float64) {
	spare, first, total := pages-hosts, 0, 0
	add := func(n int) {
		m.sites = append(m.sites, m.newSite(len(m.sites), first, n))
		first += n
	}
	if giant > 0 && hosts > 1 {
		more := min(max(0, int(math.Round(giant*float64(pages)))-1), spare)
		add(1 + more)
		spare -= more
	}
	for i := len(m.sites); i < hosts; i++ {
		total += math.MaxInt32 / (i + 2)
	}
	for i := len(m.sites); i < hosts; i++ {
		add(1 + spare*(math.MaxInt32/(i+2)/1000)/(total/1000))
	}
	// What rounding left over goes to the last host, whose pages are the last in the count.
	last := m.sites[hosts-1]
	m.sites[hosts-1] = m.newSite(hosts-1, last.first, pages-last.first)
	m.sites[hosts-1].open = !m.plain && hosts > 2
	for _, s := range m.sites {
		m.findSecret(s)
	}
}

func (m *model) newSite(i, first, pages int) *site {
	domain := "lab.test"
	if m.domains > 0 {
		domain = "d" + strconv.Itoa(i%m.domains) + ".test"
	}
	s := &site{index: i, name: "h" + strconv.Itoa(i) + "." + domain, first: first, pages: pages, tree: pages, secret: -1}
	s.origin = "http://" + s.name
	if m.port != 80 {
		s.origin += ":" + strconv.Itoa(m.port)
	}
	if !m.plain {
		each := pages / 60
		s.tree -= each * hiddenWays
		for way := range s.hidden {
			s.hidden[way] = span{s.tree + way*each, s.tree + (way+1)*each}
		}
	}
	if s.tree > 1 {
		s.inner = (s.tree-2)/fan + 1
	}
	s.lang = i % len(m.prose)
	s.footer = m.footer(s)
	return s
}

func (m *model) findSecret(s *site) {
	for k := s.inner; k < min(s.tree, s.inner+1000); k++ {
		if m.kind(s, k) == private {
			s.secret = k
			return
		}
	}
}

// kind tells what page k is. Pages with children are articles, apart from a few; the first leaves of a host that is not
// tiny are one of each kind, so that a small web has them all.
func (m *model) kind(s *site, k int) kind {
	r := stream(m.seed, s.index, k, forKind)
	switch {
	case k == 0 || k >= s.tree:
		return article
	case k < s.inner:
		if n := r.n(100); k > fan && !m.plain && n < 5 {
			return [5]kind{noFollow, noFollow, private, private, noIndex}[n]
		}
		return article
	case !m.plain && s.tree > 3*int(kindCount) && k-s.inner < int(kindCount):
		if kd := kind(k - s.inner); kd != broken || m.errors {
			return kd
		}
		return article
	}
	return m.kinds[r.n(len(m.kinds))]
}

// html tells whether a page of kind k is an HTML page with links.
func (k kind) html() bool {
	switch k {
	case article, listing, noIndex, noFollow, private, privateOpen, draft, backup, backupLike:
		return true
	}
	return false
}

// document tells whether the kind answers 200 with a body.
func (k kind) document() bool { return k.html() || k == plainText || k == pdf || k == picture }

func (k kind) redirect() bool { return k == moved || k == away || k == looping || k == trapdoor }

// allowed tells whether robots.txt lets Trawl fetch a page of kind k.
func (s *site) allowed(k kind) bool {
	return s.open || k != private && k != draft && k != backup
}

// redirection is where a redirecting page leads.
type redirection struct {
	status int
	hops   int   // further redirects of the same host before the target
	to     *site // nil: to a host outside the lab, or nowhere
	page   int
}

func (m *model) redirection(s *site, k int, kd kind) redirection {
	r := stream(m.seed, s.index, k, forRedirect)
	d := redirection{status: [5]int{301, 302, 307, 308, 301}[r.n(5)], hops: max(0, r.n(5)-2), to: s}
	switch {
	case kd == looping:
		d.hops, d.to = 2, nil
	case kd == trapdoor && s.secret >= 0:
		d.page, d.hops = s.secret, 0
	case kd == away && len(m.sites) == 1:
		d.to = nil
	case kd == away:
		d.to = m.sites[(s.index+1+r.n(len(m.sites)-1))%len(m.sites)]
		d.page = m.somePage(&r, d.to)
	default:
		d.page = m.somePage(&r, s)
	}
	return d
}

// somePage draws an article with children; the root when chance finds none.
func (m *model) somePage(r *rng, s *site) int {
	for range 8 {
		if k := r.n(max(1, s.inner)); m.kind(s, k) == article {
			return k
		}
	}
	return 0
}
