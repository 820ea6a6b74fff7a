package identity

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
)

// Limits of a session. Source: STS API, AssumeRole; IAM and STS quotas.
const (
	defaultDuration  = time.Hour
	chainedDuration  = time.Hour // at most, of a session that a session asks for
	maxSessionTags   = 50
	maxSessionARNs   = 10
	tagSessionAction = "sts:TagSession"
	sourceAction     = "sts:SetSourceIdentity"
)

// AssumeRequest is what a caller of AssumeRole asks for.
type AssumeRequest struct {
	RoleARN, SessionName string
	ExternalID           string
	Duration             time.Duration // 0 is an hour
	Policy               string        // a session policy; "" is none
	PolicyARNs           []string
	Tags                 []Tag
	TransitiveTagKeys    []string
	SourceIdentity       string
}

// Assumed is a session with its key. Account is that of the role.
type Assumed struct {
	Account string
	Key     SessionKey
	Session Session
}

// AssumeActions returns what a caller must be permitted on a role to get the
// session that it asks for: to carry tags, or tags and a source identity of its
// own session on, is a permission of its own. The root of an account, and who
// has no session, carries nothing on.
func (p *Principal) AssumeActions(in *AssumeRequest) []string {
	actions := []string{"sts:AssumeRole"}
	if len(in.Tags) > 0 || p.Session != nil && len(p.Session.TransitiveTagKeys) > 0 {
		actions = append(actions, tagSessionAction)
	}
	if in.SourceIdentity != "" || p.Session != nil && p.Session.SourceIdentity != "" {
		actions = append(actions, sourceAction)
	}
	return actions
}

// AssumeRole makes a session of a role for a caller whom permitted says it is
// for. It is asked after the role was read: had the role been replaced by
// another of its name in between, the session would be of the one that is gone,
// and good for nothing.
//
// The root of an account assumes no role. The faults are Denied, Invalid and
// MalformedPolicy; policies and tags that are too long together are an Invalid
// one under the name PackedPolicyTooLarge. Source: STS API, AssumeRole.
func (s *Service) AssumeRole(ctx context.Context, p *Principal, in *AssumeRequest,
	permitted func(context.Context) error,
) (*Assumed, error) {
	if p.Kind == KindRoot {
		return nil, fault.New(fault.Denied, "Roles may not be assumed by root accounts.")
	}
	role, err := s.roleToAssume(ctx, p, in.RoleARN)
	if err != nil {
		return nil, err
	}
	if err := permitted(ctx); err != nil {
		return nil, err
	}
	now := s.Now().UTC().Truncate(time.Second)
	duration, err := sessionDuration(p, role, in.Duration)
	if err != nil {
		return nil, err
	}
	session := Session{
		RoleARN: in.RoleARN, RoleID: role.ID, RoleName: role.Name, Name: in.SessionName,
		Policy: in.Policy, PolicyARNs: in.PolicyARNs, Issued: now, Expires: now.Add(duration),
	}
	if session.SourceIdentity, err = sourceIdentity(p, in.SourceIdentity); err != nil {
		return nil, err
	}
	if session.Tags, session.TransitiveTagKeys, err = sessionTags(p, in); err != nil {
		return nil, err
	}
	if err := s.checkSessionPolicies(ctx, role.Account, in); err != nil {
		return nil, err
	}
	if percent := session.Packed(); percent > 100 {
		return nil, fault.New(fault.Invalid,
			"Packed policy consumes %d%% of allotted space, please use smaller policy.", percent).Called("PackedPolicyTooLarge")
	}
	key, err := s.IssueSession(ctx, role.Account, session)
	if err != nil {
		return nil, err
	}
	return &Assumed{Account: role.Account, Key: key, Session: session}, nil
}

// roleToAssume returns the role with an ARN. Whether there is none, the caller
// does not learn.
func (s *Service) roleToAssume(ctx context.Context, p *Principal, arn string) (*Role, error) {
	denied := fault.New(fault.Denied, "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", p.ARN, arn)
	e, ok := ParseARN(arn)
	if !ok || e.Kind != "role" {
		return nil, denied
	}
	role, err := s.Store.Role(ctx, e.Account, e.Name)
	if fault.Is(err, fault.NotFound) || err == nil && role.ARN() != arn {
		return nil, denied
	}
	return role, err
}

