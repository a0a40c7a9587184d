package frontier_test

import (
	"testing"

	"example.org/trawl/frontier"
	"example.org/trawl/weburl"
)

func TestLookAt(t *testing.T) {
	const h = "http://a.test"
	tests := []struct {
		path string
		want frontier.Looks
	}{
		{"/", frontier.Looks{}},
		{"/docs/api/page-17.html", frontier.Looks{}},
		{"/2024/05/12/what-happened.html", frontier.Looks{}},
		{"/blog/2024/", frontier.Looks{}},
		{"/v2024/05/", frontier.Looks{}},
		{"/?p=17", frontier.Looks{Form: h + "/?p"}},
		{"/list?id=7&page=3&sort=name", frontier.Looks{Form: h + "/list?id&page&sort"}},
		{"/list?sort=name&id=7", frontier.Looks{Form: h + "/list?sort&id"}},
		{"/calendar/2024/05/", frontier.Looks{Maze: "dates " + h}},
		{"/calendar/2024/5/31", frontier.Looks{Maze: "dates " + h}},
		{"/2024-05.html", frontier.Looks{Maze: "dates " + h}},
		{"/events/20240512/", frontier.Looks{Maze: "dates " + h}},
		{"/events/2024-W07", frontier.Looks{Maze: "dates " + h}},
		{"/events/20249912/", frontier.Looks{}},
		{"/calendar/2024/05/agenda", frontier.Looks{Maze: "dates " + h}},
		{"/calendar/May-2024", frontier.Looks{Maze: "dates " + h}},
		{"/calendar/12.05.2024", frontier.Looks{Maze: "dates " + h}},
		{"/calendar?day=12.05.2024", frontier.Looks{Maze: "dates " + h, Form: h + "/calendar?day"}},
		{"/calendar/mayor-2024x", frontier.Looks{}},
		{"/calendar?month=2024-05", frontier.Looks{Maze: "dates " + h, Form: h + "/calendar?month"}},
		{"/calendar?year=2024&month=5", frontier.Looks{Maze: "dates " + h, Form: h + "/calendar?year&month"}},
		{"/calendar?start=1715472000", frontier.Looks{Maze: "dates " + h, Form: h + "/calendar?start"}},
		{"/article?id=1715472000", frontier.Looks{Form: h + "/article?id"}},
		{"/films?year=2024", frontier.Looks{Form: h + "/films?year"}},
		{"/a/b/a/", frontier.Looks{Maze: "folders " + h + "/a/"}},
		{"/a/b/a", frontier.Looks{}}, // the last one is no folder
		{"/1/2/1/x", frontier.Looks{}},
		{"/1/2/3/4/5/6/7/8/9/10/11/12/x", frontier.Looks{}},
		{"/1/2/3/4/5/6/7/8/9/10/11/12/13/x", frontier.Looks{Maze: "folders " + h + "/1/"}},
	}
	for _, tt := range tests {
		if got := frontier.LookAt(h + tt.path); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.path, got, tt.want)
		}
	}
}

func TestBare(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	tests := map[string]string{
		"/":                                   "/",
		"/a?x=1&y=2":                          "/a?x=1&y=2",
		"/a?x=1&&y=2&":                        "/a?x=1&&y=2&",
		"/a?sid=" + id:                        "/a",
		"/a?x=1&sid=" + id:                    "/a?x=1",
		"/a?sid=" + id + "&x=1":               "/a?x=1",
		"/a?x=1;PHPSESSID=7;y=2":              "/a?x=1;y=2",
		"/a?sid=17":                           "/a?sid=17",
		"/a?session=spring-semester":          "/a?session=spring-semester",
		"/a?session=spring-semester-2024":     "/a?session=spring-semester-2024",
		"/a?s=1715472000171547200":            "/a?s=1715472000171547200",
		"/a?sid=Ab3dE5gH1jK2mN4p":             "/a",
		"/a?doc=" + id:                        "/a?doc=" + id,
		"/a;jsessionid=" + id + "?x=1":        "/a?x=1",
		"/a;jsessionid=" + id + "/b;v=1/":     "/a/b;v=1/",
		"/a?utm_source=news&utm_medium=mail":  "/a",
		"/a?id=3&fbclid=IwAR0x&gclid=abc":     "/a?id=3",
		"/a?q=utm_source":                     "/a?q=utm_source",
		"/a?sid=" + id + "&x=1&sid=" + id[8:]: "/a?x=1",
	}
	for in, want := range tests {
		if got := frontier.Bare("http://a.test" + in); got != "http://a.test"+want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func FuzzLooks(f *testing.F) {
	f.Add("http://a.test/a/2024/05/?x=1&sid=0123456789abcdef0")
	f.Add("http://a.test/;jsessionid=?&&;;=")
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := weburl.Canonical(raw)
		if err != nil {
			return
		}
		frontier.LookAt(u)
		if bare := frontier.Bare(u); frontier.Bare(bare) != bare || len(bare) > len(u) {
			t.Errorf("Bare(%q) = %q, and of that %q", u, bare, frontier.Bare(bare))
		}
	})
}

// The cost of a link: go test -run xxx -bench Looks ./frontier
func BenchmarkLooks(b *testing.B) {
	for _, u := range []string{"http://a.test/docs/api/some-word-1234.html", "http://a.test/list?id=7&page=3&sort=name", "http://a.test/blog/2024/some-word-12"} {
		b.Run(u, func(b *testing.B) {
			for b.Loop() {
				frontier.LookAt(frontier.Bare(u))
			}
		})
	}
}
