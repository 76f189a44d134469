module example.com/quickstart

go 1.26

require (
	github.com/deltaloom/deltaloom v0.0.0
	gorgonia.org/tensor v0.9.24
)

replace github.com/deltaloom/deltaloom => ../..
