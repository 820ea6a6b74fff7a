package policy

import "strings"

// language is one of the languages that documents are written in. They differ
// in what variables are.
type language uint8

const (
	// ofIoT has variables that stand for their own text when they have no value.
	ofIoT language = iota
	// ofIAM has variables that match nothing when they have no value.
	ofIAM
	// ofIAM2008 has none: "${" is text. It is IAM's language of Version2008.
	ofIAM2008
)

// cutDefault cuts the default value off what stands between the braces of a
// variable: "name, 'text'". Only IAM has them. Source: IAM policy variables,
// specifying default values.
func (l language) cutDefault(inside string) (name, text string, ok bool) {
	if l != ofIAM {
		return inside, "", false
	}
	name, rest, comma := strings.Cut(inside, ",")
	rest = strings.TrimSpace(rest)
	if !comma || len(rest) < 2 || rest[0] != '\'' || rest[len(rest)-1] != '\'' {
		return inside, "", false
	}
	text = rest[1 : len(rest)-1]
	return strings.TrimSpace(name), text, !strings.Contains(text, "'")
}
