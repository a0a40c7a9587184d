package submit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/redis/go-redis/v9"

	"example.org/trawl/catalog"
)

// QuotasKey is a hash in Redis in which the workers write, about once a second, the quotas of the submitters that have one, and
// how many pages those have waiting.
const QuotasKey = "trawl:quotas"

// PublishQuotas writes the quotas of those who have one, and takes away those that are no more.
func PublishQuotas(ctx context.Context, rdb redis.UniversalClient, all []catalog.Quota) error {
	pipe := rdb.TxPipeline()
	pipe.Del(ctx, QuotasKey)
	for _, q := range all {
		if q.Most == 0 && q.PerMinute == 0 {
			continue
		}
		b, err := json.Marshal(q)
		if err != nil {
			return err
		}
		pipe.HSet(ctx, QuotasKey, q.Submitter, b)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("publish quotas: %w", err)
	}
	return nil
}

// within splits urls into those that the submitter's quota lets in and the rest. A URL that is known already counts too: only the
// database could tell.
func within(ctx context.Context, rdb redis.UniversalClient, submitter string, urls []string) (good []string, over []Refused, err error) {
	raw, err := rdb.HGet(ctx, QuotasKey, submitter).Bytes()
	if errors.Is(err, redis.Nil) {
		return urls, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("quota: %w", err)
	}
	var q catalog.Quota
	if err := json.Unmarshal(raw, &q); err != nil {
		return nil, nil, fmt.Errorf("quota: %w", err)
	}
	room := int64(len(urls))
	if q.Most > 0 {
		room = min(room, max(q.Most-q.Waiting, 0))
	}
	for _, u := range urls[room:] {
		over = append(over, Refused{URL: u, Reason: fmt.Sprintf("%s is over the quota of %s, who has %s pages waiting and may have %s",
			u, submitter, humanize.Comma(q.Waiting), humanize.Comma(q.Most))})
	}
	return urls[:room], over, nil
}
