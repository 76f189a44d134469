// Package sample picks the next token of a text from a model's logits.
package sample

import (
	"fmt"
	"math"
)

// Options say how a token is picked. The zero value always takes the most likely one.
//
// Steps come in this order, each on what the one before has left: penalties, TopK,
// TopP, MinP, Temperature. Probabilities of TopP and MinP are those of the logits
// before they are divided by the temperature.
type Options struct {
	Temperature float64 // divides the logits; 0: the most likely token
	TopK        int     // keeps so many of the most likely tokens; 0: all
	TopP        float64 // keeps the fewest of the most likely tokens that have this probability together; 0 and 1: all
	MinP        float64 // keeps tokens at least so many times as likely as the likeliest; 0: all

	// Penalties are for tokens among the last PenaltyWindow ones, 64 where that is 0.
	RepeatPenalty    float64 // divides positive logits and multiplies others; 0 and 1: none
	FrequencyPenalty float64 // is taken away once for each time
	PresencePenalty  float64 // is taken away once
	PenaltyWindow    int

	Seed uint64 // of the random numbers
}

const defaultWindow = 64

// Check returns an error that names the first field that makes no sense.
func (o Options) Check() error {
	for _, f := range []struct {
		name      string
		value     float64
		least, to float64
	}{
		{"Temperature", o.Temperature, 0, math.MaxFloat64},
		{"TopK", float64(o.TopK), 0, math.MaxInt32},
		{"TopP", o.TopP, 0, 1},
		{"MinP", o.MinP, 0, 1},
		{"RepeatPenalty", o.RepeatPenalty, 0, math.MaxFloat64},
		{"FrequencyPenalty", o.FrequencyPenalty, -math.MaxFloat64, math.MaxFloat64},
		{"PresencePenalty", o.PresencePenalty, -math.MaxFloat64, math.MaxFloat64},
		{"PenaltyWindow", float64(o.PenaltyWindow), 0, math.MaxInt32},
	} {
		if !(f.value >= f.least && f.value <= f.to) { // NaN neither
			return fmt.Errorf("sample: %s %v: want a number from %v to %v", f.name, f.value, f.least, f.to)
		}
	}
	return nil
}

// penalised tells whether logits depend on tokens that came before.
func (o Options) penalised() bool {
	return o.RepeatPenalty != 0 && o.RepeatPenalty != 1 || o.FrequencyPenalty != 0 || o.PresencePenalty != 0
}
