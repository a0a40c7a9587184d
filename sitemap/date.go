package sitemap

import (
	"strings"
	"time"
)

// parseTime reads a W3C datetime in any of its precisions, also where the zone is missing, which then is UTC, or a date of RFC 822
// or 1123 as feeds have them, with a zone. It returns the zero time for anything else.
func parseTime(s string) time.Time {
	if len(s) > 64 {
		return time.Time{}
	}
	if t := parseW3C(s); !t.IsZero() {
		return t
	}
	return parseRFC822(s)
}

// parseW3C reads the forms of https://www.w3.org/TR/NOTE-datetime, and what is often written instead: a space for the T, no
// zone, a zone without its colon or its minutes.
func parseW3C(s string) time.Time {
	if len(s) < 4 || s[0] < '0' || s[0] > '9' || s[3] < '0' || s[3] > '9' {
		return time.Time{}
	}
	layouts := []string{"2006", "2006-01", "2006-01-02", "20060102"}
	if len(s) > len("2006-01-02") {
		day, clock := s[:10], strings.ToUpper(strings.TrimLeft(s[10:], "Tt "))
		zone := ""
		if i := strings.IndexAny(clock, "Z+-"); i >= 0 {
			clock, zone = clock[:i], strings.TrimSpace(clock[i:])
		}
		s = day + "T" + strings.TrimSpace(clock) + zone
		layouts = []string{
			"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04",
			"2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04Z07",
		}
	}
	for _, layout := range layouts {
		if len(s) == len(layout) || len(s) > len("2006-01-02") {
			if t, err := time.Parse(layout, s); err == nil {
				return t.UTC()
			}
		}
	}
	return time.Time{}
}

// parseRFC822 reads the date of RFC 822 section 5, with years of four digits too (RFC 1123 section 5.2.14), a month that is
// written out, and any word before a comma for the day of the week.
func parseRFC822(s string) time.Time {
	if _, after, ok := strings.Cut(s, ","); ok {
		s = after
	}
	f := strings.Fields(s)
	if len(f) != 5 || len(f[1]) < 3 {
		return time.Time{}
	}
	day, month, year, clock, zone := f[0], f[1][:3], f[2], f[3], offsetOf(f[4])
	if strings.Count(clock, ":") == 1 {
		clock += ":00"
	}
	layout := "2 Jan 2006 15:04:05 -0700"
	if len(year) == 2 {
		layout = "2 Jan 06 15:04:05 -0700"
	}
	t, err := time.Parse(layout, strings.Join([]string{day, month, year, clock, zone}, " "))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// offsetOf is the offset that the name of a zone stands for (RFC 822 section 5.1), or what was given.
func offsetOf(zone string) string {
	switch strings.ToUpper(zone) {
	case "GMT", "UT", "UTC", "Z":
		return "+0000"
	case "EDT":
		return "-0400"
	case "EST", "CDT":
		return "-0500"
	case "CST", "MDT":
		return "-0600"
	case "MST", "PDT":
		return "-0700"
	case "PST":
		return "-0800"
	}
	if len(zone) == len("+07:00") && zone[3] == ':' {
		return zone[:3] + zone[4:]
	}
	return zone
}
