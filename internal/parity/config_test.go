package parity

import (
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// TestConfig changes one property.
func TestConfig(t *testing.T) {
	t.Parallel()
	before := func(c *v1.ConfigFile) {
		c.OS, c.Architecture, c.Author = "linux", "amd64", "Ada"
		c.Config = v1.Config{
			Entrypoint: []string{"a", "b"}, Cmd: []string{"c"}, Env: []string{"A=1", "B=2"}, Labels: map[string]string{"l": "1"}, User: "u",
			WorkingDir: "/w", Volumes: map[string]struct{}{"/v": {}}, ExposedPorts: map[string]struct{}{"80/tcp": {}}, StopSignal: "SIGTERM",
			Healthcheck: &v1.HealthConfig{Test: []string{"NONE"}, Interval: time.Second}, Shell: []string{"/bin/sh", "-c"}, OnBuild: []string{"RUN x"},
		}
	}
	for difference, edit := range map[string]func(*v1.ConfigFile){
		`architecture is "arm64", want "amd64"`:                         func(c *v1.ConfigFile) { c.Architecture = "arm64" },
		`os is "windows", want "linux"`:                                 func(c *v1.ConfigFile) { c.OS = "windows" },
		`variant is "v8", want null`:                                    func(c *v1.ConfigFile) { c.Variant = "v8" },
		`author is null, want "Ada"`:                                    func(c *v1.ConfigFile) { c.Author = "" },
		`config.Entrypoint is ["a"], want ["a","b"]`:                    func(c *v1.ConfigFile) { c.Config.Entrypoint = []string{"a"} },
		`config.Cmd is null, want ["c"]`:                                func(c *v1.ConfigFile) { c.Config.Cmd = nil },
		`config.Env is ["B=2","A=1"], want ["A=1","B=2"]`:               func(c *v1.ConfigFile) { c.Config.Env = []string{"B=2", "A=1"} },
		`config.Labels is {"l":"2"}, want {"l":"1"}`:                    func(c *v1.ConfigFile) { c.Config.Labels = map[string]string{"l": "2"} },
		`config.User is "u:g", want "u"`:                                func(c *v1.ConfigFile) { c.Config.User = "u:g" },
		`config.WorkingDir is "/", want "/w"`:                           func(c *v1.ConfigFile) { c.Config.WorkingDir = "/" },
		`config.Volumes is {"/x":{}}, want {"/v":{}}`:                   func(c *v1.ConfigFile) { c.Config.Volumes = map[string]struct{}{"/x": {}} },
		`config.ExposedPorts is {"80/udp":{}}, want {"80/tcp":{}}`:      func(c *v1.ConfigFile) { c.Config.ExposedPorts = map[string]struct{}{"80/udp": {}} },
		`config.StopSignal is "9", want "SIGTERM"`:                      func(c *v1.ConfigFile) { c.Config.StopSignal = "9" },
		`config.Healthcheck is null, want {"Interval":1000000000,"Test`: func(c *v1.ConfigFile) { c.Config.Healthcheck = nil },
		`config.Shell is ["/bin/bash"], want ["/bin/sh","-c"]`:          func(c *v1.ConfigFile) { c.Config.Shell = []string{"/bin/bash"} },
		`config.OnBuild is ["RUN x","RUN y"], want ["RUN x"]`:           func(c *v1.ConfigFile) { c.Config.OnBuild = []string{"RUN x", "RUN y"} },
		`config.ArgsEscaped is true, want null`:                         func(c *v1.ConfigFile) { c.Config.ArgsEscaped = true },
		`history has 1 entries, want 0`:                                 func(c *v1.ConfigFile) { c.History = []v1.History{{EmptyLayer: true}} },
	} {
		t.Run(difference, func(t *testing.T) {
			t.Parallel()
			found, err := Compare(configured(t, before), configured(t, func(c *v1.ConfigFile) { before(c); edit(c) }))
			if err != nil {
				t.Fatal(err)
			}
			if len(found) != 1 || !strings.HasPrefix(found[0], "configuration: "+difference) {
				t.Errorf("found %q", found)
			}
		})
	}
}

// A property that is there but empty is the same as one that is left out, and a time is none of the image's users' concern.
func TestSameConfig(t *testing.T) {
	t.Parallel()
	hold(t, configured(t, func(*v1.ConfigFile) {}), configured(t, func(c *v1.ConfigFile) {
		c.Container = "abc"
		c.Created = v1.Time{Time: time.Unix(1e9, 0)}
		c.Config.Volumes, c.Config.Env = map[string]struct{}{}, []string{}
	}))
}

func TestParseConfig(t *testing.T) {
	t.Parallel()
	for raw, reason := range map[string]string{
		`{`:                                  "unexpected end",
		`{"config":[]}`:                      "expected an object",
		`{"history":[{},{}]}`:                "tells of 2 layers, but there are 1",
		`{"history":[{"empty_layer":true}]}`: "tells of 0 layers, but there are 1",
	} {
		if _, err := parseConfig([]byte(raw), 1); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: got %v, want an error with %q", raw, err, reason)
		}
	}
	c, err := parseConfig([]byte(`{"created":"2026-01-01T00:00:00Z","docker_version":"20.10","moby.buildkit.buildinfo.v1":"x","new":1,"config":{"Later":{"a":true}}}`), 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := asJSON(c.properties); got != `{"config.Later":{"a":true},"new":1}` {
		t.Errorf("properties are %s", got)
	}
}
