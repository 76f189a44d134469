// The gate of the norm behind a delta net.
#pragma once

// gated is x·w · gate(z).
DEV float gated(float x, float w, float z, bool sigmoid) { return x * w * (sigmoid ? k_sigmoid(z) : k_silu(z)); }
