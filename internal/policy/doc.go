// Package policy owns the AWS policy language as AWS IoT uses it: it reads
// documents strictly, compiles their patterns for matching, and judges how
// much a document grants.
//
// Parse turns a document into a Document that needs no further checking.
// Pattern and Resource match actions and ARNs; Covers and Overlaps compare
// patterns with each other. Analyze gives the verdicts that the two policy
// checks of an audit report, so that they can be stored beside a policy
// version when it is registered.
//
// The package does not decide requests: who holds which policies, what the
// variables of a request are and whether conditions hold is not known here.
package policy
