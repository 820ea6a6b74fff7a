// Package policy owns the AWS policy language as AWS IoT uses it: it reads
// documents strictly, compiles their patterns for matching, decides requests,
// and judges how much a document grants.
//
// Parse turns a document into a Document that needs no further checking.
// Pattern and Resource match actions and ARNs; Covers and Overlaps compare
// patterns with each other. NewCompiled makes a document ready for Decide,
// which says what some documents together make of a request. Analyze gives the
// verdicts that the two policy checks of an audit report, so that they can be
// stored beside a policy version when it is registered.
//
// Who holds which policies, and which values the keys of a request have, is
// not known here: see Values.
package policy
