package sandbox

import (
	"fmt"
	"syscall"
)

// The exit statuses of a command that cannot be executed, as shells and container engines have them (POSIX, Shell
// Command Language, 2.8.2).
const (
	statusNotExecutable = 126
	statusNotFound      = 127
)

// signalled is added to a signal's number for the status of a process that the signal ended, as runc does.
const signalled = 128

// ExitError tells that a process ended badly, or could not be executed.
type ExitError struct {
	// Status is the exit status; 128 and the signal's number if a signal ended the process; 127 if there is no such
	// program, 126 if it cannot be executed.
	Status int
	// Signal is what ended the process, or 0.
	Signal syscall.Signal
	// Reason says why a program was not executed, in runc's words; otherwise empty.
	Reason string
}

func (e *ExitError) Error() string {
	switch {
	case e.Reason != "":
		return e.Reason
	case e.Signal != 0:
		return fmt.Sprintf("ended by signal %d (%s)", int(e.Signal), e.Signal)
	}
	return fmt.Sprintf("exit status %d", e.Status)
}

// setUpError is a step on the way into the root that failed.
func setUpError(step string, err error) error { return fmt.Errorf("sandbox: %s: %w", step, err) }
