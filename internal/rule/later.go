package rule

import (
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/ignore"
)

// ignoreDirective is checked with each bundle's findings, once all are there.
var ignoreDirective = &Rule{ID: ignore.ID, Severity: ignore.Severity, About: ignore.About}

// The rules below are checked by the parts of a run that come after the files: the build and the publication.
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
	// VersionPublished points at the manifest's version.
	VersionPublished = &Rule{
		ID:       "version/published",
		Severity: finding.Error,
		About:    "A pull request's version is not in the registry yet, made from other files.",
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
