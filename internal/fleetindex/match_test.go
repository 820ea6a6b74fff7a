package fleetindex

import (
	"strings"
	"testing"
)

func TestThingsMatch(t *testing.T) {
	pump := &Document{
		Name: "Pump-7", ID: "0f-ID", Type: "HeavyPump", Groups: []string{"Hall", "north"},
		Attributes: map[string]string{
			"temp": "75", "Site": "North/1", "code": "007", "low": "-5.5", "version": "1.10", "serial": "12345678901234567",
		},
		Connectivity: Connectivity{At: 1557651600000, Reason: "CONNECTION_LOST"},
	}
	online := &Document{Name: "online", Connectivity: Connectivity{Connected: true, At: 5}}
	bare := &Document{Name: "bare"}
	for _, tt := range []struct {
		name, query        string
		pump, online, bare bool
	}{
		{"everything", `*`, true, true, true},
		{"a name in another case", `thingName:pUMP-7`, true, false, false},
		{"a part of a name is not the name", `thingName:pump`, false, false, false},
		{"a prefix", `thingName:pump*`, true, false, false},
		{"a suffix", `thingName:*-7`, true, false, false},
		{"one character", `thingName:pump??`, true, false, false},
		{"not two", `thingName:pump?`, false, false, false},
		{"wildcards in quotes are none", `thingName:"pump*"`, false, false, false},
		{"an id", `thingId:0F-id`, true, false, false},
		{"a type", `thingTypeName:heavypump`, true, false, false},
		{"any type", `thingTypeName:*`, true, false, false},
		{"one of the groups", `thingGroupNames:NORTH`, true, false, false},
		{"in no group", `NOT thingGroupNames:*`, false, true, true},
		{"two groups at once", `thingGroupNames:(hall AND north)`, true, false, false},
		{"an attribute", `attributes.temp:75`, true, false, false},
		{"the value of an attribute in another case", `attributes.Site:"north/1"`, true, false, false},
		{"the name of an attribute in another case", `attributes.site:north*`, false, false, false},
		{"without an attribute", `-attributes.temp:*`, false, true, true},
		{"equal numbers of other digits are other values", `attributes.version:1.1 OR attributes.code:7`, false, false,
			false},
		{"they are in a range", `attributes.version:[1.1 TO 1.1] attributes.code<=7`, true, false, false},
		{"digits count as numbers", `attributes.temp:[8 TO 80]`, true, false, false},
		{"numbers in quotes count as texts", `attributes.temp:["8" TO "80"]`, false, false, false},
		{"below zero", `attributes.low<-5 attributes.low>=-5.5`, true, false, false},
		{"a bound that is left out", `attributes.temp>75`, false, false, false},
		{"not above, or without", `NOT attributes.temp>75`, true, true, true},
		{"words are no numbers", `attributes.Site>0`, false, false, false},
		{"many digits are no number", `attributes.serial>1`, false, false, false},
		{"many digits compare as texts", `attributes.serial:[12345678901234560 TO 12345678901234569]`, true, false, false},
		{"a range of texts", `attributes.Site:[NORTH TO o}`, true, false, false},
		{"a range of names", `thingName>b thingName<=ONLINE`, false, true, true},
		{"a term in any field", `north`, true, false, false},
		{"a term in any attribute", `north*1`, true, false, false},
		{"names of attributes are no values", `temp`, false, false, false},
		{"reasons are no registry", `CONNECTION_LOST`, false, false, false},
		{"connected", `connectivity.connected:true`, false, true, false},
		{"never connected is not connected", `connectivity.connected:false`, true, false, true},
		{"every thing is connected or not", `connectivity.connected:*`, true, true, true},
		{"a time there is", `connectivity.timestamp:*`, true, true, false},
		{"a time", `connectivity.timestamp:[1557651600000 TO 1557867600000]`, true, false, false},
		{"an earlier time", `connectivity.timestamp<1557651600000`, false, true, false},
		{"a reason", `connectivity.disconnectReason:connection_*`, true, false, false},
		{"either", `thingName:bare OR connectivity.connected:true`, false, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q, err := Parse(tt.query)
			if err != nil {
				t.Fatal(err)
			}
			if p, o, b := q.Matches(pump), q.Matches(online), q.Matches(bare); p != tt.pump || o != tt.online || b != tt.bare {
				t.Errorf("got %v %v %v, want %v %v %v", p, o, b, tt.pump, tt.online, tt.bare)
			}
		})
	}
}

func TestGroupsMatch(t *testing.T) {
	hall := &GroupDocument{
		Name: "Hall", ID: "id-1", Description: "The big  hall in the North", Parents: []string{"Site", "World"},
		Attributes: map[string]string{"floor": "2"},
	}
	for query, want := range map[string]bool{
		`thingGroupName:hall`:                        true,
		`thingGroupId:ID-1`:                          true,
		`thingGroupDescription:big`:                  true,
		`thingGroupDescription:n*h`:                  true,
		`thingGroupDescription:nor`:                  false,
		`thingGroupDescription:"big hall in"`:        true,
		`thingGroupDescription:"big in"`:             false,
		`thingGroupDescription:"ig hall"`:            false,
		`thingGroupDescription:*`:                    true,
		`parentGroupNames:world parentGroupNames:s*`: true,
		`parentGroupNames:hall`:                      false,
		`attributes.floor:[1 TO 3]`:                  true,
		`2 site big`:                                 true,
		`NOT 3`:                                      true,
	} {
		q, err := ParseGroups(query)
		if err != nil {
			t.Fatal(err)
		}
		if got := q.MatchesGroup(hall); got != want {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]float64{
		"0": 0, "007": 7, "-7": -7, "1.50": 1.5, "-0.001": -0.001, "123456789012345": 123456789012345,
	} {
		if got, ok := Number(text); !ok || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", "-", ".", "1.", ".5", "--1", "+1", "1e5", "1.2.3", "1,5", "0x1", "1_0", "inf", "NaN", "1234567890123456", " 1",
		"١",
	} {
		if got, ok := Number(text); ok {
			t.Errorf("%q: got %v, want no number", text, got)
		}
	}
}

// A pattern of many stars must not take longer than the product of the lengths.
func BenchmarkPatternOfStars(b *testing.B) {
	q, err := Parse("x" + strings.Repeat("*a", 300) + "*b")
	if err != nil {
		b.Fatal(err)
	}
	d := &Document{Name: "x" + strings.Repeat("a", 799)}
	for b.Loop() {
		if q.Matches(d) {
			b.Fatal("got a match")
		}
	}
}
