// Package iamapi is the front door of AWS IAM: users with their access keys,
// roles, managed and inline policies, one file a resource.
//
// Identities belong to an account alone, whatever region signed the call. The
// rules are those of package identity; what each operation needs is in the table
// of access, and the pipeline decides.
package iamapi

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/iamapi/wire"
	"github.com/cordon-iot/cordon/internal/identity"
)

// Store is what the operations need of the database, in parts that stand beside
// the operations which use them.
type Store interface {
	roleStore
	userStore
	keyStore
	policyStore
	versionStore
	inlineStore
	attachmentStore
	accessStore
	detailStore
}

// Config is what the API is made of. All members must be given.
type Config struct {
	Store Store
	Keys  Keys
	Pages awswire.Pages
	Now   func() time.Time

	Simulator Simulator
}

// API answers the operations of AWS IAM.
type API struct{ Config }

// New returns the API as a service of an endpoint.
func New(cfg Config) awswire.Service {
	a := &API{cfg}
	s := wire.Service(a.operations())
	s.Access = a.access()
	return s
}

// operations are the ones that are served, with the members that they do not
// honour. Each list stands beside its operations.
func (a *API) operations() []awswire.Served {
	return slices.Concat(
		a.roleOperations(),
		a.roleTagOperations(),
		a.userOperations(),
		a.keyOperations(),
		a.policyOperations(),
		a.versionOperations(),
		a.inlineOperations(),
		a.attachmentOperations(),
		a.lastAccessedOperations(),
		a.detailOperations(),
		a.simulateOperations(),
	)
}

// account is the account that a call is for.
func account(ctx context.Context) string { return awswire.CallerFrom(ctx).Account }

// invalidInput is a rule that the form of a request does not show.
func invalidInput(format string, args ...any) error {
	return fault.New(fault.Invalid, format, args...).Called("InvalidInput")
}

// tagged reads the tags of something new.
func tagged(list []wire.Tag) (map[string]string, error) {
	tags, err := identity.Tags(given(list))
	return tags, tagFault(err)
}

// given are the tags of a request.
func given(list []wire.Tag) []identity.Tag {
	tags := make([]identity.Tag, len(list))
	for i, t := range list {
		tags[i] = identity.Tag{Key: opt.Value(t.Key), Value: opt.Value(t.Value)}
	}
	return tags
}

// tagFault calls a refusal of tags by the name that IAM has for it.
func tagFault(err error) error {
	if f := fault.From(err); f != nil && f.Code == fault.Invalid {
		return f.Called("InvalidInput")
	}
	return err
}

// tagsOf is the wire form of tags, by key.
func tagsOf(tags map[string]string) (list []wire.Tag) {
	for _, key := range sortedKeys(tags) {
		list = append(list, wire.Tag{Key: new(key), Value: new(tags[key])})
	}
	return list
}

// boundaryOf is the wire form of a permissions boundary that may be missing.
func boundaryOf(arn string) *wire.AttachedPermissionsBoundary {
	if arn == "" {
		return nil
	}
	return &wire.AttachedPermissionsBoundary{
		PermissionsBoundaryType: new("PermissionsBoundaryPolicy"), PermissionsBoundaryARN: &arn,
	}
}

// encoded is the form in which IAM answers with documents: by RFC 3986, in which
// a space is %20.
func encoded(document string) *string {
	return new(strings.ReplaceAll(url.QueryEscape(document), "+", "%20"))
}

// pathOf is the path that something new gets.
func pathOf(given *string) string {
	if given == nil {
		return "/"
	}
	return *given
}
