package observe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"example.org/trawl/signals"
	"example.org/trawl/tasks"
	"example.org/trawl/why"
)

// How many beats in a row have to say so before an alarm is told, and before its end is.
const (
	alarmAfter = 2
	quietAfter = 3
)

// alertTime bounds the telling.
const alertTime = 10 * time.Second

// incidentKey holds the incident that somebody was told of; no process remembers it by itself, for another may take over.
const incidentKey = "trawl:incident"

// Alerts tells somebody that something is wrong, once for each cause of an incident, and when it is over.
type Alerts struct {
	to      string // a URL, or a command
	rdb     redis.UniversalClient
	past    *signals.History
	log     *slog.Logger
	verdict why.Verdict // of the last beats
	times   int
}

// NewAlerts returns alerts to a webhook, if to begins with http:// or https://, or else to a command, which is run by sh with the
// alert on its standard input.
func NewAlerts(to string, rdb redis.UniversalClient, log *slog.Logger) *Alerts {
	return &Alerts{to: to, rdb: rdb, past: signals.NewHistory(rdb, why.Length), log: log}
}

// Alert is what is told, as JSON.
type Alert struct {
	Event    string     `json:"event"` // alarm or recovered
	Incident string     `json:"incident"`
	Since    time.Time  `json:"since"` // when the incident began
	Text     string     `json:"text"`  // one line, as chat systems show it
	Report   why.Report `json:"report"`
}

// incident is what was told so far.
type incident struct {
	ID    string        `json:"id"`
	Since time.Time     `json:"since"`
	Told  []why.Verdict `json:"told"`
}

// Consider judges how things are and tells of it if that is news.
func (a *Alerts) Consider(ctx context.Context) error {
	w, _, err := a.past.Window(ctx)
	if err != nil {
		return err
	}
	r := why.Judge(w)
	if a.times++; r.Verdict != a.verdict && (r.Verdict.Alarm() || a.verdict.Alarm()) {
		a.times = 1
	}
	a.verdict = r.Verdict
	text, err := a.rdb.Get(ctx, incidentKey).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	var now incident
	if err := json.Unmarshal([]byte(text), &now); err != nil && text != "" {
		now = incident{} // of another version
	}
	switch {
	case r.Verdict.Alarm() && a.times >= alarmAfter && !slices.Contains(now.Told, r.Verdict):
		if now.ID == "" {
			now = incident{ID: tasks.NewID(), Since: *r.Since}
		}
		now.Told = append(now.Told, r.Verdict)
		if err := a.tell(ctx, Alert{"alarm", now.ID, now.Since, fmt.Sprintf("Trawl: %s: %s", strings.ReplaceAll(string(r.Verdict), "_", " "), r.Summary), r}); err != nil {
			return err // the next beat tries again
		}
		text, err := json.Marshal(now)
		if err != nil {
			return err
		}
		return a.rdb.Set(ctx, incidentKey, text, 0).Err()
	case !r.Verdict.Alarm() && a.times >= quietAfter && now.ID != "":
		if err := a.tell(ctx, Alert{"recovered", now.ID, now.Since, "Trawl: all is well again: " + r.Summary, r}); err != nil {
			return err
		}
		return a.rdb.Del(ctx, incidentKey).Err()
	}
	return nil
}

func (a *Alerts) tell(ctx context.Context, x Alert) error {
	ctx, cancel := context.WithTimeout(ctx, alertTime)
	defer cancel()
	body, err := json.Marshal(x)
	if err != nil {
		return err
	}
	if err = a.send(ctx, append(body, '\n')); err != nil {
		a.log.WarnContext(ctx, "alert not delivered, will try again", "event", x.Event, "verdict", x.Report.Verdict, "err", err)
	}
	return err
}

func (a *Alerts) send(ctx context.Context, body []byte) error {
	if !strings.HasPrefix(a.to, "http://") && !strings.HasPrefix(a.to, "https://") {
		cmd := exec.CommandContext(ctx, "sh", "-c", a.to)
		cmd.Stdin, cmd.WaitDelay = bytes.NewReader(body), time.Second
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("alert command: %w: %s", err, bytes.TrimSpace(out))
		}
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.to, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("webhook: it answered %s", resp.Status)
	}
	return nil
}
