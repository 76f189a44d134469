package nearmiss

import (
	"regexp"
	"strings"
	"testing"

	"github.com/deltaloom/deltaloom/fuse"
)

// explained are near misses and what explain has to say of each: the edge that is
// wrong, what the rule wants there, and what would make it match.
var explained = []struct{ form, mutant, want string }{
	{"step/head", "recalled before the decay", `its first operand is state "s" [1 2 4 4], the rule wants mul(s, exp), which is mul [1 2 4 4] (formulas_test.go:L) elsewhere; read mul here too`},
	{"step/head", "decayed for the recall alone", `its first operand is state "s" [1 2 4 4], the rule wants mul(s, exp); put mul with exp(g) around it`},
	{"step/head", "beta on v alone", `its second operand is sub [1 2 4 1] (formulas_test.go:L), the rule wants mul(beta, sub); put mul with beta around it`},
	{"step/head", "read before the write", `its first operand is mul [1 2 4 4] (formulas_test.go:L), the rule wants add(mul, mul), which is add [1 2 4 4] (formulas_test.go:L) elsewhere; read add here too`},
	{"step/head", "nothing recalled", `its first operand is input "v" [1 2 4 1], the rule wants sub(v, matmul); put sub with matmul(k, mul) around it`},
	{"step/head", "written at q, read at k", `its second operand is input "k" [1 2 1 4], the rule wants k, which is input "q" [1 2 1 4] elsewhere; read input "q" here too`},
	{"step/head", "outer product transposed", `the rule's mul(s, exp), read along other axes than elsewhere; look for a transpose`},
	{"step/head", "read along the values", `its second operand is add [1 2 4 4] (formulas_test.go:L), the rule's add(mul, mul), read along other axes than elsewhere; look for a transpose`},
	{"step/head", "recalled twice", `matmul [2 4 1] (formulas_test.go:L) is also read by sub [1 2 4 1] (formulas_test.go:L), and the rule would remove it; let sub read something else`},
	{"step/channel", "decay after the update", `its first operand is state "s" [1 2 4 4], the rule wants mul(s, exp); put mul with exp(g) around it`},
	{"step/channel", "heads in another order for k", `the rule wants k, which is concat [1 2 1 4] (formulas_test.go:L) elsewhere; read concat here too`},
	{"step/head", "exp0: is softplus", `its second operand is softplus [1 2 1 1] (operators_test.go:L), the rule wants exp(g); replace softplus by exp`},
	{"step/head", "exp0: left out for g", `its second operand is input "g" [1 2 1 1], the rule wants exp(g); put exp around it`},
	{"step/head", "sub0: is add", `its second operand is add [1 2 4 1] (operators_test.go:L), the rule wants sub(v, matmul); replace add by sub`},
	{"step/head", "sub0: negated", `its second operand is sub [1 2 4 1] (operators_test.go:L), with its operands the other way round than in the rule's sub(v, matmul); turn them round`},
	{"step/head", "mul0: negated", `sub [1 2 4 4] (forms_test.go:L), the rule wants add(mul, mul); replace sub by add`},
	{"step/head", "mul1: left out for mul0", `its second operand is sum_last [1 2 4 1] (forms_test.go:L), the rule wants matmul(k, mul); multiply by k before the sum`},
	{"step/head", "add0: left out for mul3", `mul [1 2 4 4] (forms_test.go:L), the rule wants add(mul, mul); put add with mul(s, exp) around it`},
	{"step/head", "mul3: a result too", `mul [1 2 4 4] (forms_test.go:L) is a result of the graph, and the rule would remove it`},
	{"chunks2/head", "cumsum0: summed along the chunks", `its first operand is cumsum [1 2 4 1 2] (formulas_test.go:L), not along the axes of the rule's cumsum(g) [1 2 2 1 4]`},
	{"chunks2/head", "cumsum0: summed without the token itself", `the rule wants cumsum(g); leave sub out`},
	{"chunks2/head", "tri2: with {Kind:upper}", `tri [1 2 2 4 4] (operators_test.go:L) {kind=upper}, the rule wants {kind=lower}; give it {kind=lower}`},
	{"chunks2/head", "matmul1: reads q transposed", `its first operand is input "q" [1 2 2 4 4], the rule's q, read along other axes than elsewhere`},
	{"chunks1/channel", "add0: left out for tri1", `its first operand is tri [1 2 1 4 4] (forms_test.go:L), the rule wants add(diag, tri); put add with diag(const) around it`},
	{"chunks1/channel", "sub2: with its operands turned round", `with its operands the other way round than in the rule's sub(matmul, matmul); turn them round`},
	{"layer/tiled", "l2_norm0: with {Mode:sum Eps:0.04}", `q is normalised with sum, eps 0.04, k with sum, eps 0.01`},
}

var number = regexp.MustCompile(`_test\.go:\d+`)

// TestExplain wants the nearest rule first and the right difference named, with
// the line that made the node.
func TestExplain(t *testing.T) {
	hand, made := byHand(t), map[string][]mutant{}
	for _, e := range explained {
		if made[e.form] == nil {
			for _, f := range forms {
				if f.name == e.form {
					list, written := f.mutants(t)
					made[e.form] = append(append(written, list...), hand[e.form]...)
				}
			}
		}
		found := false
		for _, m := range made[e.form] {
			if m.name != e.mutant {
				continue
			}
			found = true
			attempts, err := fuse.Explain(m.g, fuse.Options{}, "", "")
			if err != nil {
				t.Fatal(err)
			}
			said := "nothing"
			for _, a := range attempts {
				if !a.Fired {
					said = number.ReplaceAllString(a.String(), "_test.go:L")
					break
				}
			}
			if !strings.Contains(said, e.want) {
				t.Errorf("%s, %s: explain says\n\t%s\nwant\n\t%s", e.form, e.mutant, said, e.want)
			}
		}
		if !found {
			t.Errorf("%s has no mutant %q", e.form, e.mutant)
		}
	}
}
