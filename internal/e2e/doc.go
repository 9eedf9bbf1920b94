// Package e2e holds the end-to-end tests: the action's image, run as GitHub's runner runs it, against
// a real registry and a real Docker engine. They are under the build tag e2e; .ci/run prepares what
// they need and hands it over in the environment.
package e2e
