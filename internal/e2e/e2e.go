// Package e2e tests the built programs as their users run them: whole processes, a real redis-server, and a simulated web that
// knows what is right.
package e2e
