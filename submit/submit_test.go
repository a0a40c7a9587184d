package submit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"github.com/spf13/pflag"

	"example.org/trawl/catalog"
	"example.org/trawl/internal/redistest"
	"example.org/trawl/queue"
	"example.org/trawl/submit"
	"example.org/trawl/tasks"
)

func TestFlagsSendOnlyWhatWasNamed(t *testing.T) {
	for _, c := range []struct {
		args string
		want string // the settings; "" for none
		err  string
	}{
		{"", "", ""},
		{"--depth 3 --crawl docs --submitter me --priority high", "", ""},
		{"--scope host", `{"scope":"host"}`, ""}, // the default, but named
		{"--delay 2s", `{"delay":2000000000,"per_host":1}`, ""},
		{"--delay 0", `{"delay":0,"per_host":16}`, ""},
		{"--delay 1.5", `{"delay":1500000000,"per_host":1}`, ""},
		{"--delay 0 --per-host 3", `{"delay":0,"per_host":3}`, ""},
		{"--per-host 3", `{"per_host":3}`, ""},
		{"--include a --exclude b --max-pages 7 --head never", `{"include":"a","exclude":"b","max_pages":7,"head":"never"}`, ""},
		{"--include=", `{"include":""}`, ""}, // takes it back
		{"--index off", `{"no_index":true}`, ""},
		{"--index on", `{"no_index":false}`, ""},
		{"--index maybe", "", "--index"},
		{"--scope town", "", "--scope"},
		{"--head x", "", "--head"},
		{"--include (", "", "--include"},
		{"--max-pages 0", "", "--max-pages"},
		{"--per-host 0", "", "--per-host"},
		{"--delay -1s", "", "--delay"},
		{"--delay soon", "", "--delay"},
		{"--depth -2", "", "--depth"},
		{"--priority urgent", "", "--priority"},
		{"--crawl a/b", "", "--crawl"},
		{"--crawl=", "", "--crawl"},
		{"--submitter=", "", "--submitter"},
	} {
		set := pflag.NewFlagSet("x", pflag.ContinueOnError)
		f := submit.NewFlags(set, 1)
		if err := set.Parse(strings.Fields(c.args)); err != nil {
			t.Fatal(c.args, err)
		}
		got, err := f.Admit([]string{"http://a.test/"})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want an error that names %s", c.args, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.args, err)
			continue
		}
		var have, want any
		if len(got.Settings) > 0 {
			_ = json.Unmarshal(got.Settings, &have)
		}
		if c.want != "" {
			_ = json.Unmarshal([]byte(c.want), &want)
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.args, diff)
		}
		if _, err := tasks.Defaults().Merge(got.Settings); err != nil {
			t.Errorf("%s: the crawl refuses it: %v", c.args, err)
		}
		if got.Origin != tasks.OriginSeed || len(got.URLs) != 1 || got.Batch == "" {
			t.Errorf("%s: %+v", c.args, got)
		}
		if c.args != "" && strings.Contains(c.args, "docs") && (got.Crawl != "docs" || got.Submitter != "me" || got.Reach != 3 || got.Priority != 1) {
			t.Errorf("%s: %+v", c.args, got)
		}
		if c.args == "" && got.Reach != 1 {
			t.Errorf("the command's own depth is 1, not %d", got.Reach)
		}
	}
}

func TestWithRecrawl(t *testing.T) {
	for named, want := range map[string]string{"": `{"recrawl":true}`, `{"delay":0}`: `{"delay":0,"recrawl":true}`} {
		if got, err := submit.WithRecrawl(json.RawMessage(named)); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", named, got, err)
		}
	}
}

func TestSort(t *testing.T) {
	good, refused := submit.Sort([]string{"http://A.test", "http://a.test/#x", "https://a.test/", "mailto:x@a.test", "http://user:secret@a.test/b", ""})
	if want := []string{"http://a.test/", "https://a.test/", "http://a.test/b"}; !cmp.Equal(good, want) {
		t.Errorf("good: %q, want %q", good, want)
	}
	var out bytes.Buffer
	submit.Tell(&out, refused)
	if len(refused) != 2 || strings.Count(out.String(), "refused: ") != 2 || !strings.Contains(out.String(), "mailto") {
		t.Errorf("refused: %+v, told as\n%s", refused, &out)
	}
}

func TestRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "urls")
	if err := os.WriteFile(file, []byte("\ufeffhttp://c.test/\r\n\n# a comment\n  http://d.test/  \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := submit.Read([]string{"http://a.test/", "-"}, strings.NewReader("http://b.test/\n#no\n"), file)
	if want := []string{"http://a.test/", "http://b.test/", "http://c.test/", "http://d.test/"}; err != nil || !cmp.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if _, err := submit.Read(nil, nil, filepath.Join(t.TempDir(), "nothing")); err == nil || !strings.Contains(err.Error(), "--file") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// publish says how many pages of the crawl are open, as workers do, until stop is called.
func publish(t *testing.T, rdb redis.UniversalClient, crawl string, open func() int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				_ = submit.Publish(ctx, rdb, []catalog.Tally{{Crawl: crawl, Counts: catalog.Counts{Queued: open(), Stored: 1}}}, 0, time.Now())
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

func TestWait(t *testing.T) {
	rdb, _ := redistest.Client(t)
	// Counts from before the wait say nothing: a crawl that was done an hour ago is not done with what was submitted now.
	if err := submit.Publish(t.Context(), rdb, []catalog.Tally{{Crawl: "c"}}, 0, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := queue.NewClient(rdb).Enqueue(t.Context(), tasks.Next{Task: tasks.Admit{Batch: "b", Crawl: "c"}}); err != nil {
		t.Fatal(err)
	}
	asked := make(chan int64)
	phase := make(chan struct{}, 1)
	polls := 0
	publish(t, rdb, "c", func() int64 {
		switch polls++; {
		case polls == 20: // the URL is admitted, and its page open
			rdb.FlushDB(context.Background())
			return 1
		case polls < 50:
			return 1
		case polls == 50:
			close(asked)
		}
		return 0
	})
	waited := make(chan error, 1)
	go func() { waited <- submit.Wait(t.Context(), rdb, "c"); phase <- struct{}{} }()
	select {
	case <-phase:
		t.Fatal("it did not wait for the page")
	case <-asked:
	}
	if err := <-waited; err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := submit.Wait(ctx, rdb, "never heard of"); !errors.Is(err, submit.ErrInterrupted) {
		t.Errorf("%v", err)
	}
}

func TestCommand(t *testing.T) {
	rdb, url := redistest.Client(t)
	run := func(redisURL string, args ...string) (string, error) {
		cmd := submit.Command(&redisURL)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		var out bytes.Buffer
		cmd.SetArgs(args)
		cmd.SetOut(&out)
		cmd.SetErr(&bytes.Buffer{})
		err := cmd.ExecuteContext(t.Context())
		return out.String(), err
	}
	usage := (*submit.UsageError)(nil)
	for _, args := range [][]string{{}, {"--at", "noon", "http://a.test"}, {"--at", "2027-01-31T08:00:00Z", "--in", "1h", "http://a.test"}, {"--in", "-1h", "http://a.test"}, {"--scope", "x", "http://a.test"}} {
		if _, err := run(url, args...); !errors.As(err, &usage) {
			t.Errorf("%q: %v, want a mistake in how it was called", args, err)
		}
	}
	if _, err := run("", "http://a.test/"); err == nil || !strings.Contains(err.Error(), "REDIS_URL") {
		t.Errorf("without a Redis: %v", err)
	}
	out, err := run(url, "--json", "http://a.test", "mailto:x")
	if !errors.Is(err, submit.ErrPart) {
		t.Errorf("one of two: %v", err)
	}
	var r submit.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Submitted != 1 || len(r.Refused) != 1 || r.Crawl != "default" || r.At != nil {
		t.Errorf("%s: %v", out, err)
	}
	if out, err = run(url, "--in", "1h", "http://b.test"); err != nil || !strings.Contains(out, "1 URL submitted") || !strings.Contains(out, "no worker is running") {
		t.Errorf("%s, %v", out, err)
	}
	ctx := t.Context()
	if now, later := rdb.LLen(ctx, "asynq:{admit}:pending").Val(), rdb.ZCard(ctx, "asynq:{admit}:scheduled").Val(); now != 1 || later != 1 {
		t.Errorf("%d tasks are pending and %d scheduled, want one each", now, later)
	}
}
