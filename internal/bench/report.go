package bench

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
)

// Report is what a command measured.
type Report struct {
	Machine Machine   `json:"machine"`
	Results []*Result `json:"results"`
}

// Print writes a report for people: for each size of the fleet the rates, each
// yardstick with what share of it the subject reaches, and the memory.
func (r *Report) Print(out io.Writer) error {
	fmt.Fprintln(out, r.Machine)
	if len(r.Results) > 0 {
		first := r.Results[0]
		fmt.Fprintf(out, "%s\nmedians of %d rounds, in parentheses the least and the most\n",
			first.Database, first.Spec.Rounds)
	}
	for _, result := range r.Results {
		if result.Devices != nil {
			if err := result.Devices.print(out, result); err != nil {
				return err
			}
			continue
		}
		what := [2]string{"certificates", "findings"}
		if result.Spec.calls() {
			what = [2]string{"things", "calls a round"}
		}
		if result.Spec.Kind == Import {
			fmt.Fprintf(out, "\n%s devices; audited after that %s/s; peak memory of the server %s\n",
				group(float64(result.Spec.Certificates)), group(result.LoadPerSecond), megabytes(result.PeakBytes))
		} else {
			fmt.Fprintf(out, "\n%s %s, %s %s; loaded %s/s; peak memory %s\n",
				group(float64(result.Spec.Certificates)), what[0], group(float64(result.Spec.Findings)), what[1],
				group(result.LoadPerSecond), megabytes(result.PeakBytes))
		}
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "  %s\t%s%s\n", result.Subject.Name, rate(result.Subject.PerSecond), result.remark())
		for _, y := range result.Yardsticks {
			fmt.Fprintf(w, "  %s\t%s\tratio %.2f (%.2f–%.2f)%s\n", y.Name, rate(y.PerSecond),
				y.Ratio.Median, y.Ratio.Least, y.Ratio.Most, verdict(y.Ratio.Median, y.Goal))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// remark is the column of what is said of the subject besides its rate.
func (r *Result) remark() string {
	if r.Latency == nil {
		return ""
	}
	text := fmt.Sprintf("\tp50 %.2f ms, p99 %.2f ms", r.Latency.P50, r.Latency.P99)
	if r.Subject.PerSecond.Median >= r.Goal {
		return text + "; goal " + group(r.Goal) + "/s reached"
	}
	return text + "; goal " + group(r.Goal) + "/s missed"
}

// verdict is the column that says whether a goal is reached; empty without one.
func verdict(ratio, goal float64) string {
	switch {
	case goal == 0:
		return ""
	case ratio >= goal:
		return fmt.Sprintf("\tgoal %.1f reached", goal)
	}
	return fmt.Sprintf("\tgoal %.1f missed", goal)
}

func rate(s Spread) string {
	return fmt.Sprintf("%s/s (%s–%s)", group(s.Median), group(s.Least), group(s.Most))
}

func megabytes(n int64) string {
	if n == 0 {
		return "not known"
	}
	return fmt.Sprintf("%d MB", n/1_000_000)
}

// group writes a number without fraction, its digits in groups of three.
func group(v float64) string {
	text := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
