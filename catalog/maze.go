package catalog

// Budget is why a page ended that was not visited for it is part of a maze.
const Budget = "budget"

// A maze is a space of pages that looks endless: a calendar, folders within folders, one path with ever other parameters, pages
// that differ from the one before in the values of a query alone, or what copies of one page lead to. Not every one is: so it is
// not what a maze looks like that decides, but what it leads to. What is linked from elsewhere is visited as any page is. Of what
// only the maze itself leads to, Crawl.MazePages are, and MazeYield more for each page outside of it that was new. The rest is
// left out, as ended by Budget, and is visited when the maze has proved to be worth it, or when a page outside links to it.
//
// A site may be nothing else than one path with a query. So pages that differ in values alone are left out only where they are
// the lesser part of their host and it took more than FewSteps of them, one after the other, to get there, or more than MazeSteps.
const (
	MazeYield = 4 // further pages that a page outside of a maze is worth
	MazeForms = 8 // combinations of parameters that one path may have
	FewSteps  = 4 // links from page to page that change values in a query only
	MazeSteps = 30
)

// Maze is what is known of one.
type Maze struct {
	Name  string `json:"name"`
	Pages int64  `json:"pages"` // that only it leads to, and that were let in
	Most  int64  `json:"most"`  // how many of them may be, by now; 0: no limit
	Held  int64  `json:"held"`  // pages left out
	Yield int64  `json:"yield"` // new pages outside that it led to
}

// Copy says how a page's content is another's.
type Copy int

// The kinds, as implementations number them.
const (
	NoCopy    Copy = iota
	Exact          // octet for octet
	Near           // nearly the same text: see package simhash
	Canonical      // by its own word: it names the other as its canonical URL
)

func (c Copy) String() string { return [...]string{"", "exact", "near", "canonical"}[c] }

// Allowance bounds the pages of a part of a crawl: a host, or what is below a folder.
type Allowance struct {
	Name string // http://example.org:80 or http://example.org/folder/
	Most int64
}
