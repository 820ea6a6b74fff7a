package audit

import "time"

// TaskQuery asks for a page of audits that began in a window, newest first.
type TaskQuery struct {
	From, To time.Time
	Type     TaskType   // "" for all
	Status   TaskStatus // "" for all
	Before   int64      // the Seq that the page is behind, 0 for the first page
	Limit    int
}

// FindingQuery asks for a page of findings, newest first: of one audit, or of
// all that were found in a window.
type FindingQuery struct {
	TaskID   string // "" for a window
	From, To time.Time
	Check    string // "" for all
	// Resource narrows to findings about one resource; its Key may be "".
	Resource   Resource
	Suppressed *bool           // nil for both
	Before     FindingPosition // the last finding of the page before, zero for the first
	Limit      int
}

// FindingPosition is where a finding stands among all, by time.
type FindingPosition struct {
	FindingRef
	Found time.Time
}
