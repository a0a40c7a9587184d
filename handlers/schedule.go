package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/tasks"
)

// scheduleLease is how long a submission that is due is left to whoever took it up.
const scheduleLease = time.Minute

// Schedule submits again what is due. However many processes are told so, each submission is made once; what was missed while none
// ran is made once, and not as often as it was missed.
func (c *Crawler) Schedule(ctx context.Context, _ tasks.Schedule) (tasks.Result, error) {
	all, err := c.Catalog.Schedules(ctx, time.Now())
	if err != nil {
		return tasks.Result{}, fmt.Errorf("schedules: %w", err)
	}
	res := tasks.Done()
	var errs []error
	n := 0
	for _, s := range all {
		more, err := c.resubmit(ctx, s)
		if err != nil {
			errs = append(errs, fmt.Errorf("schedule %d: %w", s.ID, err))
			continue
		}
		n++
		res.Next, res.Admitted, res.Closed = append(res.Next, more.Next...), append(res.Admitted, more.Admitted...), append(res.Closed, more.Closed...)
	}
	if err := errors.Join(errs...); err != nil { // they come up again when their lease is over; the others must not
		c.Log.WarnContext(ctx, "submit again", "err", err)
	}
	return res.With(tasks.Fact{Reason: fmt.Sprintf("%d submitted again", n)}), nil
}

// resubmit makes the submission of s, and says when the next is due once it is made.
func (c *Crawler) resubmit(ctx context.Context, s catalog.Schedule) (tasks.Result, error) {
	now := time.Now()
	every, err := tasks.ParseEvery(s.Spec)
	if err != nil {
		return tasks.Result{}, err
	}
	lease := now.Add(scheduleLease).Truncate(time.Millisecond)
	if mine, err := c.Catalog.Tick(ctx, s, now, lease); err != nil || !mine {
		return tasks.Result{}, err
	}
	var t tasks.Admit
	if err := json.Unmarshal(s.Task, &t); err != nil {
		return tasks.Result{}, err
	}
	t.Batch = fmt.Sprintf("schedule-%d-%d", s.ID, s.Next.Unix())
	res, err := c.Admit(ctx, t)
	if err != nil {
		return tasks.Result{}, err
	}
	next := every.Next(s.Next, now)
	s.Next = lease
	_, err = c.Catalog.Tick(ctx, s, now, next)
	return res, err
}

// schedule keeps a submission that is to be made again and again.
func (c *Crawler) schedule(ctx context.Context, t tasks.Admit) error {
	every, err := tasks.ParseEvery(t.Every)
	if err != nil {
		return err
	}
	key := t.Batch
	t.Every, t.Again, t.Settings = "", true, nil // what the crawl is told later stays
	task, err := json.Marshal(t)
	if err != nil {
		return err
	}
	now := time.Now()
	return c.Catalog.AddSchedule(ctx, catalog.Schedule{Key: key, Spec: every.Spec, Next: every.Next(now, now), Task: task})
}
