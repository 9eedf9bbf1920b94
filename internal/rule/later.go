package rule

import (
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/ignore"
	"github.com/jina/hub-publish/internal/usage"
)

// ignoreDirective is checked with each bundle's findings, once all are there.
var ignoreDirective = &Rule{ID: ignore.ID, Severity: ignore.Severity, About: ignore.About}

// The rules below are checked by the parts of a run that come after the files: the build, the usage tests and the publication.
var (
	// BuildFailed points at the instruction that failed.
	BuildFailed = &Rule{
		ID:       "build/failed",
		Severity: finding.Error,
		About:    "The image builds.",
	}
	// ImageEntrypoint points at the Dockerfile's last FROM.
	ImageEntrypoint = &Rule{
		ID:       "image/entrypoint",
		Severity: finding.Error,
		About:    "The built image has an entry point or a command.",
	}
	// UsageRun and its like point at the instruction that says what the image runs.
	UsageRun = &Rule{
		ID:       "usage/run",
		Severity: finding.Error,
		About:    "The image starts as `docker run IMAGE` starts it, becomes ready, and stops.",
	}
	UsageCLI = &Rule{
		ID:       "usage/cli",
		Severity: finding.Error,
		About:    "The image works as `jina pod --uses docker://IMAGE` uses it.",
	}
	UsageFlow = &Rule{
		ID:       "usage/flow",
		Severity: finding.Error,
		About:    "The image works as `Flow().add(uses='docker://IMAGE')` uses it.",
	}
	UsageOwn = &Rule{
		ID:       "usage/own",
		Severity: finding.Error,
		About:    "The image passes the usage tests that its hub and its bundle have added.",
	}
	// VersionPublished points at the manifest's version.
	VersionPublished = &Rule{
		ID:       "version/published",
		Severity: finding.Error,
		About:    "A pull request's version is not in the registry yet, made from other files.",
	}
	// PublishApproval points at the manifest's version.
	PublishApproval = &Rule{
		ID:       "publish/approval",
		Severity: finding.Error,
		About:    "The pull request that brought the bundle was approved as often as `required-approvals` asks.",
	}
	// PublishExists points at the manifest's version.
	PublishExists = &Rule{
		ID:       "publish/exists",
		Severity: finding.Error,
		About:    "A version that is in the registry was made from the bundle as it is now; it is never overwritten.",
	}
	// PublishFailed points at the manifest's version.
	PublishFailed = &Rule{
		ID:       "publish/failed",
		Severity: finding.Error,
		About:    "The registry accepts the image and its tags.",
	}
)

// Usage is the rule that a usage test of this name stands for.
func Usage(test string) *Rule {
	switch test {
	case usage.Run:
		return UsageRun
	case usage.CLI:
		return UsageCLI
	case usage.Flow:
		return UsageFlow
	}
	return UsageOwn
}
