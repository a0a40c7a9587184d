package handlers

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"120":                            2 * time.Minute,
		" 5 ":                            5 * time.Second,
		"1.5":                            0, // RFC 9110 §10.2.3: whole seconds
		"1h2":                            0,
		"-3":                             0,
		"soon":                           0,
		"86401":                          maxRetryAfter,
		"99999999999999999999999999":     maxRetryAfter, // more than any integer holds is still "not soon"
		"Sun, 01 Mar 2026 12:10:00 GMT":  10 * time.Minute,
		"Sunday, 01-Mar-26 12:10:00 GMT": 10 * time.Minute,
		"Sun Mar  1 12:10:00 2026":       10 * time.Minute,
		"Sun, 01 Mar 2026 11:00:00 GMT":  0, // past
		"Sun, 01 Mar 2099 12:00:00 GMT":  maxRetryAfter,
	} {
		if got := retryAfter(v, now); got != want {
			t.Errorf("Retry-After: %q is %s, want %s", v, got, want)
		}
	}
}

func TestVerdictIsOnlyForDefiniteAnswers(t *testing.T) {
	for status := 100; status < 600; status++ {
		retried := status == http.StatusTooManyRequests || status >= 500
		if got := verdict(status); (got != "") != (status >= 400 && !retried) {
			t.Errorf("%d ends the page with %q", status, got)
		}
	}
}
