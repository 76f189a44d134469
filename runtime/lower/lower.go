// Package lower reads off a node what the kernels of every backend need to know
// of it: which formula a coarse node stands for, with which sizes and
// attributes, and how the elements of a view lie.
package lower

import (
	"errors"
	"fmt"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/ops"
)

// errAnother is the error for a node whose body is none of the formulas.
var errAnother = fmt.Errorf("another body: %w", errors.ErrUnsupported)

var normed = []*graph.Op{ops.RMSNormOp}

func normEps(p params) float32 { return p[ops.RMSNormOp][0].(ops.RMSNormAttrs).Eps }
