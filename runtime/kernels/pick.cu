// The token of a row that sample.Draw picks of its likeliest ones, to the last bit: so
// here alone numbers are of double precision, and operations rounded one by one.

DEV double times(double a, double b) { return __nvvm_mul_rn_d(a, b); }
DEV double plus(double a, double b) { return __nvvm_add_rn_d(a, b); }

// 1/13!, 1/12! and so on to 1/0!.
struct Series {
  double c[14];
  constexpr Series() : c() {
    double term = 1.0;
    for (int n = 0; n < 14; n++) c[13 - n] = term, term /= n + 1;
  }
};

// e to the power of x ≤ 0, as package sample computes it.
DEV double exp_below(double x) {
  if (!(x > -708.0)) return 0.0;
  constexpr Series series;
  const double k = __builtin_floor(plus(times(x, 1.44269504088896340736), 0.5));
  const double r = plus(plus(x, -times(k, 6.93147180369123816490e-01)), -times(k, 1.90821492927058770002e-10));
  double sum = 0.0;
  UNROLL for (int i = 0; i < 14; i++) sum = plus(times(sum, r), series.c[i]);
  return times(__builtin_bit_cast(double, (ulong64)((long long)k + 1023) << 52), sum);
}

DEV double double_at(const int *words) {
  return __builtin_bit_cast(double, (ulong64)(uint)words[0] | (ulong64)(uint)words[1] << 32);
}

// The threads of a block weigh the K tokens of a row, the largest logit first; one of
// them picks, as sums have an order.
#define THREADS 64
#define MOST 512
#define WORDS 9
struct PickParams { uint k; };

KERNEL(pick, THREADS, BUF(0, const float, logits), BUF(1, const int, ids), BUF(2, const int, draw), BUF(3, int, y), PARAMS(4, PickParams, p)) {
  SHARED double weight[MOST], tempered[MOST];
  logits += (ulong64)BID_X * p.k, ids += (ulong64)BID_X * p.k, draw += BID_X * WORDS;
  const double temperature = double_at(draw + 3), top_p = double_at(draw + 5), min_p = double_at(draw + 7);

  uint first = 0;
  while (first < p.k && !(logits[first] - logits[first] == 0.0f)) first++;
  const double high = first < p.k ? logits[first] : 0.0f;
  for (uint i = TID_X; i < p.k; i += THREADS) {
    const bool finite = logits[i] - logits[i] == 0.0f;
    const double x = plus(logits[i], -high);
    weight[i] = finite ? exp_below(x) : -1.0; // left out
    tempered[i] = temperature == 1.0 ? weight[i] : exp_below(__nvvm_div_rn_d(x, temperature));
  }
  BARRIER();
  if (TID_X != 0) return;

  // Tokens are first, …, end-1 but for those left out.
  uint end = first;
  double sum = 0.0;
  for (int n = draw[0] > 1 ? draw[0] : 1; end < p.k && n > 0; end++)
    if (weight[end] >= 0.0) sum = plus(sum, weight[end]), n--;
  if (temperature == 0.0) {
    end = first < p.k ? first + 1 : first;
  } else if (top_p > 0.0 && top_p < 1.0) {
    const double enough = times(top_p, sum);
    double have = 0.0;
    for (uint i = first; i < end; i++) {
      if (weight[i] >= 0.0) have = plus(have, weight[i]);
      if (have >= enough) end = i + 1;
    }
  }
  sum = 0.0;
  for (uint i = first; i < end; i++)
    if (weight[i] >= 0.0 && !(weight[i] < min_p)) sum = plus(sum, tempered[i]);
  const ulong64 random = (ulong64)(uint)draw[1] | (ulong64)(uint)draw[2] << 32;
  double at = times(times((double)(random >> 11), 1.0 / 9007199254740992.0), sum);
  uint token = first; // the last one if rounding leaves something
  for (uint i = first; i < end && !(at < 0.0); i++) {
    if (!(weight[i] >= 0.0) || weight[i] < min_p) continue;
    at = plus(at, -tempered[i]), token = i;
  }
  y[BID_X] = first < p.k ? ids[token] : -1;
}
