package iamapi

import (
	"context"
	"fmt"
	"strconv"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/iamapi/wire"
	"github.com/cordon-iot/cordon/internal/identity"
)

// versionStore is what the operations on versions of managed policies need. What
// is not there is NotFound.
type versionStore interface {
	// AddManagedVersion sets the number of the version. It is Limit when the
	// policy has too many.
	AddManagedVersion(ctx context.Context, account, arn string, v *identity.PolicyVersion) error
	// ManagedVersion and ManagedVersions find those of policies of AWS too, the
	// newest first.
	ManagedVersion(ctx context.Context, account, arn string, number int) (*identity.PolicyVersion, error)
	ManagedVersions(ctx context.Context, account, arn string) ([]identity.PolicyVersion, error)
	SetDefaultManagedVersion(ctx context.Context, account, arn string, number int) error
	// DeleteManagedVersion is DeleteConflict for the default.
	DeleteManagedVersion(ctx context.Context, account, arn string, number int) error
}

func (a *API) versionOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.CreatePolicyVersion, a.createPolicyVersion),
		awswire.Op(wire.GetPolicyVersion, a.getPolicyVersion),
		awswire.Op(wire.ListPolicyVersions, a.listPolicyVersions),
		awswire.Op(wire.SetDefaultPolicyVersion, a.setDefaultPolicyVersion),
		awswire.Op(wire.DeletePolicyVersion, a.deletePolicyVersion),
	}
}

func versionID(number int) *string { return new("v" + strconv.Itoa(number)) }

// versionNumber reads the id of a version; what is no number names none.
func versionNumber(arn, id string) (int, error) {
	n, err := strconv.Atoi(id[1:])
	if err != nil {
		return 0, fault.New(fault.NotFound, "Policy %s version %.64s does not exist or is not attachable.", arn, id)
	}
	return n, nil
}

// versionOf is the wire form of a version as one is told of.
func versionOf(v *identity.PolicyVersion) *wire.PolicyVersion {
	out := listedVersion(v)
	out.Document = encoded(v.Document)
	return out
}

// listedVersion leaves out what lists of IAM do not tell.
func listedVersion(v *identity.PolicyVersion) *wire.PolicyVersion {
	return &wire.PolicyVersion{VersionID: versionID(v.Number), IsDefaultVersion: &v.Default, CreateDate: &v.Created}
}

func (a *API) createPolicyVersion(ctx context.Context, in *wire.CreatePolicyVersionRequest) (
	*wire.CreatePolicyVersionResponse, error,
) {
	if err := needOwnPolicy(*in.PolicyARN); err != nil {
		return nil, err
	}
	if err := identity.CheckManagedDocument(*in.PolicyDocument); err != nil {
		return nil, err
	}
	v := &identity.PolicyVersion{Document: *in.PolicyDocument, Default: opt.Value(in.SetAsDefault), Created: a.Now()}
	if err := a.Store.AddManagedVersion(ctx, account(ctx), *in.PolicyARN, v); err != nil {
		return nil, err
	}
	return &wire.CreatePolicyVersionResponse{PolicyVersion: listedVersion(v)}, nil
}

func (a *API) getPolicyVersion(ctx context.Context, in *wire.GetPolicyVersionRequest) (
	*wire.GetPolicyVersionResponse, error,
) {
	if err := needPolicyARN(*in.PolicyARN); err != nil {
		return nil, err
	}
	n, err := versionNumber(*in.PolicyARN, *in.VersionID)
	if err != nil {
		return nil, err
	}
	v, err := a.Store.ManagedVersion(ctx, account(ctx), *in.PolicyARN, n)
	if err != nil {
		return nil, err
	}
	return &wire.GetPolicyVersionResponse{PolicyVersion: versionOf(v)}, nil
}

func (a *API) listPolicyVersions(ctx context.Context, in *wire.ListPolicyVersionsRequest) (
	*wire.ListPolicyVersionsResponse, error,
) {
	if err := needPolicyARN(*in.PolicyARN); err != nil {
		return nil, err
	}
	list, err := a.Store.ManagedVersions(ctx, account(ctx), *in.PolicyARN)
	if err != nil {
		return nil, err
	}
	list, end, err := few(ctx, a, paging{"ListPolicyVersions", in.Marker, in.MaxItems}, list,
		func(v identity.PolicyVersion) string { return fmt.Sprintf("%020d", uint64(1<<63)-uint64(v.Number)) })
	out := &wire.ListPolicyVersionsResponse{
		Versions: []wire.PolicyVersion{}, IsTruncated: end.more, Marker: end.marker,
	}
	for i := range list {
		out.Versions = append(out.Versions, *listedVersion(&list[i]))
	}
	return out, err
}

func (a *API) setDefaultPolicyVersion(ctx context.Context, in *wire.SetDefaultPolicyVersionRequest) (
	*wire.SetDefaultPolicyVersionResponse, error,
) {
	if err := needOwnPolicy(*in.PolicyARN); err != nil {
		return nil, err
	}
	n, err := versionNumber(*in.PolicyARN, *in.VersionID)
	if err != nil {
		return nil, err
	}
	return nil, a.Store.SetDefaultManagedVersion(ctx, account(ctx), *in.PolicyARN, n)
}

func (a *API) deletePolicyVersion(ctx context.Context, in *wire.DeletePolicyVersionRequest) (
	*wire.DeletePolicyVersionResponse, error,
) {
	if err := needOwnPolicy(*in.PolicyARN); err != nil {
		return nil, err
	}
	n, err := versionNumber(*in.PolicyARN, *in.VersionID)
	if err != nil {
		return nil, err
	}
	return nil, a.Store.DeleteManagedVersion(ctx, account(ctx), *in.PolicyARN, n)
}
