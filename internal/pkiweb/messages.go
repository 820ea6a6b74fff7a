package pkiweb

import (
	"net/http"
	"strings"

	"github.com/cordon-iot/cordon/internal/pki"
)

const (
	// messagesPath is where certificates lie that verify messages of topics, below
	// the path of what is published.
	messagesPath = "sns/"
	// messageRoot is the name of their CA.
	messageRoot = "root"
)

// SigningCertPath is the path of the certificate of messages with an id.
func SigningCertPath(id string) string { return pki.PublicationPath + messagesPath + id + ".pem" }

// serveMessages answers for a certificate by which messages are verified.
func (s *Server) serveMessages(w http.ResponseWriter, r *http.Request, name string) {
	id, isPEM := strings.CutSuffix(name, ".pem")
	if !isPEM {
		http.NotFound(w, r)
		return
	}
	c, err := s.messageCertificate(r, id)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	serveCertificate(w, r, c, "pem")
}

func (s *Server) messageCertificate(r *http.Request, id string) (*pki.Certificate, error) {
	if id != messageRoot {
		return s.Messages.MessageCertificate(r.Context(), id)
	}
	ca, err := s.Messages.MessageAuthority(r.Context())
	if err != nil {
		return nil, err
	}
	return ca.Certificate(), nil
}
