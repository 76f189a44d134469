package ops

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/quant"
)

// Results are the named tensors that a run has computed. They may share memory
// with the feeds and with each other.
type Results struct {
	Outputs map[string]graph.Tensor
	States  map[string]graph.Tensor // the next value of each state that has one
}

// Option changes how Run and EvalNode work.
type Option func(*options)

type options struct {
	ctx   context.Context
	round quant.Rounding
	limit int64
}

// WithContext stops a run between two nodes when ctx ends.
func WithContext(ctx context.Context) Option { return func(o *options) { o.ctx = ctx } }

// RoundActivations makes the products with a weight that is not f32 round the
// other operand as quant.RoundActivations does. An op that has both an Eval and a
// Decompose and takes such a weight is then evaluated through its Decompose.
func RoundActivations(mode quant.Rounding) Option { return func(o *options) { o.round = mode } }

// MaxBytes bounds the memory that a run's own values take at any one time; a run
// that would need more fails. The bound is 64 GiB where the option is not given.
func MaxBytes(n int64) Option { return func(o *options) { o.limit = n } }

func optionsOf(opts []Option) *options {
	o := &options{ctx: context.Background(), limit: 64 << 30}
	for _, f := range opts {
		f(o)
	}
	return o
}

// Run is the reference evaluator: each node by its Eval, one after another.
// feeds holds every input, weight and state of the graph by name; other names in
// it are passed over, and nothing in it is written to.
func Run(g *graph.Graph, feeds map[string]graph.Tensor, opts ...Option) (*Results, error) {
	return run(g, feeds, optionsOf(opts))
}

func run(g *graph.Graph, feeds map[string]graph.Tensor, o *options) (*Results, error) {
	last := lastUses(g)
	values := make([][]graph.Tensor, g.MaxID())
	var live int64
	for step, n := range g.Nodes() {
		if err := o.ctx.Err(); err != nil {
			return nil, fmt.Errorf("%s: %w", graph.Label(n), err)
		}
		if n.IsLeaf() && n.Op() != graph.ConstOp {
			t, err := feed(n, feeds)
			if err != nil {
				return nil, err
			}
			values[n.ID()] = []graph.Tensor{t}
			continue
		}
		in := make([]graph.Tensor, n.NumIn())
		for i := range in {
			v := n.In(i)
			in[i] = values[v.Node().ID()][v.Index()]
		}
		size := bytesOf(n)
		if live += size; size > o.limit || live > o.limit {
			return nil, fmt.Errorf("%s: values in use would exceed %d bytes", graph.Label(n), o.limit)
		}
		out := make([]graph.Tensor, n.NumOut())
		for i := range out {
			out[i] = graph.NewTensor(n.Out(i).Shape())
		}
		if err := evalNode(n, in, out, o); err != nil {
			return nil, err
		}
		values[n.ID()] = out
		for i := range in {
			if p := n.In(i).Node(); last[p.ID()] == step && values[p.ID()] != nil {
				if values[p.ID()] = nil; !p.IsLeaf() {
					live -= bytesOf(p)
				}
			}
		}
	}
	r := &Results{Outputs: map[string]graph.Tensor{}, States: map[string]graph.Tensor{}}
	for _, out := range g.Outputs() {
		r.Outputs[out.Name] = values[out.Value.Node().ID()][out.Value.Index()]
	}
	for _, s := range g.States() {
		r.States[s.State.Node().Name()] = values[s.Next.Node().ID()][s.Next.Index()]
	}
	return r, nil
}

func bytesOf(n *graph.Node) int64 {
	var size int64
	for i := range n.NumOut() {
		size += n.Out(i).Shape().Bytes()
	}
	return size
}

// lastUses returns, by node ID, the place in the order of the nodes after which
// the node's results are not needed; results of the graph are needed beyond the
// last one.
func lastUses(g *graph.Graph) []int {
	last := make([]int, g.MaxID())
	for step, n := range g.Nodes() {
		for i := range n.NumIn() {
			last[n.In(i).Node().ID()] = step
		}
	}
	for _, o := range g.Outputs() {
		last[o.Value.Node().ID()] = len(g.Nodes())
	}
	for _, s := range g.States() {
		last[s.Next.Node().ID()] = len(g.Nodes())
	}
	return last
}