func sessionDuration(p *Principal, role *Role, asked time.Duration) (time.Duration, error) {
	switch {
	case asked == 0:
		return defaultDuration, nil
	case p.Session != nil && asked > chainedDuration:
		return 0, fault.New(fault.Invalid,
			"The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	case asked > time.Duration(role.MaxSession)*time.Second:
		return 0, fault.New(fault.Invalid,
			"The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return asked, nil
}

// sourceIdentity is that of the caller's session, if it has one: it cannot be
// changed.
func sourceIdentity(p *Principal, asked string) (string, error) {
	if p.Session == nil || p.Session.SourceIdentity == "" {
		return asked, nil
	}
	if have := p.Session.SourceIdentity; asked != "" && asked != have {
		return "", fault.New(fault.Invalid, "The source identity of the calling session is %q and cannot be changed.", have)
	}
	return p.Session.SourceIdentity, nil
}

// sessionTags are the tags of a new session: those that are asked for and,
// which nobody overrides, those that the caller's session carries on. Keys of
// tags differ by more than case.
func sessionTags(p *Principal, in *AssumeRequest) (tags map[string]string, transitive []string, err error) {
	if tags, err = Tags(in.Tags); err != nil {
		return nil, nil, fault.New(fault.Invalid, "%v", err)
	}
	given := map[string]string{} // key as it was given, without case
	for key := range tags {
		given[Fold(key)] = key
	}
	for _, key := range in.TransitiveTagKeys {
		as, ok := given[Fold(key)]
		if !ok {
			return nil, nil, fault.New(fault.Invalid, "The transitive tag key %q is not one of the tags.", key)
		}
		if !slices.Contains(transitive, as) {
			transitive = append(transitive, as)
		}
	}
	if p.Session == nil || len(p.Session.TransitiveTagKeys) == 0 {
		return tags, transitive, nil
	}
	all := maps.Clone(tags)
	if all == nil {
		all = map[string]string{}
	}
	for _, key := range p.Session.TransitiveTagKeys {
		if _, ok := given[Fold(key)]; ok {
			return nil, nil, fault.New(fault.Invalid,
				"One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key "+
					"from the calling session: %q", key)
		}
		all[key] = p.Session.Tags[key]
		transitive = append(transitive, key)
	}
	if len(all) > maxSessionTags {
		return nil, nil, fault.New(fault.Invalid, "A session has no more than %d tags.", maxSessionTags)
	}
	slices.Sort(transitive)
	return all, transitive, nil
}

// checkSessionPolicies refuses session policies that cannot be evaluated, and
// those that are not of the account of the role or of AWS.
func (s *Service) checkSessionPolicies(ctx context.Context, account string, in *AssumeRequest) error {
	if in.Policy != "" {
		if err := CheckDocument(in.Policy); err != nil {
			return err
		}
	}
	if len(in.PolicyARNs) > maxSessionARNs {
		return fault.New(fault.Invalid, "A session has no more than %d managed policies.", maxSessionARNs)
	}
	for _, arn := range in.PolicyARNs {
		_, err := s.Store.ManagedPolicy(ctx, account, arn)
		if fault.Is(err, fault.NotFound) {
			return fault.New(fault.Invalid, "There is no policy %s that the account of the role may use.", arn)
		}
		if err != nil {
			return fmt.Errorf("find session policy: %w", err)
		}
	}
	return nil
}

// Keys returns the values of condition keys that a request for a session has
// beside those that every call has, by name.
func (in *AssumeRequest) Keys() map[string][]string {
	keys := map[string][]string{"sts:RoleSessionName": {in.SessionName}}
	if in.ExternalID != "" {
		keys["sts:ExternalId"] = []string{in.ExternalID}
	}
	if in.SourceIdentity != "" {
		keys["sts:SourceIdentity"] = []string{in.SourceIdentity}
	}
	if len(in.TransitiveTagKeys) > 0 {
		keys["sts:TransitiveTagKeys"] = in.TransitiveTagKeys
	}
	for _, t := range in.Tags {
		keys["aws:RequestTag/"+t.Key] = []string{t.Value}
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], t.Key)
	}
	return keys
}
