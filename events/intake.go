package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"example.org/trawl/tasks"
	"example.org/trawl/weburl"
)

// The intake's consumer group, and its bounds.
const (
	intakeGroup    = "trawl"
	intakeBatch    = 500
	intakeIdle     = 30 * time.Second
	rejectedLength = 10_000
)

// Intake reads what other programs submit: XADD trawl:submit * url … [crawl … submitter … depth … priority …].
type Intake struct {
	rdb   redis.UniversalClient
	admit func(context.Context, tasks.Admit) error
	log   *slog.Logger
	name  string
	// MinIdle is after how long the entries of a consumer that took and did not acknowledge them are taken over; 30 s.
	MinIdle time.Duration
}

// NewIntake returns an intake. An entry is acknowledged when admit, which must return only after the URL is in the database,
// has returned nil.
func NewIntake(rdb redis.UniversalClient, admit func(context.Context, tasks.Admit) error, log *slog.Logger) *Intake {
	host, _ := os.Hostname()
	return &Intake{rdb: rdb, admit: admit, log: log, name: fmt.Sprintf("%s-%d-%s", host, os.Getpid(), tasks.NewID()[:4]), MinIdle: intakeIdle}
}

// Run reads until ctx is done. Trouble with Redis or the database is waited out.
func (in *Intake) Run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := in.round(ctx); err != nil && ctx.Err() == nil {
			in.log.WarnContext(ctx, "intake", "err", err)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
	}
}

// round takes over what dead consumers left and then reads what is new.
func (in *Intake) round(ctx context.Context) error {
	err := in.rdb.XGroupCreateMkStream(ctx, SubmitStream, intakeGroup, "0").Err()
	if err != nil && !strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return fmt.Errorf("group on %s: %w", SubmitStream, err)
	}
	left, _, err := in.rdb.XAutoClaim(ctx, &redis.XAutoClaimArgs{
		Stream: SubmitStream, Group: intakeGroup, Consumer: in.name, MinIdle: in.MinIdle, Start: "0", Count: intakeBatch,
	}).Result()
	if err != nil {
		return fmt.Errorf("claim from %s: %w", SubmitStream, err)
	}
	if err := in.take(ctx, left); err != nil {
		return err
	}
	got, err := in.rdb.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: intakeGroup, Consumer: in.name, Streams: []string{SubmitStream, ">"}, Count: intakeBatch, Block: time.Second,
	}).Result()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", SubmitStream, err)
	}
	for _, s := range got {
		if err := in.take(ctx, s.Messages); err != nil {
			return err
		}
	}
	return nil
}

// take admits entries, one batch for those that say the same of themselves, and then acknowledges them.
func (in *Intake) take(ctx context.Context, entries []redis.XMessage) error {
	type kind struct {
		crawl, submitter string
		depth, priority  int
	}
	urls, ids := map[kind][]string{}, map[kind][]string{}
	for _, m := range entries {
		s, err := parseSubmission(m.Values)
		if err != nil {
			if err := in.reject(ctx, m, err); err != nil {
				return err
			}
			continue
		}
		k := kind{s.Crawl, s.Submitter, s.Reach, s.Priority}
		urls[k], ids[k] = append(urls[k], s.URLs...), append(ids[k], m.ID)
	}
	for k, u := range urls {
		t := tasks.Admit{Batch: tasks.NewID(), Crawl: k.crawl, Submitter: k.submitter, Origin: tasks.OriginSeed, Reach: k.depth, Priority: k.priority, URLs: u}
		if err := in.admit(ctx, t); err != nil {
			return fmt.Errorf("admit from %s: %w", SubmitStream, err)
		}
		if err := in.ack(ctx, ids[k]...); err != nil {
			return err
		}
	}
	return nil
}

// ack acknowledges entries and removes them: what is in the database need not be in Redis.
func (in *Intake) ack(ctx context.Context, ids ...string) error {
	pipe := in.rdb.TxPipeline()
	pipe.XAck(ctx, SubmitStream, intakeGroup, ids...)
	pipe.XDel(ctx, SubmitStream, ids...)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("acknowledge on %s: %w", SubmitStream, err)
	}
	return nil
}

// reject keeps a bad entry, with the reason, where its sender can find it.
func (in *Intake) reject(ctx context.Context, m redis.XMessage, why error) error {
	values := map[string]any{"id": m.ID, "error": why.Error()}
	for k, v := range m.Values {
		if _, ours := values[k]; !ours {
			values[k] = v
		}
	}
	err := in.rdb.XAdd(ctx, &redis.XAddArgs{Stream: RejectedStream, MaxLen: rejectedLength, Approx: true, Values: values}).Err()
	if err != nil {
		return fmt.Errorf("reject to %s: %w", RejectedStream, err)
	}
	in.log.WarnContext(ctx, "entry rejected", "stream", SubmitStream, "entry", m.ID, "err", why)
	return in.ack(ctx, m.ID)
}

func parseSubmission(values map[string]any) (tasks.Admit, error) {
	s := func(name string) string { v, _ := values[name].(string); return v }
	t := tasks.Admit{Crawl: s("crawl"), Submitter: s("submitter")}
	if t.Crawl == "" {
		t.Crawl = "default"
	}
	if t.Submitter == "" {
		t.Submitter = "stream"
	}
	if err := t.Validate(); err != nil {
		return t, err
	}
	if s("url") == "" {
		return t, errors.New("no field url")
	}
	u, err := weburl.Canonical(s("url"))
	if err != nil {
		return t, err
	}
	t.URLs = []string{u}
	if d := s("depth"); d != "" {
		if t.Reach, err = strconv.Atoi(d); err != nil || t.Reach < tasks.NoLimit {
			return t, fmt.Errorf("depth %q: want a number, -1 for no limit", d)
		}
	}
	t.Priority, err = tasks.ParsePriority(s("priority"))
	return t, err
}
