package iotapi_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi"
)

// operation is the name of the operation that takes this input.
func operation(in any) string { return strings.TrimSuffix(reflect.TypeOf(in).Elem().Name(), "Input") }

// call calls the operation of an input. Its answer is without metadata, which
// differ from call to call.
func call(t testing.TB, c *iot.Client, in any) (any, error) {
	t.Helper()
	method := reflect.ValueOf(c).MethodByName(operation(in))
	if !method.IsValid() {
		t.Fatalf("the SDK has no operation that takes a %T", in)
	}
	result := method.Call([]reflect.Value{reflect.ValueOf(t.Context()), reflect.ValueOf(in)})
	if err, _ := result[1].Interface().(error); err != nil {
		return nil, err
	}
	result[0].Elem().FieldByName("ResultMetadata").SetZero()
	return result[0].Interface(), nil
}

// words is a value as text.
func words(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// snapshot is all that the owner of a world can read in it, but for page
// tokens, of which no two are equal.
func (w *world) snapshot(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, r := range w.reads() {
		out, err := call(t, w.c, r.in)
		expect(t, err, r.owner)
		if f := tokenOf(out); f != nil {
			*f = ""
		}
		all[operation(r.in)] += words(t, out)
	}
	return all
}

// unchanged holds that a world is as it was.
func (w *world) unchanged(t *testing.T, before map[string]string) {
	t.Helper()
	after := w.snapshot(t)
	for _, name := range sorted(before) {
		if before[name] != after[name] {
			t.Errorf("%s: got %s, want %s as before", name, after[name], before[name])
		}
	}
}

func TestEveryOperationHasAnIsolationCase(t *testing.T) {
	t.Parallel()
	var served, tried []string
	for _, op := range iotapi.New(iotapi.Config{}).Operations {
		served = append(served, op.Fact().Name)
	}
	w := &world{material: newMaterial(t)}
	for _, a := range slices.Concat(w.reads(), w.writes()) {
		tried = append(tried, operation(a.in))
	}
	slices.Sort(tried)
	same(t, "operations with a case", slices.Compact(tried), served)
}

func TestScopesAreApart(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		m := newMaterial(t)
		const account, region = "222222222222", "eu-west-1"
		owner := furnish(t, cordon.NewAccount(t, account), fleet.Scope{Account: account, Region: cordontest.Region}, m,
			"of-the-owner")
		before := owner.snapshot(t)
		for _, scope := range []struct {
			name, account string
			client        *iot.Client
		}{
			{"another account", "333333333333", cordon.NewAccount(t, "333333333333")},
			{"the operator's account", cordontest.Account, cordon.IoT()},
			{"another region of the account", account, inRegion(owner.c, region)},
		} {
			t.Run(scope.name, func(t *testing.T) {
				owner.tryAsStranger(t, scope.client, scope.account)
				owner.unchanged(t, before)
			})
		}
		for _, scope := range []struct {
			name   string
			scope  fleet.Scope
			client *iot.Client
		}{
			{"an equal account", fleet.Scope{Account: "444444444444", Region: cordontest.Region},
				cordon.NewAccount(t, "444444444444")},
			{"an equal region of the account", fleet.Scope{Account: account, Region: "ap-south-1"},
				inRegion(owner.c, "ap-south-1")},
		} {
			t.Run(scope.name, func(t *testing.T) {
				twin := furnish(t, scope.client, scope.scope, m, "of-the-twin")
				twin.tryAsOwner(t, owner)
				owner.unchanged(t, before)
			})
		}
	})
}

// inRegion is a client of the same account elsewhere.
func inRegion(c *iot.Client, region string) *iot.Client {
	o := c.Options()
	o.Region = region
	return iot.New(o)
}

// tryAsStranger makes every call about a world with the client of an empty
// scope, which is of an account.
func (w *world) tryAsStranger(t *testing.T, c *iot.Client, account string) {
	t.Helper()
	w.tryTokens(t, c)
	by := *w
	by.caller = account
	for _, a := range slices.Concat(by.reads(), by.writes()) {
		given := words(t, a.in)
		out, err := call(t, c, a.in)
		if got := outcome(err); got != a.stranger {
			t.Errorf("%s %s: got %v (%v), want %v", operation(a.in), given, got, err, a.stranger)
		}
		answer := words(t, out)
		if err != nil {
			answer = err.Error()
		}
		for _, secret := range slices.Concat(w.secrets(), w.names()) {
			if strings.Contains(answer, secret) && !strings.Contains(given, secret) {
				t.Errorf("%s %s: got %q of another scope in %s", operation(a.in), given, secret, answer)
			}
		}
		if n := listedIn(out); strings.HasPrefix(operation(a.in), "List") && n != 0 {
			t.Errorf("%s %s: got %d of what the scope has none of: %s", operation(a.in), given, n, answer)
		}
	}
}