func feed(n *graph.Node, feeds map[string]graph.Tensor) (graph.Tensor, error) {
	t, ok := feeds[n.Name()]
	want := n.Out(0).Shape()
	switch {
	case !ok:
		return t, fmt.Errorf("%s: not fed, want %v", graph.Label(n), want)
	case t.Shape != want:
		return t, fmt.Errorf("%s: fed %v, want %v", graph.Label(n), t.Shape, want)
	}
	if err := t.Check(); err != nil {
		return t, fmt.Errorf("%s: fed %w", graph.Label(n), err)
	}
	return t, nil
}

// EvalNode computes the results of one node from its operands. out is allocated
// by the caller; a result may share the memory of an operand where the op's
// InPlace says so and the shapes are equal. What is wrong with the data, such as
// a row number out of range, comes back as an error that names the node.
func EvalNode(n *graph.Node, in, out []graph.Tensor, opts ...Option) error {
	if n.NumIn() != len(in) || n.NumOut() != len(out) || n.NumOut() == 0 {
		return fmt.Errorf("%s: %d operands and %d results, want %d and %d", graph.Label(n), len(in), len(out), n.NumIn(), n.NumOut())
	}
	for i, t := range in {
		if err := fitsShape(t, n.In(i).Shape()); err != nil {
			return fmt.Errorf("%s: operand %d: %w", graph.Label(n), i, err)
		}
	}
	for i, t := range out {
		if err := fitsShape(t, n.Out(i).Shape()); err != nil {
			return fmt.Errorf("%s: result %d: %w", graph.Label(n), i, err)
		}
	}
	return evalNode(n, in, out, optionsOf(opts))
}

func fitsShape(t graph.Tensor, want graph.Shape) error {
	if t.Shape != want {
		return fmt.Errorf("%v, want %v", t.Shape, want)
	}
	return t.Check()
}

func evalNode(n *graph.Node, in, out []graph.Tensor, o *options) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case dataError:
			err = r.error
		default:
			err = fmt.Errorf("panic: %v", r)
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", graph.Label(n), err)
		}
	}()
	op := n.Op()
	product := rounded[op]
	switch {
	case product != nil:
		product(in, out, o.round)
	case op.Eval != nil && !(o.round != quant.Float && op.Decompose != nil && hasWeight(in)):
		op.Eval(in, n.Attrs(), out)
	case op.Decompose != nil:
		return evalDecomposed(n, in, out, o)
	default:
		return errors.New("the op has neither Eval nor Decompose")
	}
	return nil
}

// rounded are the products under RoundActivations.
var rounded = map[*graph.Op]func(in, out []graph.Tensor, mode quant.Rounding){
	MatMulOp: func(in, out []graph.Tensor, mode quant.Rounding) { evalMatMul(in[0], in[1], out[0], mode) },
	ExpertMatMulOp: func(in, out []graph.Tensor, mode quant.Rounding) {
		evalExpertMatMul(in[0], in[1], in[2], out[0], mode)
	},
}

func hasWeight(in []graph.Tensor) bool {
	for _, t := range in {
		if t.Shape.DType != graph.F32 && t.Shape.DType != graph.I32 {
			return true
		}
	}
	return false
}

// evalDecomposed runs what the node means as a graph of its own.
func evalDecomposed(n *graph.Node, in, out []graph.Tensor, o *options) error {
	feeds := map[string]graph.Tensor{}
	for i, t := range in {
		feeds[strconv.Itoa(i)] = t
	}
	g, err := meaning(n, in, out)
	if err != nil {
		return err
	}
	r, err := run(g, feeds, o)
	if err != nil {
		return err
	}
	for i := range out {
		copyAll([]graph.Tensor{r.Outputs[strconv.Itoa(i)]}, nil, out[i:i+1])
	}
	return nil
}

// meaning returns what the node computes as a graph of inputs and outputs named
// 0, 1, …: its body, if it is a coarse node.
func meaning(n *graph.Node, in, out []graph.Tensor) (*graph.Graph, error) {
	if a, ok := n.Attrs().(CoarseAttrs); ok {
		return a.Body.Graph(), nil
	}
	b := graph.NewBuilder()
	args := make([]graph.Value, len(in))
	for i, t := range in {
		args[i] = b.Input(strconv.Itoa(i), t.Shape)
	}
	values := n.Op().Decompose(args, n.Attrs())
	if len(values) != len(out) {
		return nil, fmt.Errorf("decomposes to %d results, has %d", len(values), len(out))
	}
	for i, v := range values {
		if v.Shape() != out[i].Shape && b.Err() == nil {
			return nil, fmt.Errorf("decomposes to result %d of shape %v, has %v", i, v.Shape(), out[i].Shape)
		}
		b.Output(strconv.Itoa(i), v)
	}
	return b.Build()
}
