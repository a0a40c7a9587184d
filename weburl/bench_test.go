package weburl

import "testing"

// The cost of a link: go test -bench . -benchmem ./weburl
func BenchmarkResolve(b *testing.B) {
	for _, c := range []struct{ name, base, ref string }{
		{"absolute", "https://www.example.org/a/b/page.html?x=1", "https://www.example.org/news/2024/item.html?id=17&lang=en"},
		{"relative", "https://www.example.org/a/b/page.html?x=1", "../images/photo.jpg"},
		{"international", "https://www.example.org/a/b/page.html?x=1", "http://bücher.example/über uns"},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Resolve(c.base, c.ref); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/library", func(b *testing.B) {
			for b.Loop() {
				u, err := library.ParseRef(c.base, c.ref)
				if err != nil || u.Href(false) == "" {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCanonical(b *testing.B) {
	for b.Loop() {
		if _, err := Canonical("https://www.example.org/news/2024/item.html?id=17&lang=en#top"); err != nil {
			b.Fatal(err)
		}
	}
}
