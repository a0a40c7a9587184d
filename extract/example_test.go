package extract_test

import (
	"fmt"

	"example.org/trawl/extract"
)

func ExampleHTML() {
	page := `<!DOCTYPE html><title>Fish &amp; nets</title>
<p>How to <a href="/mend?from=home#top">mend a net</a>, and
<a href="https://example.com" rel="nofollow">who sells them</a>.</p>`

	d, err := extract.HTML([]byte(page), "text/html", "https://example.org/", "trawl")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.Title)
	fmt.Println(d.Text)
	for _, l := range d.Links {
		fmt.Println(l.URL, l.From, l.NoFollow)
	}
	// Output:
	// Fish & nets
	// How to mend a net, and who sells them.
	// https://example.org/mend?from=home a false
	// https://example.com/ a true
}
