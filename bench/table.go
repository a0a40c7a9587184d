package main

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"
)

var quietLog = slog.New(slog.DiscardHandler)

// turn is what one of them needed once.
type turn struct {
	took    time.Duration
	got, of int     // pages, of those that are there
	asked   int     // requests
	used    []usage // without the web, which everybody needs
}

func (t turn) rate() float64 { return float64(t.got) / t.took.Seconds() }

func (t turn) cpu() (sum time.Duration) {
	for _, u := range t.used {
		sum += u.cpu
	}
	return sum
}

func (t turn) peak() (sum int64) {
	for _, u := range t.used {
		sum += u.peak
	}
	return sum
}

// perPage is what of CPU each kind of process needed for a page.
func (t turn) perPage() string {
	var parts []string
	for _, u := range t.used {
		if ms := u.cpu.Seconds() * 1000 / float64(t.got); ms >= 0.005 && len(t.used) > 1 {
			parts = append(parts, fmt.Sprintf("%s %.2f", u.name, ms))
		}
	}
	s := fmt.Sprintf("%.2f", t.cpu().Seconds()*1000/float64(t.got))
	if len(parts) > 0 {
		s += " (" + strings.Join(parts, ", ") + ")"
	}
	return s
}

func (t turn) String() string {
	return fmt.Sprintf("%6.0f pages/s, %s ms CPU a page, %d MB, %d of %d pages, %d requests", t.rate(), t.perPage(), t.peak()>>20, t.got, t.of, t.asked)
}

// printTable prints the median turn of each, by its rate, and how it stands to the first.
func printTable(out io.Writer, o options, all []entrant, turns map[string][]turn) error {
	fmt.Fprintf(out, "\n%d pages on %d hosts, %d rounds\n\n", o.pages, o.hosts, o.rounds)
	fmt.Fprintln(out, "| | pages/s | from–to | to the first | ms CPU a page | MB at most | pages | requests | keeps |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|")
	var first float64
	for _, e := range all {
		ts := slices.Clone(turns[e.name])
		if len(ts) == 0 {
			continue
		}
		slices.SortFunc(ts, func(a, b turn) int { return int(a.took - b.took) })
		t, slow, fast := ts[len(ts)/2], ts[len(ts)-1], ts[0]
		if first == 0 {
			first = t.rate()
		}
		_, err := fmt.Fprintf(out, "| %s | %.0f | %.0f–%.0f | %.2f | %s | %d | %d of %d | %d | %s |\n",
			e.name, t.rate(), slow.rate(), fast.rate(), t.rate()/first, t.perPage(), t.peak()>>20, t.got, t.of, t.asked, e.keeps)
		if err != nil {
			return err
		}
	}
	return nil
}
