package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

type importPoolRoles struct {
	Call connection `embed:""`
	File string     `arg:"" name:"file" help:"What \"aws cognito-identity get-identity-pool-roles\" printed."`
}

// Help returns what is written by hand.
func (*importPoolRoles) Help() string {
	return `Import which roles identity pools give, so that audits can judge them.

Usage: cordon import identity-pool-roles FILE [flags]

The file has what "aws cognito-identity get-identity-pool-roles" prints, for one
pool or for up to 1,000, one document behind the other. The pools must be of the
region. Those that are there get these roles and mappings in place of theirs,
the others are made. Everything is imported or, if anything cannot be
represented, nothing.

Examples:
  cordon import identity-pool-roles roles.json
  for p in $(aws cognito-identity list-identity-pools --max-results 60 \
      --query 'IdentityPools[].IdentityPoolId' --output text); do
    aws cognito-identity get-identity-pool-roles --identity-pool-id $p
  done >roles.json
` + accountKeyHelp
}

// poolRolesDocument is one document of get-identity-pool-roles.
type poolRolesDocument struct {
	IdentityPoolID string            `json:"IdentityPoolId"`
	Roles          map[string]string `json:"Roles"`
	RoleMappings   map[string]struct {
		Type                    string `json:"Type"`
		AmbiguousRoleResolution string `json:"AmbiguousRoleResolution"`
		RulesConfiguration      *struct {
			Rules []struct{ Claim, MatchType, Value, RoleARN string }
		} `json:"RulesConfiguration"`
	} `json:"RoleMappings"`
}

// call is the document as Cordon's call has it.
func (d *poolRolesDocument) call() map[string]any {
	mappings := map[string]any{}
	for provider, m := range d.RoleMappings {
		mapping := map[string]any{"type": m.Type}
		if m.AmbiguousRoleResolution != "" {
			mapping["ambiguousRoleResolution"] = m.AmbiguousRoleResolution
		}
		if m.RulesConfiguration != nil {
			rules := []map[string]string{}
			for _, r := range m.RulesConfiguration.Rules {
				rules = append(rules, map[string]string{
					"claim": r.Claim, "matchType": r.MatchType, "value": r.Value, "roleArn": r.RoleARN,
				})
			}
			mapping["rules"] = rules
		}
		mappings[provider] = mapping
	}
	out := map[string]any{"identityPoolId": d.IdentityPoolID}
	if d.Roles != nil {
		out["roles"] = d.Roles
	}
	if len(mappings) > 0 {
		out["roleMappings"] = mappings
	}
	return out
}

// Run imports the file.
func (c *importPoolRoles) Run(ctx context.Context, p *Process) error {
	var pools []any
	err := readDocuments(c.File, func(d *poolRolesDocument) error {
		pools = append(pools, d.call())
		return nil
	})
	if err != nil {
		return &usageError{err}
	}
	var out struct {
		Created int `json:"created"`
		Updated int `json:"updated"`
	}
	err = c.Call.do(ctx, p, request{
		doing: "import roles of identity pools", method: http.MethodPost, path: "/identity-pool-role-imports",
		in: map[string]any{"identityPools": pools}, out: &out,
	})
	if err != nil {
		return err
	}
	if c.Call.JSON {
		return printJSON(p.Stdout, out)
	}
	_, err = fmt.Fprintf(p.Stdout, "%d identity pools made, %d updated\n", out.Created, out.Updated)
	return err
}

type importLastAccessed struct {
	Call    connection `embed:""`
	RoleARN string     `name:"role-arn" local:"" required:"" placeholder:"ARN" help:"The role that the report is about."`
	Files   []string   `arg:"" name:"file" help:"What \"aws iam get-service-last-accessed-details\" printed."`
}

// Help returns what is written by hand.
func (*importLastAccessed) Help() string {
	return `Import which services a role has used, for the audit checks over role aliases:
without such a report those checks cannot say that a role complies.

Usage: cordon import last-accessed FILE... --role-arn ARN [flags]

The files have what "aws iam get-service-last-accessed-details" printed for a
job of that role with the granularity SERVICE_LEVEL: all pages of one job, in
order. The report takes the place of an older one of the role.

Examples:
  job=$(aws iam generate-service-last-accessed-details --arn $ROLE \
      --query JobId --output text)
  aws iam get-service-last-accessed-details --job-id $job >report.json
  cordon import last-accessed report.json --role-arn $ROLE
` + accountKeyHelp
}

// accessDocument is one document of get-service-last-accessed-details.
type accessDocument struct {
	JobStatus            string          `json:"JobStatus"`
	JobType              string          `json:"JobType"`
	JobCreationDate      *timestamp      `json:"JobCreationDate"`
	JobCompletionDate    *timestamp      `json:"JobCompletionDate"`
	ServicesLastAccessed []serviceAccess `json:"ServicesLastAccessed"`
	IsTruncated          bool            `json:"IsTruncated"`
	Marker               string          `json:"Marker"`
	Error                *struct{ Message, Code string }
}

