package isa

import "golang.org/x/sys/cpu"

func native() (sets []Set) {
	x := &cpu.X86
	// Every processor with AVX2 and FMA converts half precision too (F16C).
	if !x.HasAVX2 || !x.HasFMA {
		return nil
	}
	sets = append(sets, AVX2)
	if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL && x.HasAVX512VNNI {
		sets = append(sets, AVX512)
	}
	return sets
}
