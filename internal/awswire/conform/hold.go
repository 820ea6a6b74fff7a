package conform

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"
)

// Hold sends all requests about constraints of all operations that are served,
// four at a time. The caller may do everything.
func (f *Facts) Hold(t *testing.T, to Endpoint) {
	t.Helper()
	var n tally
	var workers errgroup.Group
	workers.SetLimit(4)
	for _, op := range f.Served() {
		workers.Go(func() error {
			for _, v := range f.variants(t, op) {
				a, err := f.Send(t.Context(), to, op.Name, v.input)
				if err != nil {
					return fmt.Errorf("%s, %s at %s: %w", op.Name, v.what, v.at, err)
				}
				if wrong := f.wrongness(v, a, &n); wrong != "" {
					t.Errorf("%s, %s at '%s': got %d %s %q, %s", op.Name, v.what, v.at, a.Status, a.Code, a.Text, wrong)
				}
			}
			return nil
		})
	}
	if err := workers.Wait(); err != nil {
		t.Error(err)
	}
	t.Logf("%d operations: %d requests that just keep to a constraint (%d of them succeed), %d that just do not, "+
		"%d with a member that is refused by name", len(f.Served()), n.kept.Load(), n.succeeded.Load(), n.broken.Load(),
		n.refused.Load())
}

// tally counts the variants and how they were answered.
type tally struct{ kept, broken, refused, succeeded atomic.Int64 }

// wrongness is what is wrong with an answer to a variant, or "".
func (f *Facts) wrongness(v variant, a Answer, n *tally) string {
	for _, path := range v.op.Served.Refused() {
		if v.rule != ruleType && gives(v.input, strings.Split(path, ".")) {
			n.refused.Add(1)
			if a.Code == f.Unsupported && a.Status == http.StatusBadRequest &&
				strings.Contains(a.Text, "Member '"+path+"' of "+v.op.Name+" is not supported") {
				return ""
			}
			return "want the member " + path + " refused by name"
		}
	}
	if v.rule != "" {
		n.broken.Add(1)
		return f.wrongRefusal(v, a)
	}
	n.kept.Add(1)
	switch {
	case a.Status == http.StatusOK:
		n.succeeded.Add(1)
	case strings.Contains(a.Text, "validation error") || strings.Contains(a.Text, "Value at '"):
		return "want no constraint to be broken"
	case a.Status == http.StatusInternalServerError || !f.declares(v.op, a.Code):
		return "want an exception that the operation declares"
	}
	return ""
}

// violation is a broken constraint in a message.
var violation = regexp.MustCompile(`at '([^']*)' failed to satisfy constraint: `)

// wrongRefusal is what is wrong with the answer to a variant that does not
// keep to a constraint, or "": its message must name the member, no other, and
// the rule.
func (f *Facts) wrongRefusal(v variant, a Answer) string {
	wrong := fmt.Sprintf("want a refusal that names '%s' alone and says %q", v.at, v.about+v.rule)
	if a.Code != f.Invalid || a.Status != http.StatusBadRequest {
		return wrong
	}
	if v.rule == ruleType {
		if strings.Contains(a.Text, "'"+v.at+v.rule) {
			return ""
		}
		return wrong
	}
	if v.rule == ruleUnion {
		// Unions are rules of the features, in words of theirs.
		if !strings.Contains(a.Text, v.at[strings.LastIndex(v.at, ".")+1:]) {
			return wrong
		}
		return ""
	}
	found := violation.FindAllStringSubmatch(a.Text, -1)
	alone := !slices.ContainsFunc(found, func(one []string) bool { return one[1] != v.at })
	if found == nil || !alone || !strings.Contains(a.Text, v.about) || !strings.Contains(a.Text, v.rule) {
		return wrong
	}
	return ""
}
