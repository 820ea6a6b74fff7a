package identity

import (
	"strconv"
	"strings"
	"time"
)

// requestValues gives the values of condition keys in one question. Tags of the
// resource are read when a policy asks for them, and not before. Source: AWS
// global condition context keys.
type requestValues struct {
	*question
	tags func() (map[string]string, error)

	tagged map[string]string // the tags, once they were read
	read   bool
	err    error // why the tags could not be read: what was decided then is void
}

// The prefixes of keys whose rest is the key of a tag, folded.
const (
	principalTag   = "aws:principaltag/"
	resourceTag    = "aws:resourcetag/"
	iamResourceTag = "iam:resourcetag/"
)

// Lookup returns the values of a folded key.
func (v *requestValues) Lookup(key string) []string {
	if v.Values != nil {
		if list := v.Values.Lookup(key); len(list) > 0 {
			return list
		}
	}
	if !strings.HasPrefix(key, "aws:") {
		if name, ok := strings.CutPrefix(key, iamResourceTag); ok {
			return v.resourceTag(name)
		}
		return nil
	}
	if name, ok := strings.CutPrefix(key, principalTag); ok {
		return tagValue(v.principal.Tags, name)
	}
	if name, ok := strings.CutPrefix(key, resourceTag); ok {
		return v.resourceTag(name)
	}
	if value, ok := v.global(key); ok {
		return []string{value}
	}
	return nil
}

// global returns the value of a key that any call may have.
func (v *requestValues) global(key string) (string, bool) {
	p := v.principal
	switch key {
	case "aws:principalarn":
		if p.Session != nil {
			return p.Session.RoleARN, true
		}
		return p.ARN, true
	case "aws:principalaccount":
		return p.Account.ID, true
	case "aws:principaltype":
		if p.Kind == KindRoot {
			return "Account", true
		}
		return string(p.Kind), true
	case "aws:userid":
		return p.ID, true
	case "aws:username":
		return p.Name, p.Kind == KindUser
	case "aws:resourceaccount":
		return v.resourceAccount(), true
	case "aws:viaawsservice", "aws:principalisawsservice":
		return "false", true
	}
	if value, ok := v.ofSession(key); ok {
		return value, true
	}
	return v.ofCall(key)
}

// ofSession returns the value of a key that only sessions have. No session is
// opened with a second factor.
func (v *requestValues) ofSession(key string) (string, bool) {
	s := v.principal.Session
	if s == nil {
		return "", false
	}
	switch key {
	case "aws:tokenissuetime":
		return s.Issued.UTC().Format(time.RFC3339), true
	case "aws:multifactorauthpresent":
		return "false", true
	case "aws:sourceidentity":
		return s.SourceIdentity, s.SourceIdentity != ""
	}
	return "", false
}

// ofCall returns the value of a key about the call. One that Cordon makes itself
// has neither address nor connection.
func (v *requestValues) ofCall(key string) (string, bool) {
	c := v.call
	switch key {
	case "aws:sourceip":
		return c.SourceIP, c.SourceIP != ""
	case "aws:securetransport":
		return strconv.FormatBool(c.Secure), c.SourceIP != ""
	case "aws:useragent":
		return c.UserAgent, c.UserAgent != ""
	case "aws:requestedregion":
		return c.Region, c.Region != ""
	}
	return timeValue(key, v.now)
}

// timeValue returns the value of a key about the time of a request.
func timeValue(key string, now time.Time) (string, bool) {
	switch key {
	case "aws:currenttime":
		return now.UTC().Format(time.RFC3339), true
	case "aws:epochtime":
		return strconv.FormatInt(now.Unix(), 10), true
	}
	return "", false
}

// resourceAccount is the account that the resource belongs to. What has no
// account in its ARN is the caller's.
func (v *requestValues) resourceAccount() string {
	parts := strings.SplitN(v.Resource, ":", 6)
	if len(parts) < 6 || parts[4] == "" {
		return v.principal.Account.ID
	}
	return parts[4]
}

func (v *requestValues) resourceTag(name string) []string {
	if !v.read {
		v.read = true
		v.tagged, v.err = v.tags()
	}
	return tagValue(v.tagged, name)
}

// tagValue returns the value of a tag. Keys of tags in condition keys have no
// case.
func tagValue(tags map[string]string, name string) []string {
	if value, ok := tags[name]; ok {
		return []string{value}
	}
	for key, value := range tags {
		if strings.EqualFold(key, name) {
			return []string{value}
		}
	}
	return nil
}