// serviceAccess is what a report says of a service. Actions have no place here:
// a report that has them is refused.
type serviceAccess struct {
	ServiceName                string     `json:"ServiceName"`
	ServiceNamespace           string     `json:"ServiceNamespace"`
	LastAuthenticated          *timestamp `json:"LastAuthenticated"`
	LastAuthenticatedEntity    string     `json:"LastAuthenticatedEntity"`
	LastAuthenticatedRegion    string     `json:"LastAuthenticatedRegion"`
	TotalAuthenticatedEntities int        `json:"TotalAuthenticatedEntities"`
}

func (s *serviceAccess) call() map[string]any {
	out := map[string]any{
		"serviceNamespace": s.ServiceNamespace, "totalAuthenticatedEntities": s.TotalAuthenticatedEntities,
	}
	for name, value := range map[string]string{
		"serviceName": s.ServiceName, "lastAuthenticatedEntity": s.LastAuthenticatedEntity,
		"lastAuthenticatedRegion": s.LastAuthenticatedRegion,
	} {
		if value != "" {
			out[name] = value
		}
	}
	if s.LastAuthenticated != nil {
		out["lastAuthenticated"] = s.LastAuthenticated.seconds()
	}
	return out
}

// timestamp is a time as the AWS CLI prints it: ISO 8601, or seconds.
type timestamp time.Time

// UnmarshalJSON reads either form.
func (t *timestamp) UnmarshalJSON(text []byte) error {
	if seconds, err := strconv.ParseFloat(string(text), 64); err == nil {
		*t = timestamp(time.UnixMilli(int64(seconds * 1000)))
		return nil
	}
	return (*time.Time)(t).UnmarshalJSON(text)
}

func (t *timestamp) seconds() float64 { return float64(time.Time(*t).UnixMilli()) / 1000 }

// accessRequest is a report that is being read.
type accessRequest struct {
	RoleARN    string           `json:"roleArn"`
	ReportedAt float64          `json:"reportedAt"`
	Services   []map[string]any `json:"services"`

	more bool // a page says that another follows
}

// add takes a page of the report.
func (r *accessRequest) add(d *accessDocument) error {
	switch {
	case d.Error != nil:
		return fmt.Errorf("the job has failed: %s: %s", d.Error.Code, d.Error.Message)
	case d.JobStatus != "COMPLETED" || d.JobCompletionDate == nil:
		return fmt.Errorf("the job is %q, and must be COMPLETED", d.JobStatus)
	case d.JobType != "" && d.JobType != "SERVICE_LEVEL":
		return fmt.Errorf("the job is of type %s, and only SERVICE_LEVEL can be imported", d.JobType)
	case len(r.Services) > 0 && !r.more:
		return errors.New("the page before says that it is the last one")
	case len(r.Services) > 0 && r.ReportedAt != d.JobCompletionDate.seconds():
		return errors.New("the pages are of different jobs")
	}
	r.ReportedAt, r.more = d.JobCompletionDate.seconds(), d.IsTruncated
	for i := range d.ServicesLastAccessed {
		r.Services = append(r.Services, d.ServicesLastAccessed[i].call())
	}
	return nil
}

// Run imports the files.
func (c *importLastAccessed) Run(ctx context.Context, p *Process) error {
	report := accessRequest{RoleARN: c.RoleARN, Services: []map[string]any{}}
	for _, file := range c.Files {
		if err := readDocuments(file, report.add); err != nil {
			return &usageError{err}
		}
	}
	if report.more {
		return &usageError{errors.New("the last page says that another follows: name its file too")}
	}
	var out struct {
		Services int `json:"services"`
	}
	err := c.Call.do(ctx, p, request{
		doing: "import what the role has used", method: http.MethodPost, path: "/last-accessed-imports",
		in: report, out: &out,
	})
	if err != nil {
		return err
	}
	if c.Call.JSON {
		return printJSON(p.Stdout, out)
	}
	_, err = fmt.Fprintf(p.Stdout, "%d services of %s\n", out.Services, c.RoleARN)
	return err
}

// maxDocuments bounds the file of an import, in bytes.
const maxDocuments = 16 << 20

// readDocuments reads the JSON documents of a file, of which there must be one,
// and passes over nothing that they have.
func readDocuments[T any](path string, take func(*T) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() > maxDocuments {
		return errors.Join(err, fmt.Errorf("%s is larger than %d MiB", path, maxDocuments>>20))
	}
	decoder := json.NewDecoder(io.LimitReader(f, maxDocuments))
	decoder.DisallowUnknownFields()
	for n := 1; ; n++ {
		document := new(T)
		switch err := decoder.Decode(document); {
		case errors.Is(err, io.EOF) && n > 1:
			return nil
		case err != nil:
			return fmt.Errorf("%s: document %d: %w", path, n, err)
		}
		if err := take(document); err != nil {
			return fmt.Errorf("%s: document %d: %w", path, n, err)
		}
	}
}
