package server

import (
	"context"
	"crypto/rand"
	"regexp"
	"slices"
	"strings"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/calllog"
	"github.com/cordon-iot/cordon/internal/identity"
)

// openCallLog opens the record of calls, whose key all nodes share.
func (s *Server) openCallLog(ctx context.Context, _ Options) error {
	key, err := s.identity.Secret(ctx, identity.SecretID{Purpose: "call-log"}, func() ([]byte, error) {
		key := make([]byte, calllog.KeySize)
		rand.Read(key) // never fails
		return key, nil
	})
	if err != nil {
		return err
	}
	s.calls = calllog.New(calllog.Options{
		Store: s.store, Node: s.node, Silence: nodeSilence, Key: key, Now: s.now, Log: s.log,
	})
	s.callBook = &calllog.Book{Store: s.store, Key: key, Retention: s.cfg.CallLogRetention, Now: s.now, Own: s.calls}
	return nil
}

// beginCall has the store write the record of a call with its change.
func (s *Server) beginCall(ctx context.Context, r awswire.Record) context.Context {
	return calllog.WithCall(ctx, s.calls.Begin(eventOf(&r)))
}

// recordCall records a call that was answered.
func (s *Server) recordCall(ctx context.Context, r *awswire.Record) {
	message := ""
	if r.Caller.Account != "" {
		message = withoutValues(r.Message)
	}
	if s.calls.Done(ctx, r.Exception, message) {
		return
	}
	e := eventOf(r)
	e.ErrorCode, e.ErrorMessage = r.Exception, message
	s.calls.Add(&e)
}

// eventSources are the names of services in CloudTrail, by their signing names.
var eventSources = map[string]string{
	"iot": "iot.amazonaws.com", "iotdata": "iotdata.amazonaws.com", "iam": "iam.amazonaws.com",
	"sts": "sts.amazonaws.com", "sns": "sns.amazonaws.com", "cognito-identity": "cognito-identity.amazonaws.com",
	"cordon": calllog.Source,
}

// eventOf is what the record of a call says. It has nothing of the request but
// the resources: nothing else is sure to be no secret.
func eventOf(r *awswire.Record) calllog.Event {
	e := calllog.Event{
		Time: r.Time, Source: eventSources[r.Service], Name: r.Operation, Region: r.Caller.Region,
		SourceIP: r.Caller.SourceIP, UserAgent: r.Caller.UserAgent, RequestID: r.RequestID, Account: r.Caller.Account,
		ReadOnly: calllog.ReadOnly(r.Operation), User: userOf(&r.Caller),
	}
	for i := range r.Needs {
		arn := r.Needs[i].Resource
		if len(e.Resources) < calllog.MaxResources && strings.HasPrefix(arn, "arn:") && !slices.Contains(e.Resources, arn) {
			e.Resources = append(e.Resources, arn)
		}
	}
	return e
}

// userOf says who called in the words of CloudTrail.
func userOf(c *awswire.Caller) calllog.Identity {
	if c.Account == "" {
		return calllog.Identity{}
	}
	u := calllog.Identity{
		Type: "Root", PrincipalID: c.UserID, ARN: c.ARN, Account: c.Account, AccessKeyID: c.AccessKeyID,
	}
	p, ok := c.Principal.(identity.Principal)
	if !ok {
		return u
	}
	switch p.Kind {
	case identity.KindUser:
		u.Type, u.UserName = "IAMUser", p.Name
	case identity.KindAssumedRole:
		u.Type = "AssumedRole"
	}
	if s := p.Session; s != nil {
		u.Session = &calllog.Session{
			RoleARN: s.RoleARN, RoleID: s.RoleID, RoleName: s.RoleName, SourceIdentity: s.SourceIdentity, Created: s.Issued,
		}
	}
	return u
}

// givenValue is how messages quote what a member was given.
var givenValue = regexp.MustCompile(`(?s)Value '.*?' at '`)

// withoutValues leaves out of a message what the caller gave, which may be
// secret.
func withoutValues(message string) string {
	if !strings.Contains(message, "Value '") {
		return message
	}
	return givenValue.ReplaceAllLiteralString(message, "Value at '")
}
