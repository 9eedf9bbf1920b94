package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// scenario is a hub of bundles to build, two at a time.
type scenario struct {
	name       string
	bundles    int
	dockerfile string
	dir        string
}

// sizes say how much a scenario's instructions write.
type sizes struct {
	files   int   // by the RUN of "files"
	bundles int   // of "ten"
	large   int64 // bytes, by the RUN of "large"
}

var full = sizes{files: 2000, bundles: 10, large: 1 << 30}

// parallel is how many of a scenario's bundles are built at a time.
const parallel = 2

// copied is how many files a bundle has beside the two that make it one, and copiedSize is the size of each, in bytes.
const (
	copied     = 40
	copiedSize = 2700
)

// write is a command that writes so many small files to a new directory.
func write(dir string, files int) string {
	return fmt.Sprintf(`mkdir -p %s && i=0 && while [ $i -lt %d ]; do echo "file $i" > %[1]s/$i; i=$((i+1)); done`, dir, files)
}

func allScenarios(base string, s sizes) []scenario {
	return []scenario{
		{name: "files", bundles: 1, dockerfile: lines(
			"FROM "+base,
			"COPY . /workspace",
			"RUN "+write("/data", s.files),
			"RUN echo changed > /data/1 && echo changed > /data/2 && rm /data/3",
		)},
		{name: "tested", bundles: 1, dockerfile: lines(
			"FROM "+base+" AS test",
			"COPY . /workspace",
			"RUN "+write("/workspace/__pycache__", s.files/10)+" && echo passed > /report.xml",
			"FROM "+base,
			"COPY --from=test /report.xml /report.xml",
			"COPY . /workspace",
			"RUN "+write("/usr/lib/python3/dist-packages/encoder", s.files/4),
			`ENTRYPOINT ["jina", "pod"]`,
		)},
		{name: "ten", bundles: s.bundles, dockerfile: lines(
			"FROM "+base,
			"COPY . /workspace",
			"RUN "+write("/data", s.files/10),
		)},
		{name: "large", bundles: 1, dockerfile: lines(
			"FROM "+base,
			fmt.Sprintf("RUN head -c %d /dev/urandom > /large", s.large),
		)},
	}
}

func lines(text ...string) string { return strings.Join(text, "\n") + "\n" }

// bundle is the directory of one of the bundles, in the hub's.
func (c scenario) bundle(i int) string { return fmt.Sprintf("executors/encoders/BenchEncoder%d", i) }

// lay writes the hub, and commits it.
func (c *scenario) lay(ctx context.Context, dir string) error {
	c.dir = filepath.Join(dir, c.name)
	for i := range c.bundles {
		files := map[string]string{
			"Dockerfile": c.dockerfile,
			"manifest.yml": lines("manifest_version: 1", fmt.Sprintf("name: BenchEncoder%d", i), "kind: encoder", "type: pod",
				"description: encodes nothing", "version: 0.0.1", "license: apache-2.0", "keywords: [bench]"),
		}
		for n := range copied {
			line := fmt.Sprintf("# file %d of bundle %d\n", n, i)
			files[fmt.Sprintf("module%d.py", n)] = strings.Repeat(line, copiedSize/len(line))
		}
		bundle := filepath.Join(c.dir, c.bundle(i))
		if err := os.MkdirAll(bundle, 0o755); err != nil {
			return err
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(bundle, name), []byte(text), 0o644); err != nil {
				return err
			}
		}
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=main"}, {"add", "--all"},
		{"-c", "user.name=bench", "-c", "user.email=bench@example.org", "commit", "--quiet", "--message=feat: add encoders"},
	} {
		git := exec.CommandContext(ctx, "git", append([]string{"-C", c.dir}, args...)...)
		if output, err := git.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", git, err, output)
		}
	}
	return nil
}
