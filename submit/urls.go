package submit

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"example.org/trawl/weburl"
)

// Sort checks URLs as people typed them: those that can be crawled, canonical and each once, and those that cannot, with the reason.
func Sort(raw []string) (good []string, refused []Refused) {
	seen := map[string]bool{}
	for _, r := range raw {
		u, err := weburl.Canonical(r)
		switch {
		case err != nil:
			refused = append(refused, Refused{URL: r, Reason: err.Error()})
		case !seen[u]:
			seen[u] = true
			good = append(good, u)
		}
	}
	return good, refused
}

// Refused is a URL that was not taken.
type Refused struct {
	URL    string `json:"url"`
	Reason string `json:"reason"`
}

// Tell writes one line for each refused URL.
func Tell(w io.Writer, refused []Refused) {
	for _, r := range refused {
		fmt.Fprintf(w, "refused: %s\n", r.Reason)
	}
}

// Read gathers the URLs that a command was given: its arguments, of which "-" stands for standard input, and the lines of a file.
// Empty lines and those that begin with # are passed over.
func Read(args []string, stdin io.Reader, file string) ([]string, error) {
	var out []string
	for _, a := range args {
		if a != "-" {
			out = append(out, a)
			continue
		}
		l, err := lines(stdin)
		if err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
		out = append(out, l...)
	}
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("--file: %w", err)
		}
		defer f.Close()
		l, err := lines(f)
		if err != nil {
			return nil, fmt.Errorf("--file %s: %w", file, err)
		}
		out = append(out, l...)
	}
	return out, nil
}

func lines(r io.Reader) ([]string, error) {
	var out []string
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 64<<10), 1<<20)
	for s.Scan() {
		if l := strings.TrimSpace(strings.TrimPrefix(s.Text(), "\ufeff")); l != "" && !strings.HasPrefix(l, "#") {
			out = append(out, l)
		}
	}
	return out, s.Err()
}
