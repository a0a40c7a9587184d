package frontier

import (
	"regexp"
	"slices"
	"strings"

	"example.org/trawl/weburl"
)

// Looks is what a URL tells by itself of the endless spaces that it may be part of. That it looks like one says little; what
// becomes of it is decided by what such a space has led to so far: see catalog.Maze.
type Looks struct {
	Maze string // a calendar, or folders within folders; "" for neither
	Form string // of a URL with a query: its path, and the names of its parameters in their order
}

// maxFolders is how many folders a path has before it looks endless.
const maxFolders = 12

// LookAt returns the looks of a canonical URL.
func LookAt(u string) Looks {
	full := weburl.Path(u)
	origin := strings.TrimSuffix(u, full)
	path, query, _ := strings.Cut(full, "?")
	params := split(query)
	var l Looks
	if len(params) > 0 {
		var names []string
		for _, p := range params {
			names = append(names, p.name)
		}
		l.Form = origin + path + "?" + strings.Join(names, "&")
	}
	switch dirs := strings.Split(strings.Trim(path[:strings.LastIndexByte(path, '/')+1], "/"), "/"); {
	case dated(path, params):
		l.Maze = "dates " + origin
	case len(dirs) > maxFolders || again(dirs):
		l.Maze = "folders " + origin + "/" + dirs[0] + "/"
	}
	return l
}

// again tells whether a folder's name stands twice in a path; numbers do by chance.
func again(dirs []string) bool {
	for i, d := range dirs {
		if slices.Contains(dirs[:i], d) && strings.Trim(d, "0123456789") != "" {
			return true
		}
	}
	return false
}

const (
	// behind a date may stand how it is to be shown.
	behind = `(/(day|week|month|year|list|agenda|grid|print))?(/|\.\w+)?$`
	// dayFirst is a date as people write it: 12.05.2024, 5-2024, may-2024.
	dayFirst = `((0?[1-9]|[12]\d|3[01])[._-])?(0?[1-9]|1[0-2])[._-](19|20)\d{2}|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[_-](19|20)\d{2}`
)

var (
	endsInDate = regexp.MustCompile(`/(\d{4}[/_-](0?[1-9]|1[0-2])([/_-](0?[1-9]|[12]\d|3[01]))?|\d{4}/?-?[wW]\d{1,2}|(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01]))` + behind)
	endsInDay  = regexp.MustCompile(`/(` + dayFirst + `)` + behind)
	isDate     = regexp.MustCompile(`^(\d{4}-(\d{1,2}|[wW]\d{1,2})(-\d{1,2})?([T ].*|%20.*)?|` + dayFirst + `)$`)
	isTime     = regexp.MustCompile(`^-?\d{6,13}$`) // 20240512, or seconds
)

// dated tells whether a URL names a day, a week or a month and nothing else: a sheet of a calendar, which always has a next one.
func dated(path string, params []param) bool {
	if endsInDate.MatchString(path) || hasYear(path) && endsInDay.MatchString(path) {
		return true
	}
	year, month := false, false
	for _, p := range params {
		name := strings.ToLower(p.name)
		if len(p.value) >= 6 && (isDate.MatchString(p.value) || ofTime(name) && isTime.MatchString(p.value)) {
			return true
		}
		switch name[strings.LastIndexAny(name, "_-")+1:] {
		case "y", "yr", "year":
			year = true
		case "m", "mo", "mon", "month", "w", "week", "d", "day":
			month = true
		}
	}
	return year && month
}

// hasYear is a quick look before a slow one.
func hasYear(path string) bool {
	return slices.ContainsFunc([]string{"-20", ".20", "_20", "-19", ".19", "_19"}, func(y string) bool { return strings.Contains(path, y) })
}

// ofTime tells whether a parameter of that name is about a time.
func ofTime(name string) bool {
	switch name {
	case "from", "to", "start", "end", "until", "since":
		return true
	}
	return slices.ContainsFunc([]string{"date", "time", "day", "week", "month", "year", "cal"}, func(part string) bool { return strings.Contains(name, part) })
}

// param is a parameter of a query.
type param struct{ name, value string }

// split reads a query, whose parameters have & or ; between them.
func split(query string) (out []param) {
	for _, f := range strings.FieldsFunc(query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, value, _ := strings.Cut(f, "=")
		out = append(out, param{name, value})
	}
	return out
}

// inPath are session IDs that stand in a path.
var inPath = regexp.MustCompile(`(?i);(jsessionid|phpsessid|sid|session_?id)=[^/?;]*`)

// Bare returns a canonical URL without what says who asks rather than what for: session IDs, and the marks of advertisements and
// newsletters. One page has as many addresses with them as it has visitors.
func Bare(u string) string {
	full := weburl.Path(u)
	path, query, has := strings.Cut(full, "?")
	bare := path
	if strings.IndexByte(path, ';') >= 0 {
		bare = inPath.ReplaceAllString(path, "")
	}
	if has {
		var keep strings.Builder
		for rest := query; rest != ""; {
			n := strings.IndexAny(rest, "&;")
			f := rest
			if n >= 0 {
				f = rest[:n+1]
			}
			rest = rest[len(f):]
			if name, value, _ := strings.Cut(strings.TrimRight(f, "&;"), "="); !who(name, value) {
				keep.WriteString(f)
			}
		}
		switch q := keep.String(); {
		case len(q) == len(query):
			bare += "?" + query
		case q != "":
			bare += "?" + strings.TrimRight(q, "&;")
		}
	}
	if bare == full {
		return u
	}
	return strings.TrimSuffix(u, full) + bare
}

// who tells whether a parameter says who asks, and not what for. Some are nothing else whatever their value is, others are if it
// looks like what a machine drew.
func who(name, value string) bool {
	name = strings.ToLower(name)
	switch name {
	case "phpsessid", "jsessionid", "asp.net_sessionid", "cfid", "cftoken", "zenid", "oscsid", "oscadminid", "sessid", "sess_id", "sessionid", "session_id", "session-id",
		"sessionkey", "gclid", "dclid", "gbraid", "wbraid", "fbclid", "msclkid", "yclid", "twclid", "igshid", "mc_cid", "mc_eid", "_hsenc", "_hsmi", "mkt_tok":
		return true
	case "s", "sid", "sess", "session", "sesskey", "token", "visit", "visitor":
		return drawn(value)
	}
	return strings.HasPrefix(name, "utm_") || strings.HasPrefix(name, "aspsessionid")
}

// drawn tells whether a value looks like what a machine drew: long, without a space, and hexadecimal or with letters and digits in turn.
// A name with a year in it, as spring-semester-2024, does not, nor does a number.
func drawn(value string) bool {
	turns, hex, last := 0, true, byte(0)
	for _, c := range []byte(value) {
		kind := byte('a')
		switch {
		case '0' <= c && c <= '9':
			kind = '0'
		case 'a' <= c|0x20 && c|0x20 <= 'z':
			hex = hex && c|0x20 <= 'f'
		case c == '-', c == '_':
			continue
		default:
			return false
		}
		if last != 0 && kind != last {
			turns++
		}
		last = kind
	}
	return len(value) >= 16 && turns >= 3 || len(value) >= 32 && hex
}
