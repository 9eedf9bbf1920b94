// Package faults holds the tests that disturb publications: at every request, in every way that registries and networks do,
// and by killing the program. They are under the build tag e2e and need a real registry; .ci/run starts one.
package faults
