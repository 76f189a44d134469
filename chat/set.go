package chat

import (
	"fmt"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// set is the tag {% set x = value if condition else other %}, or {% set x %} text
// {% endset %}. It is not the library's, whose expressions cannot be bound.
type set struct {
	at                       *tokens.Token
	target                   nodes.Expression
	value, condition, others nodes.Expression
	body                     *nodes.Wrapper
	of                       string // whose attribute the target is
}

func (s *set) Position() *tokens.Token { return s.at }
func (s *set) String() string          { return "set" }

func parseSet(p, args *parser.Parser) (nodes.ControlStructure, error) {
	s := &set{at: p.Current()}
	var err error
	if s.target, err = args.ParseVariableOrLiteral(); err != nil {
		return nil, err
	}
	switch s.target.(type) {
	case *nodes.Name, *nodes.GetAttribute:
	default:
		return nil, args.Error("only a name or an attribute can be set", s.at)
	}
	if args.Match(tokens.Assign) == nil {
		s.body, _, err = p.WrapUntil("endset")
	} else if s.value, err = args.ParseExpression(); err == nil {
		s.condition, s.others, err = args.ParseCondition()
	}
	if err == nil && !args.End() {
		err = args.Error("unexpected in a set tag", args.Current())
	}
	return s, err
}

func (b *binder) set(s *set) {
	if a, ok := s.target.(*nodes.GetAttribute); ok {
		s.of = a.Node.String()
		a.Node = b.expr(a.Node)
	}
	s.value, s.condition, s.others = b.expr(s.value), b.expr(s.condition), b.expr(s.others)
	b.wrapper(s.body)
}

func (s *set) Execute(r *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	value, err := s.result(r)
	if err != nil {
		return err
	}
	switch target := s.target.(type) {
	case *nodes.Name:
		r.Environment.Context.Set(target.Name.Val, value)
	case *nodes.GetAttribute:
		ns, ok := r.Eval(target.Node).Interface().(namespace)
		if !ok {
			return guardOf(r.Environment).failed(fmt.Errorf("%s.%s cannot be set: no namespace", s.of, target.Attribute))
		}
		ns[target.Attribute] = value
	}
	return nil
}

func (s *set) result(r *exec.Renderer) (any, error) {
	if s.body != nil {
		var b strings.Builder
		sub := r.Inherit()
		sub.Output = &b
		err := sub.ExecuteWrapper(s.body)
		return b.String(), err
	}
	from := s.value
	if s.condition != nil {
		c := r.Eval(s.condition)
		if c.IsError() {
			return nil, c
		}
		if !c.IsTrue() {
			from = s.others
		}
	}
	if from == nil {
		return nil, nil
	}
	v := r.Eval(from)
	if v.IsError() {
		return nil, v
	}
	return v.Interface(), nil
}
