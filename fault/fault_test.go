package fault_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.org/trawl/fault"
)

// declared reads the kinds from the source: a kind that somebody adds without a rule must not pass.
func declared(t *testing.T) (kinds []fault.Kind) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "fault.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if id, typed := (*ast.Ident)(nil), false; ok {
			if id, typed = v.Type.(*ast.Ident); typed && id.Name == "Kind" {
				s, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				kinds = append(kinds, fault.Kind(s))
			}
		}
		return true
	})
	return kinds
}

func TestEveryKindHasOneRule(t *testing.T) {
	kinds := declared(t)
	if len(kinds) < 10 {
		t.Fatalf("only %d kinds were found in the source", len(kinds))
	}
	var ruled []fault.Kind
	for _, r := range fault.Rules() {
		ruled = append(ruled, r.Kind)
		if r.Means == "" || r.Blame == "" {
			t.Errorf("%s: who is to blame (%q), and what does it mean (%q)?", r.Kind, r.Blame, r.Means)
		}
		if r.Retries < fault.Forever || r.After > r.AtMost {
			t.Errorf("%s: %d retries, after %s and at most %s", r.Kind, r.Retries, r.After, r.AtMost)
		}
	}
	slices.Sort(kinds)
	slices.Sort(ruled)
	if !slices.Equal(kinds, ruled) {
		t.Errorf("kinds %q, rules for %q", kinds, ruled)
	}
	if r := fault.Of("never heard of"); r.Kind != fault.Internal {
		t.Errorf("an unknown kind has the rule of %s", r.Kind)
	}
}

func TestWaitGrowsToItsBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.SampledFrom(fault.Rules()).Draw(t, "rule")
		n := rapid.IntRange(1, 200).Draw(t, "n")
		a, b := r.Wait(n), r.Wait(n+1)
		if a > b || a < r.After || b > r.AtMost {
			t.Fatalf("%s: retry %d waits %s, the next %s; bounds %s and %s", r.Kind, n, a, b, r.After, r.AtMost)
		}
		if r.Wait(1) != r.After || r.Wait(64) != r.AtMost && r.After > 0 {
			t.Fatalf("%s: from %s to %s", r.Kind, r.Wait(1), r.Wait(64))
		}
	})
}

func TestTriesAreUsedUpOnce(t *testing.T) {
	for _, r := range fault.Rules() {
		for failed := range 20 {
			ctx := fault.WithTries(t.Context(), failed)
			want := r.Retries != fault.Forever && failed+1 > r.Retries
			if got := r.GivesUp(failed + 1); got != want {
				t.Errorf("%s gives up after %d failures: %v", r.Kind, failed+1, got)
			}
			if got := fault.LastTry(ctx, r.Kind); got != want {
				t.Errorf("%s: with %d failures behind it, the last try: %v", r.Kind, failed, got)
			}
		}
	}
}

func TestKindOf(t *testing.T) {
	base := errors.New("cause")
	full := &fault.Error{Kind: fault.StoreDown, Err: fmt.Errorf("write: %w", syscall.ENOSPC)}
	for _, c := range []struct {
		err  error
		want fault.Kind
	}{
		{base, fault.Internal},
		{fault.New(fault.TLS, base), fault.TLS},
		{fmt.Errorf("about it: %w", fault.New(fault.TLS, base)), fault.TLS},
		{fault.New(fault.Refused, fault.New(fault.TLS, base)), fault.TLS}, // nearest to the cause
		{context.Canceled, fault.Stopped},
		{context.DeadlineExceeded, fault.Internal}, // whose deadline, its owner says
		{syscall.ENOSPC, fault.DiskFull},
		{syscall.EDQUOT, fault.DiskFull},
		{full, fault.DiskFull}, // what people can do about it goes before where it was met
	} {
		if got := fault.KindOf(c.err); got != c.want {
			t.Errorf("%v is %s, want %s", c.err, got, c.want)
		}
	}
	if fault.New(fault.TLS, nil) != nil {
		t.Error("no error became one")
	}
	err := fmt.Errorf("x: %w", &fault.Error{Kind: fault.PushedBack, Err: base, RetryAfter: time.Minute})
	if fault.RetryAfter(err) != time.Minute || fault.RetryAfter(base) != 0 {
		t.Error("RetryAfter is lost or made up")
	}
	if !errors.Is(err, base) {
		t.Error("the cause is lost")
	}
}
