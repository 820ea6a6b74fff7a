package identity

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
)

// issue makes a session of the role AROAROLE of the account, for an hour.
func issue(t *testing.T, s *Service) SessionKey {
	t.Helper()
	key, err := s.IssueSession(t.Context(), testAccount, Session{
		RoleARN: "arn:aws:iam::123456789012:role/ops/Auditor", RoleID: "AROAROLE", RoleName: "Auditor", Name: "night",
		Issued: testNow, Expires: testNow.Add(time.Hour), Tags: map[string]string{"Team": "blue"},
		Policy: `{"Version":"2012-10-17","Statement":[]}`, SourceIdentity: "alice",
	})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestASessionIsThatOfItsToken(t *testing.T) {
	s, ring := newTestService(t)
	ring.roles = map[string]SessionRole{"AROAROLE": {
		Account: Account{ID: testAccount, Status: Active}, Tags: map[string]string{"team": "red", "site": "1"}, State: 7,
	}}
	key := issue(t, s)
	got, err := s.Authenticate(t.Context(), key.ID, key.Token)
	if err != nil {
		t.Fatal(err)
	}
	p := got.Principal
	if got.Secret != key.Secret || got.Expired || got.Disabled || p.Kind != KindAssumedRole || p.State != 7 ||
		p.ARN != "arn:aws:sts::123456789012:assumed-role/Auditor/night" || p.ID != "AROAROLE:night" ||
		p.Name != "Auditor" || p.KeyID != key.ID || p.Account.ID != testAccount {
		t.Errorf("got %+v", got)
	}
	if want := map[string]string{"Team": "blue", "site": "1"}; !maps.Equal(p.Tags, want) {
		t.Errorf("got tags %v, want %v", p.Tags, want)
	}
	if p.Session.SourceIdentity != "alice" || p.Session.Policy == "" || !p.Session.Issued.Equal(testNow) {
		t.Errorf("got session %+v", p.Session)
	}

	s.Now = func() time.Time { return testNow.Add(time.Hour - time.Millisecond) }
	if got, err := s.Authenticate(t.Context(), key.ID, key.Token); err != nil || got.Expired {
		t.Errorf("before its end: got %+v, %v", got, err)
	}
	s.Now = func() time.Time { return testNow.Add(time.Hour) }
	if got, err := s.Authenticate(t.Context(), key.ID, key.Token); err != nil || !got.Expired {
		t.Errorf("at its end: got %+v, %v", got, err)
	}

	role := ring.roles["AROAROLE"]
	role.Account.Status = Disabled
	ring.roles["AROAROLE"] = role
	if got, err := s.Authenticate(t.Context(), key.ID, key.Token); err != nil || !got.Disabled {
		t.Errorf("in a disabled account: got %+v, %v", got, err)
	}
	delete(ring.roles, "AROAROLE")
	if _, err := s.Authenticate(t.Context(), key.ID, key.Token); !fault.Is(err, fault.NotFound) {
		t.Errorf("without its role: got %v", err)
	}
}

func TestATokenIsGoodWithItsKeyAlone(t *testing.T) {
	s, ring := newTestService(t)
	ring.roles = map[string]SessionRole{"AROAROLE": {Account: Account{ID: testAccount, Status: Active}}}
	key, other := issue(t, s), issue(t, s)
	elsewhere, _ := newTestService(t)
	for _, tt := range []struct{ name, id, token string }{
		{"the key of another session", other.ID, key.Token},
		{"a permanent key", rootKeyID, key.Token},
		{"no token", key.ID, ""},
		{"a token that is no base64", key.ID, "!" + key.Token},
		{"a token with a line break", key.ID, key.Token[:8] + "\n" + key.Token[8:]},
		{"a token that is too long", key.ID, string(make([]byte, maxToken+1))},
		{"the token of another Cordon", key.ID, issue(t, elsewhere).Token},
		{"half a token", key.ID, key.Token[:len(key.Token)/2]},
		{"a token of one byte", key.ID, "AQ=="},
	} {
		if _, err := s.Authenticate(t.Context(), tt.id, tt.token); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: got %v, want a NotFound fault", tt.name, err)
		}
	}
	for i := range key.Token {
		for _, c := range []byte("A/=") {
			altered := []byte(key.Token)
			if altered[i] == c {
				continue
			}
			altered[i] = c
			if _, err := s.Authenticate(t.Context(), key.ID, string(altered)); !fault.Is(err, fault.NotFound) {
				t.Fatalf("with %q at %d: got %v, want a NotFound fault", c, i, err)
			}
		}
	}
	if _, err := s.Authenticate(t.Context(), key.ID, key.Token); err != nil {
		t.Errorf("unaltered: %v", err)
	}
}

func TestPacked(t *testing.T) {
	long := slices.Repeat([]string{"x"}, MaxPacked)
	for _, tt := range []struct {
		name string
		s    Session
		want int
	}{
		{"a session without policies and tags takes nothing", Session{}, 0},
		{"a policy takes its length", Session{Policy: "0123456789"}, 1},
		{"ARNs count", Session{PolicyARNs: long}, 401},
	} {
		if got := tt.s.Packed(); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}
