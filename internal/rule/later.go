package rule

import "github.com/jina/hub-publish/internal/finding"

// The rules below are checked by the parts of a run that come after the files: the build and the publication.
var (
	// BuildFailed points at the instruction that failed.
	BuildFailed = &Rule{
		ID:       "build/failed",
		Severity: finding.Error,
		About:    "The image builds.",
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
