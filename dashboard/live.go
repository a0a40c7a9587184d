package dashboard

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"example.org/trawl/events"
)

// How often a page that is looked at is brought up to date, and how many events wait for a client that is slow before it loses some.
const (
	liveEvery   = 2 * time.Second
	clientQueue = 1000
)

// stream answers with server-sent events until the client goes or the server ends.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, send func(context.Context, func(event string, data []byte) error) error) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.streams, cancel)()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy is not to hold it back
	out := http.NewResponseController(w)
	_, _ = fmt.Fprint(w, "retry: 2000\n\n")
	_ = out.Flush()
	err := send(ctx, func(event string, data []byte) error {
		if event != "" {
			fmt.Fprintf(w, "event: %s\n", event)
		}
		fmt.Fprintf(w, "data: %s\n\n", data)
		return out.Flush()
	})
	if err != nil && ctx.Err() == nil {
		s.o.Log.DebugContext(ctx, "stream", "path", r.URL.Path, "err", err)
	}
}

// live tells a page when to bring itself up to date.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	s.stream(w, r, func(ctx context.Context, send func(string, []byte) error) error {
		t := time.NewTicker(liveEvery)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case now := <-t.C:
				if err := send("tick", now.UTC().AppendFormat(nil, time.RFC3339)); err != nil {
					return err
				}
			}
		}
	})
}

// apiEvents is the event feed from now on, each event as it stands in the stream; ?crawl=, ?host=, ?stage= and ?event= choose.
func (s *Server) apiEvents(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	s.stream(w, r, func(ctx context.Context, send func(string, []byte) error) error {
		in := s.feed.join(s.streams, s)
		defer s.feed.leave(in)
		for {
			select {
			case <-ctx.Done():
				return nil
			case e := <-in:
				if chosen(q.Get("crawl"), e.Crawl) && chosen(q.Get("host"), e.Host) && chosen(q.Get("stage"), string(e.Stage)) && chosen(q.Get("event"), string(e.What)) {
					data, err := json.Marshal(e.Map())
					if err == nil {
						err = send("", data)
					}
					if err != nil {
						return err
					}
				}
			}
		}
	})
}

func chosen(want, got string) bool { return want == "" || want == got }

// feed follows the event feed once for all clients, while there are any.
type feed struct {
	mu      sync.Mutex
	clients map[chan events.Event]bool
	stop    context.CancelFunc
	done    sync.WaitGroup
}

func (f *feed) join(ctx context.Context, s *Server) chan events.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	in := make(chan events.Event, clientQueue)
	if f.clients == nil {
		f.clients = map[chan events.Event]bool{}
	}
	f.clients[in] = true
	if len(f.clients) == 1 {
		var follow context.Context
		follow, f.stop = context.WithCancel(ctx)
		f.done.Go(func() { f.follow(follow, s) })
	}
	return in
}

func (f *feed) leave(in chan events.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if delete(f.clients, in); len(f.clients) == 0 {
		f.stop()
	}
}

// follow hands on what comes until ctx is done, also after an outage of Redis.
func (f *feed) follow(ctx context.Context, s *Server) {
	for ctx.Err() == nil {
		err := events.Follow(ctx, s.o.Redis, "$", func(e events.Event) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			for in := range f.clients {
				select {
				case in <- e:
				default: // it is too slow
				}
			}
			return nil
		})
		if err == nil || ctx.Err() != nil {
			return
		}
		s.o.Log.WarnContext(ctx, "event feed", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}
