package iamapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/iamapi/wire"
	"github.com/cordon-iot/cordon/internal/identity"
)

// accessStore is what the operations on last-accessed details need.
type accessStore interface {
	// CreateAccessJob stores a job, or is a Limit fault.
	CreateAccessJob(ctx context.Context, j identity.AccessJob) error
	// AccessJob returns a job of an account, or a NotFound fault.
	AccessJob(ctx context.Context, account, id string) (identity.AccessJob, error)
	// AccessReport returns what is known of a role, with a page of the services by
	// namespace, or nil where nothing is known.
	AccessReport(ctx context.Context, account, role, after string, limit int) (*identity.AccessReport, error)
}

func (a *API) lastAccessedOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.GenerateServiceLastAccessedDetails, a.generateServiceLastAccessedDetails),
		awswire.Op(wire.GetServiceLastAccessedDetails, a.getServiceLastAccessedDetails),
	}
}

// lastAccessedAccess is what those operations need: the report of one entity is
// asked about that entity, and a job on every resource.
func lastAccessedAccess() map[string]awswire.Access {
	return map[string]awswire.Access{
		"GenerateServiceLastAccessedDetails": awswire.On(
			func(_ context.Context, in *wire.GenerateServiceLastAccessedDetailsRequest) []awswire.Need {
				return []awswire.Need{{Action: "iam:GenerateServiceLastAccessedDetails", Resource: opt.Value(in.ARN)}}
			}),
	}
}

const (
	serviceLevel = "SERVICE_LEVEL"
	actionLevel  = "ACTION_LEVEL"
)

// generateServiceLastAccessedDetails begins a job, which is done at once. Reports
// are of roles and of services: others are refused.
func (a *API) generateServiceLastAccessedDetails(ctx context.Context,
	in *wire.GenerateServiceLastAccessedDetailsRequest,
) (*wire.GenerateServiceLastAccessedDetailsResponse, error) {
	arn := *in.ARN
	e, ok := identity.ParseARN(arn)
	switch {
	case opt.Value(in.Granularity) == actionLevel:
		return nil, fault.New(fault.Unsupported, "the granularity %s is not supported: there are reports of services only",
			actionLevel)
	case !ok:
		return nil, invalidInput("%.256q is not the ARN of a user, group, role or policy", arn)
	case e.Kind != string(identity.OwnerRole):
		return nil, fault.New(fault.Unsupported, "there are reports of roles only, and %s is none", arn)
	}
	role, err := a.Store.Role(ctx, account(ctx), e.Name)
	if err != nil {
		return nil, err
	}
	if role.ARN() != arn {
		return nil, fault.New(fault.NotFound, "The role with ARN %s cannot be found.", arn)
	}
	job := identity.NewAccessJob(account(ctx), arn, a.Now())
	if err := a.Store.CreateAccessJob(ctx, job); err != nil {
		return nil, err
	}
	return &wire.GenerateServiceLastAccessedDetailsResponse{JobID: &job.ID}, nil
}

// getServiceLastAccessedDetails answers from the report that was imported for
// the role. Its completion is when AWS made that report, for later use is not
// known. Without one the job has failed, and says so: a list without dates would
// claim that the role has used nothing.
func (a *API) getServiceLastAccessedDetails(ctx context.Context, in *wire.GetServiceLastAccessedDetailsRequest) (
	*wire.GetServiceLastAccessedDetailsResponse, error,
) {
	job, err := a.Store.AccessJob(ctx, account(ctx), *in.JobID)
	if err != nil {
		return nil, err
	}
	p := paging{"GetServiceLastAccessedDetails " + job.ID, in.Marker, in.MaxItems}
	after := ""
	if err := a.Pages.Open(ctx, p.operation, p.marker, &after); err != nil {
		return nil, err
	}
	report, err := a.Store.AccessReport(ctx, job.Account, job.RoleARN, after, p.size()+1)
	if err != nil {
		return nil, err
	}
	out := &wire.GetServiceLastAccessedDetailsResponse{
		JobType: new(serviceLevel), JobCreationDate: &job.Created, ServicesLastAccessed: []wire.ServiceLastAccessed{},
	}
	if report == nil {
		out.JobStatus, out.JobCompletionDate, out.IsTruncated = new("FAILED"), &job.Created, new(false)
		out.Error = &wire.ErrorDetails{
			Code: new("NoLastAccessedData"), Message: new("Nothing is known of the services that " + job.RoleARN +
				" has used. A report of AWS can be imported: cordon import last-accessed."),
		}
		return out, nil
	}
	services, more := awswire.CutPage(report.Services, p.size())
	for i := range services {
		out.ServicesLastAccessed = append(out.ServicesLastAccessed, serviceOut(&services[i]))
		after = services[i].Namespace
	}
	end, err := a.end(ctx, p, more, after)
	out.JobStatus, out.JobCompletionDate = new("COMPLETED"), &report.Reported
	out.IsTruncated, out.Marker = end.more, end.marker
	return out, err
}

func serviceOut(s *identity.ServiceAccess) wire.ServiceLastAccessed {
	out := wire.ServiceLastAccessed{
		ServiceName: &s.Name, ServiceNamespace: &s.Namespace, TotalAuthenticatedEntities: &s.Entities,
	}
	if s.Name == "" {
		out.ServiceName = &s.Namespace
	}
	if s.Last.IsZero() {
		return out
	}
	out.LastAuthenticated = &s.Last
	if s.Entity != "" {
		out.LastAuthenticatedEntity = &s.Entity
	}
	if s.Region != "" {
		out.LastAuthenticatedRegion = &s.Region
	}
	return out
}
