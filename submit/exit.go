package submit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	statusDone        = 0
	statusFailed      = 1
	statusUsage       = 2
	statusPart        = 3
	statusInterrupted = 130
)

// UsageError is a mistake in how the program was called.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UsageError) Unwrap() error { return e.Err }

// ErrPart says that some URLs were refused, each with its reason on standard error, and the others went on.
var ErrPart = errors.New("some URLs were refused")

// ErrInterrupted says that the work was interrupted, with everything kept.
var ErrInterrupted = errors.New("interrupted")

// Exit runs cmd and returns the status to exit with. An error is one line on standard error: what, on what, and what to do.
func Exit(ctx context.Context, cmd *cobra.Command) int {
	err := cmd.ExecuteContext(ctx)
	status := statusOf(err)
	if err != nil && !errors.Is(err, ErrPart) && !errors.Is(err, ErrInterrupted) {
		fmt.Fprintf(os.Stderr, "%s: %s\n", cmd.Name(), strings.Join(strings.Fields(strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")), " "))
	}
	return status
}

func statusOf(err error) int {
	switch usage := (*UsageError)(nil); {
	case err == nil:
		return statusDone
	case errors.As(err, &usage), strings.HasPrefix(err.Error(), "unknown command"): // cobra has no type for it
		return statusUsage
	case errors.Is(err, ErrPart):
		return statusPart
	case errors.Is(err, ErrInterrupted):
		return statusInterrupted
	}
	return statusFailed
}

// Args turns cobra's complaint about arguments into a UsageError.
func Args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return &UsageError{Err: fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())}
		}
		return nil
	}
}

// FlagError turns cobra's complaint about a flag into a UsageError.
func FlagError(cmd *cobra.Command, err error) error {
	return &UsageError{Err: fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())}
}
