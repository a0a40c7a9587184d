package lab

import (
	"net/http"
	"sync"
	"time"
)

const (
	lineTick = 10 * time.Millisecond  // how long the line sends for one connection before it is another's turn
	dripTick = 100 * time.Millisecond // between two pieces of a dripping body, where a piece is more than a byte
	mostSent = 16 << 10               // bytes of a piece
	catchUp  = 50 * time.Millisecond  // of being late, which timers always are, is made up for
)

// pace lets so many bytes a second go, to whoever asks in the order of asking. A connection asks for one piece at a time, so
// that all who send at once get the same.
type pace struct {
	rate  int64
	piece int

	mu   sync.Mutex
	free time.Time // when all that was promised so far is through
}

// newPace returns nil, which holds nobody up, for the rate 0.
func newPace(rate int64, tick time.Duration) *pace {
	if rate == 0 {
		return nil
	}
	return &pace{rate: rate, piece: int(min(max(1, rate/int64(time.Second/tick)), mostSent))}
}

// promise returns after how long n more bytes are through.
func (p *pace) promise(n int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.free.IsZero() {
		p.free = now
	}
	if due := now.Add(-catchUp); p.free.Before(due) {
		p.free = due
	}
	p.free = p.free.Add(time.Duration(float64(n) / float64(p.rate) * float64(time.Second)))
	return p.free.Sub(now)
}

// sender sends the answer of a host: at once, unless the line is full or the host drips. What is set is looked up for each
// piece, so that it holds for answers that are under way, too.
type sender struct {
	http.ResponseWriter
	w    *Web
	r    *http.Request
	host int

	under *plights // what drip was worked out from
	drip  *pace    // of this answer alone; nil: none
}

// Unwrap lets http.ResponseController through.
func (s *sender) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// WriteHeader has the header take its time on the line, too; hosts drip their bodies alone.
func (s *sender) WriteHeader(status int) {
	for left := headerSize(s.Header()); left > 0; {
		n, _, err := s.turn(left, false)
		if err != nil {
			break // the asker is gone, which the first write of a body tells
		}
		left -= n
	}
	s.ResponseWriter.WriteHeader(status)
}

// Write fails when the asker is gone, even where it would have to wait.
func (s *sender) Write(b []byte) (int, error) {
	for sent := 0; ; {
		n, slow, err := s.turn(len(b)-sent, true)
		if err != nil {
			return sent, err
		}
		n, err = s.ResponseWriter.Write(b[sent : sent+n])
		sent += n
		if err == nil && slow {
			err = http.NewResponseController(s.ResponseWriter).Flush()
		}
		if err != nil || sent == len(b) {
			return sent, err
		}
	}
}

// turn waits until some of the bytes that are left may go, and tells how many. It is slow where they had to wait.
func (s *sender) turn(left int, body bool) (n int, slow bool, err error) {
	for {
		now := s.w.trouble.Load()
		if now == nil {
			return left, false, nil
		}
		if now != s.under {
			s.under, s.drip = now, newPace(now.hosts[s.host].drip, dripTick)
		}
		n, slow = left, false
		paces := [2]*pace{s.drip, now.line}
		if !body {
			paces[0] = nil
		}
		for _, p := range paces {
			if p != nil {
				n, slow = min(n, p.piece), true
			}
		}
		changed := false
		for _, p := range paces {
			if p != nil && !changed && err == nil {
				changed, err = s.pause(p.promise(n), now.over)
			}
		}
		if !changed {
			return n, slow, err
		}
	}
}

// pause lets time pass; it is cut short by other trouble, and fails when the asker is gone.
func (s *sender) pause(d time.Duration, over <-chan struct{}) (changed bool, err error) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false, nil
	case <-over:
		return true, nil
	case <-s.r.Context().Done():
		return false, s.r.Context().Err()
	}
}

// headerSize is about how many bytes a header takes, with what net/http adds.
func headerSize(h http.Header) int {
	const added = len("HTTP/1.1 200 OK\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\n\r\n")
	n := added
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(v) + len(": \r\n")
		}
	}
	return n
}
