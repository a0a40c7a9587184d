package signals

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/redis/go-redis/v9"
)

// Stream is where the beats are, each as JSON in zstd; it holds as many as ten processes write in half an hour.
const (
	Stream       = "trawl:signals"
	streamLength = 3600
)

var (
	encoder, _ = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	decoder, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(4<<20))
)

// Write puts a beat into the stream.
func Write(ctx context.Context, rdb redis.UniversalClient, b Beat) error {
	text, err := json.Marshal(b)
	if err == nil {
		err = rdb.XAdd(ctx, &redis.XAddArgs{Stream: Stream, MaxLen: streamLength, Approx: true, Values: []any{"beat", encoder.EncodeAll(text, nil)}}).Err()
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", Stream, err)
	}
	return nil
}

// Read returns the beats since a moment, by Redis's clock, the oldest first.
func Read(ctx context.Context, rdb redis.UniversalClient, since time.Time) ([]Beat, error) {
	out, _, err := read(ctx, rdb, strconv.FormatInt(since.UnixMilli(), 10))
	return out, err
}

// read returns the beats from an entry on, and the ID of the last.
func read(ctx context.Context, rdb redis.UniversalClient, from string) (out []Beat, last string, err error) {
	got, err := rdb.XRange(ctx, Stream, from, "+").Result()
	if err != nil {
		return nil, "", fmt.Errorf("read %s: %w", Stream, err)
	}
	for _, m := range got {
		if b, ok := parse(m.Values); ok {
			out = append(out, b)
		}
		last = m.ID
	}
	return out, last, nil
}

// History keeps the last beats of all processes, so that who looks again and again reads only what is new. It is safe for
// concurrent use.
type History struct {
	rdb    redis.UniversalClient
	length time.Duration
	mu     sync.Mutex
	beats  []Beat
	last   string // entry
}

// NewHistory returns the history of that length.
func NewHistory(rdb redis.UniversalClient, length time.Duration) *History {
	return &History{rdb: rdb, length: length}
}

// Window returns the last minutes, and the beats in it that are new since it was called last.
func (h *History) Window(ctx context.Context) (w Window, news []Beat, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	from := strconv.FormatInt(now.Add(-h.length).UnixMilli(), 10)
	if h.last != "" {
		from = "(" + h.last
	}
	news, last, err := read(ctx, h.rdb, from)
	if err != nil {
		return w, nil, err
	}
	if last != "" {
		h.last = last
	}
	h.beats = slices.DeleteFunc(h.beats, func(b Beat) bool { return now.Sub(b.At) > h.length+Every })
	h.beats = append(h.beats, news...)
	return NewWindow(now, h.length, h.beats), news, nil
}

// parse reads an entry; what it does not understand, of another version, is passed over.
func parse(values map[string]any) (b Beat, ok bool) {
	s, _ := values["beat"].(string)
	text, err := decoder.DecodeAll([]byte(s), nil)
	if err == nil {
		err = json.Unmarshal(text, &b)
	}
	return b, err == nil
}