// listedIn is how many items the lists of an answer have.
func listedIn(out any) (n int) {
	if out == nil {
		return 0
	}
	v := reflect.ValueOf(out).Elem()
	for i := range v.NumField() {
		if v.Field(i).Kind() == reflect.Slice {
			n += v.Field(i).Len()
		}
	}
	return n
}

// tryAsOwner makes every call about this world with its own client and holds
// that nothing of the other, which has the same names, comes back.
func (w *world) tryAsOwner(t *testing.T, other *world) {
	t.Helper()
	for _, a := range slices.Concat(w.reads(), w.writes()) {
		given := words(t, a.in)
		out, err := call(t, w.c, a.in)
		if got := outcome(err); got != a.owner {
			t.Errorf("%s %s: got %v (%v), want %v", operation(a.in), given, got, err, a.owner)
		}
		for _, secret := range other.secrets() {
			if answer := words(t, out); strings.Contains(answer, secret) {
				t.Errorf("%s %s: got %q of another scope in %s", operation(a.in), given, secret, answer)
			}
		}
		if start, ok := a.in.(*iot.StartAuditMitigationActionsTaskInput); ok && err == nil {
			cordontest.AwaitMitigation(t, w.c, *start.TaskId)
		}
		if start, ok := out.(*iot.StartOnDemandAuditTaskOutput); ok && err == nil {
			cordontest.AwaitAudit(t, w.c, *start.TaskId)
		}
	}
	for _, id := range []string{other.audit, other.finding} {
		if got := words(t, must[*iot.ListAuditFindingsOutput](t)(w.c.ListAuditFindings(t.Context(),
			&iot.ListAuditFindingsInput{TaskId: &id}))); strings.Contains(got, "FindingId") {
			t.Errorf("got %s of another scope's audit", got)
		}
	}
}

// untold are the lists that no world is long enough for to be paged.
var untold = []string{"ListRelatedResourcesForAuditFinding"} // no world has a revoked intermediate CA

// tryTokens takes a page token of each list of a world to another scope, and
// to another list.
func (w *world) tryTokens(t *testing.T, stranger *iot.Client) {
	t.Helper()
	previous, previousName := "", ""
	for _, r := range w.reads() {
		in := reflect.ValueOf(r.in).Elem()
		member, size := in.FieldByName("NextToken"), in.FieldByName("MaxResults")
		if !member.IsValid() {
			member, size = in.FieldByName("Marker"), in.FieldByName("PageSize")
		}
		if !member.IsValid() || slices.Contains(untold, operation(r.in)) {
			continue
		}
		if size.IsValid() {
			size.Set(reflect.ValueOf(new(int32(1))))
		}
		out, err := call(t, w.c, r.in)
		if err != nil {
			t.Errorf("%s: %v", operation(r.in), err)
			continue
		}
		token := tokenOf(out)
		if token == nil {
			t.Errorf("%s: got no token, want a world with two of each", operation(r.in))
			continue
		}
		member.Set(reflect.ValueOf(token))
		if _, err := call(t, w.c, r.in); err != nil {
			t.Errorf("%s: got %v for the owner's token, want the next page", operation(r.in), err)
		}
		_, err = call(t, stranger, r.in)
		if got := outcome(err); got != invalid && got != r.stranger || got == fine {
			t.Errorf("%s: got %v for a token of another scope, want it refused", operation(r.in), got)
		}
		if previous != "" && previousName != operation(r.in) {
			member.Set(reflect.ValueOf(&previous))
			_, err = call(t, w.c, r.in)
			expect(t, err, invalid)
		}
		if previous, previousName = *token, operation(r.in); len(previous) > 1024 {
			t.Errorf("%s: got a token of %d characters", operation(r.in), len(previous))
		}
	}
}

// tokenOf is the token in an answer, or nil.
func tokenOf(out any) *string {
	if out == nil {
		return nil
	}
	for _, name := range []string{"NextToken", "NextMarker"} {
		if f := reflect.ValueOf(out).Elem().FieldByName(name); f.IsValid() {
			return f.Interface().(*string)
		}
	}
	return nil
}
