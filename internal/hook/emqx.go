package hook

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki"
)

// attribute is the client attribute by which EMQX remembers who a device is.
const attribute = "cordon_certificate"

// emqxQuestion is the body that docs/brokers/emqx.md has EMQX send. EMQX renders
// what it does not know as an empty text, and numbers and truths as texts.
type emqxQuestion struct {
	// Certificate is the one that the device showed, in PEM form or the base64 of
	// its DER form, or its id as an answer of ours has told it.
	Certificate string `json:"certificate"`
	// CommonName is taken where there is no certificate.
	CommonName string `json:"cert_common_name"`
	ClientID   string `json:"clientid"`
	Address    string `json:"peerhost"`
	Action     string `json:"action"`
	Topic      string `json:"topic"`
	Retain     any    `json:"retain"`
}

// retained reports whether the message is to be retained; also when that is not
// said.
func (q *emqxQuestion) retained() bool {
	switch v := q.Retain.(type) {
	case bool:
		return v
	case string:
		return v != "false" && v != "0"
	case float64:
		return v != 0
	}
	return true
}

func (h *hooks) emqxDevice(ctx context.Context, scope fleet.Scope, body []byte) (*emqxQuestion, *rights, error) {
	q := &emqxQuestion{}
	if err := json.Unmarshal(body, q); err != nil {
		return nil, nil, errDenied("the question is no JSON in the form that is documented")
	}
	d := device{clientID: q.ClientID}
	d.address, _ = netip.ParseAddr(q.Address)
	var err error
	if named(q.Certificate) {
		d.certificate, err = presented(q.Certificate)
	} else {
		d.certificate, err = h.named(ctx, scope, q.CommonName)
	}
	if err != nil {
		return nil, nil, err
	}
	r, err := h.judge.rights(ctx, scope, d)
	return q, r, err
}

// named reports whether a text says something: brokers write "undefined" for
// what they do not know.
func named(text string) bool { return text != "" && text != "undefined" }

// named returns the certificate that a common name stands for.
func (h *hooks) named(ctx context.Context, scope fleet.Scope, name string) (string, error) {
	if !named(name) {
		return "", errDenied("there is no certificate and no name")
	}
	id, err := h.Store.CertificateNamed(ctx, scope, name)
	if err == nil && id == "" {
		err = errDenied("not exactly one active certificate has the name")
	}
	return id, err
}

// presented returns the id of a certificate that is written in one of the forms
// in which EMQX hands it on.
func presented(text string) (string, error) {
	text = strings.TrimSpace(text)
	if len(text) == hex.EncodedLen(32) {
		if _, err := hex.DecodeString(text); err == nil {
			return strings.ToLower(text), nil
		}
	}
	der, err := base64.StdEncoding.DecodeString(text)
	if err == nil && !strings.HasPrefix(string(der), "-----BEGIN ") {
		c, err := pki.ParseDER(der)
		if err != nil {
			return "", errDenied("the certificate cannot be read")
		}
		return c.ID, nil
	}
	if err == nil {
		text = string(der)
	}
	c, err := pki.ParseCertificate(text)
	if err != nil {
		return "", errDenied("the certificate cannot be read")
	}
	return c.ID, nil
}

// emqxAuthentication answers whether a device may connect.
func (h *hooks) emqxAuthentication(ctx context.Context, scope fleet.Scope, body []byte) (*answer, error) {
	_, r, err := h.emqxDevice(ctx, scope, body)
	if err != nil {
		return nil, err
	}
	if err := r.connect(); err != nil {
		return nil, err
	}
	return &answer{allowed: true, certificate: r.certificate}, nil
}

// emqxAuthorization answers whether a device may publish or subscribe.
func (h *hooks) emqxAuthorization(ctx context.Context, scope fleet.Scope, body []byte) (*answer, error) {
	q, r, err := h.emqxDevice(ctx, scope, body)
	if err != nil {
		return nil, err
	}
	switch q.Action {
	case "publish":
		err = r.publish(q.Topic, q.retained())
	case "subscribe":
		err = r.subscribe(q.Topic)
	default:
		err = errDenied("it is neither publish nor subscribe")
	}
	return &answer{allowed: err == nil}, err
}

// emqxForm answers EMQX. Source: EMQX, HTTP authentication and authorization.
type emqxForm struct{}

// emqxAnswer is an answer in JSON.
type emqxAnswer struct {
	Result      string            `json:"result"`
	IsSuperuser *bool             `json:"is_superuser,omitempty"`
	Attributes  map[string]string `json:"client_attrs,omitempty"`
	// ExpireAt is when EMQX ends the connection, in seconds since 1970.
	ExpireAt int64 `json:"expire_at,omitempty"`
}

func (emqxForm) write(w http.ResponseWriter, question string, a *answer) {
	out := emqxAnswer{Result: "deny"}
	if a.allowed {
		out.Result = "allow"
	}
	if question == "authentication" {
		out.IsSuperuser = new(bool)
	}
	if a.allowed && a.certificate != nil {
		out.Attributes = map[string]string{attribute: a.certificate.ID}
		out.ExpireAt = a.certificate.NotAfter.Unix()
	}
	text, err := json.Marshal(out)
	if err != nil {
		panic(err) // texts and numbers always marshal
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // who does not read it was told nothing
}
