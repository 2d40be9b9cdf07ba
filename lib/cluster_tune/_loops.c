/* The compiled loops of sIB and of Hartigan's k-means, each one pass over the documents or points.

Only arrays come in and go out; `_loops.py` calls this and sees to their types and shapes. Random numbers, checks and stopping are in `clustering`. Nothing here allocates memory or knows of Python, so that a C
compiler is all it takes to build. Left out: threads; several may call any of this at once on arrays of their own.

sIB. All logarithms are to base 2, and L(z) stands for z log z, zero at zero. S[y,t] is the sum of p(y|x) over the
members of cluster t and s[t] is their number. To put x, so far in no cluster, into t costs

    n d(x,t) = L(s[t] + 1) - L(s[t]) - sum over the words y of x of  L(S[y,t] + p(y|x)) - L(S[y,t]) - L(p(y|x)),

so that only the document's own words matter. With p = p(y|x) and d = log(S[y,t] / p), a word's addend is p F(d) with

    F(d) = (1 + u) log(1 + u) - u log u,  u = 2^d:  zero for a word that the cluster does not have, d + log e for one
    it has much of, and a smooth bend between.

What makes it fast: a table of log S lies word by word, so that a document reads a few short rows; and F is taken by a
polynomial in single precision for all clusters at once, so that no logarithm is needed at all. The p of a document
sum to one, so that a cost is off by no more than F is, BEND_ERROR.
What keeps it exact: the clusters that this leaves in doubt, few, are computed again in double precision, from sums in
fixed point. */

#include <math.h>
#include <stdint.h>
#include <string.h>

/* GCC on Linux compiles every loop for several processors, and the best fit is taken when the library is loaded. */
#if !defined(CLONES)
#if !defined(__x86_64__) || !defined(__GLIBC__) || !defined(__GNUC__) || defined(__clang__)
#define CLONES
#elif __GNUC__ >= 12
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#endif
#endif
#if defined(_MSC_VER)
#define PUBLIC __declspec(dllexport)
#define PUBLIC_DATA __declspec(dllexport)
#define INLINE static __forceinline
#define restrict __restrict
void PyInit__compiled(void) {} /* the linker is told to look for it; nobody calls it */
#else
#define PUBLIC CLONES
#define PUBLIC_DATA
#define INLINE static inline __attribute__((always_inline))
#endif

enum {
    LANES = 16, /* numbers taken at a time: one AVX-512 register, and where there are only shorter ones, several */
    SHIFT = 40, /* binary places of p(y|x) and S as integers: sums are exact, and a cell is zero just where no member has y */
};

static const double UNIT = 1.0 / ((int64_t)1 << SHIFT);
static const float HUGE_COST = 1e30f;                /* of a column that is no cluster; finite, see the build's flags */

/* F(d) is within BEND_ERROR of BEND(c) + max(d, LOW) - c with c = d put between LOW and HIGH (least maximum error by
linear programming; lowest power first). In the cluster that has x, with e = log(S / p), the addend with x drawn out is
p F(log(2^e - 1)); that F is within BEND_ERROR of OWN(c) + e - c with c = e up to OWN_HIGH, where OWN is a polynomial
and, last, the factor of a root. One word adds less than WORD_ERROR to a cost's error: sums stay below 64, and a float
has 24 places. */
#define BEND_TERMS {2.01042843f, 0.67833894f, 0.06206079f, -0.00214046f, -0.0003987f}
#define OWN_TERMS {-0.01651765f, 1.57797289f, -0.3932648f, 0.089936f, -0.00733217f, 0.7620997f}
#define LOW -8.0f
#define HIGH 4.5f
#define OWN_HIGH 4.5f
#define BEND_ERROR 0.01846f
#define WORD_ERROR (1.0f / 65536)
static const float BEND[] = BEND_TERMS, OWN[] = OWN_TERMS;
/* For Python to read. */
#if !defined(DIGEST)
#define DIGEST ""
#endif
PUBLIC_DATA const char sib_digest[] = DIGEST; /* of this file, as it was compiled */
PUBLIC_DATA const int32_t sib_sizes[] = {LANES, SHIFT};
PUBLIC_DATA const float sib_bend[] = BEND_TERMS;
PUBLIC_DATA const float sib_own[] = OWN_TERMS;
PUBLIC_DATA const float sib_limits[] = {LOW, HIGH, OWN_HIGH, BEND_ERROR, WORD_ERROR};

/* ---- logarithms */

/* The logarithm to base 2 of z > 0; some finite number for z = 0, so that z * log2_of(z) is right there too. */
INLINE double log2_of(double z)
{
    int64_t bits, exponent;
    double m, q, w, series;
    memcpy(&bits, &z, 8);
    exponent = (bits - 0x3FE6A09E667F3BCD) >> 52; /* the bits of the root of 1/2 */
    bits -= (int64_t)((uint64_t)exponent << 52);
    memcpy(&m, &bits, 8);
    q = (m - 1) / (m + 1);
    w = q * q;
    series = 1. / 13 + w * (1. / 15 + w * (1. / 17 + w * (1. / 19 + w * (1. / 21))));
    series = 1 + w * (1. / 3 + w * (1. / 5 + w * (1. / 7 + w * (1. / 9 + w * (1. / 11 + w * series)))));
    return (double)exponent + 2.8853900817779268 * q * series; /* 2 / ln 2 */
}

/* The same in single precision, about -127 for z = 0. log2(1 + f) / f between the roots of 1/2 and 2, lowest power
first, is off by at most 3.1e-7: least squares, reweighted until the errors were even. */
INLINE float log2_single(float z)
{
    int32_t bits, exponent;
    float f, series;
    memcpy(&bits, &z, 4);
    exponent = (bits - 0x3F3504F3) >> 23; /* the bits of the root of 1/2 */
    bits -= (int32_t)((uint32_t)exponent << 23);
    memcpy(&f, &bits, 4);
    f -= 1;
    series = -0.2726965f + f * 0.17063127f;
    series = 0.4804649f + f * (-0.35896206f + f * (0.29726309f + f * series));
    series = 1.44269967f + f * (-0.72137588f + f * series);
    return (float)exponent + f * series;
}

/* z log z, zero at zero. */
INLINE double L(double z) { return z * log2_of(z); }

PUBLIC double sib_L(double z) { return L(z); }

/* L(s + 1) - L(s): what it costs that a cluster of s documents grows by one. */
INLINE double step(int64_t s) { return L(s + 1.0) - L(s + 0.0); }

PUBLIC double sib_step(int64_t s) { return step(s); }

/* ---- tables */

/* S (v, k) in fixed point and s (k), from zeros; documents without words do not count. */
PUBLIC void sib_tabulate(int64_t n, const int64_t *indptr, const int32_t *words, const int64_t *weights,
                         const int32_t *labels, int64_t k, int64_t *table, int64_t *size)
{
    for (int64_t x = 0; x < n; x++) {
        size[labels[x]] += indptr[x] < indptr[x + 1];
        for (int64_t j = indptr[x]; j < indptr[x + 1]; j++)
            table[words[j] * k + labels[x]] += weights[j];
    }
}

/* log p and p in single precision, (cells). */
PUBLIC void sib_singles(int64_t cells, const int64_t *restrict weights, float *restrict log_p, float *restrict p)
{
    for (int64_t j = 0; j < cells; j++) {
        p[j] = (float)(weights[j] * UNIT);
        log_p[j] = log2_single(p[j]);
    }
}

/* log S in single precision, (v, columns), of which the first k are written. */
PUBLIC void sib_logarithms(int64_t v, int64_t k, int64_t columns, const int64_t *restrict table, float *restrict logs)
{
    for (int64_t y = 0; y < v; y++)
        for (int64_t t = 0; t < k; t++)
            logs[y * columns + t] = log2_single((float)(table[y * k + t] * UNIT));
}

/* I(T;Y) in bits of the joint distribution in the table. */
PUBLIC double sib_information(int64_t v, int64_t k, const int64_t *table, const int64_t *size)
{
    double cells = 0, words = 0, clusters = 0;
    int64_t n = 0;
    for (int64_t y = 0; y < v; y++) {
        int64_t whole = 0;
        for (int64_t t = 0; t < k; t++) {
            cells += L(table[y * k + t] * UNIT);
            whole += table[y * k + t];
        }
        words += L(whole * UNIT);
    }
    for (int64_t t = 0; t < k; t++) {
        clusters += L((double)size[t]);
        n += size[t];
    }
    return (cells - words - clusters + L((double)n)) / (double)n;
}

/* I(X;Y) in bits of n documents with words, each weighing the same; `totals` (v) comes as zeros. */
PUBLIC double sib_input_information(int64_t cells, const int32_t *words, const int64_t *weights, int64_t v,
                                    int64_t *totals, int64_t n)
{
    double whole = 0, parts = 0;
    for (int64_t j = 0; j < cells; j++) {
        totals[words[j]] += weights[j];
        parts += L(weights[j] * UNIT);
    }
    for (int64_t y = 0; y < v; y++)
        whole += L(totals[y] * UNIT);
    return (parts - whole) / (double)n + log2_of((double)n);
}

/* ---- one document. Its m words, their weights in fixed point, log p and p. */

/* The cost of putting it, drawn out of its cluster `own`, into t, but for what is the same for all t. `gains` is room
for m doubles. The sum is taken in the words' order and, by the build's flags, rounded alike on every processor, so that
ties are decided alike. */
INLINE double exact_cost(int64_t m, const int32_t *words, const int64_t *weights, int64_t t, int64_t own, int64_t k,
                         const int64_t *table, const int64_t *size, double *restrict gains)
{
    int64_t back = t == own;
    double gain = 0;
    for (int64_t j = 0; j < m; j++) {
        int64_t s = table[words[j] * k + t] - back * weights[j];
        gains[j] = L((s + weights[j]) * UNIT) - L(s * UNIT);
    }
    for (int64_t j = 0; j < m; j++)
        gain += gains[j];
    return step(size[t] - back) - gain;
}

PUBLIC double sib_exact_cost(int64_t m, const int32_t *words, const int64_t *weights, int64_t t, int64_t own,
                             int64_t k, const int64_t *table, const int64_t *size, double *gains)
{
    return exact_cost(m, words, weights, t, own, k, table, size, gains);
}

/* The sum of p F for its own cluster with itself drawn out, F as by OWN. */
INLINE float own_gain(int64_t m, const int32_t *words, const float *log_p, const float *p, int64_t own,
                      int64_t columns, const float *logs)
{
    float parts[LANES] = {0}, gain = 0;
    for (int64_t at = 0; at < m; at += LANES)
        for (int i = 0; i < LANES; i++) {
            int64_t j = at + i < m ? at + i : m - 1; /* past the end the last word again, for nothing */
            float e = logs[words[j] * columns + own] - log_p[j], c;
            e = e > 0 ? e : 0;
            c = e < OWN_HIGH ? e : OWN_HIGH;
            e += OWN[5] * sqrtf(c) + OWN[0] + c * (OWN[1] - 1 + c * (OWN[2] + c * (OWN[3] + c * OWN[4])));
            parts[i] += at + i < m ? p[j] * e : 0;
        }
    for (int i = 0; i < LANES; i++)
        gain += parts[i];
    return gain;
}

/* n d(x,t) for every cluster t in single precision, but for what is the same for all t, x still being in `own`.
`steps` (columns) has each cluster's step, at `own` with x drawn out; `costs` (columns) is filled. They are right to
BEND_ERROR, and WORD_ERROR for each word. */
INLINE void fast_costs(int64_t m, const int32_t *words, const float *log_p, const float *p, int64_t own,
                       int64_t columns, const float *steps, const float *logs, float *restrict costs)
{
    for (int64_t t = 0; t < columns; t++)
        costs[t] = steps[t] - BEND[0];
    for (int64_t j = 0; j < m; j++) {
        const float *restrict row = logs + words[j] * columns;
        for (int64_t at = 0; at < columns; at += LANES) {
            float next[LANES]; /* read all, then write all: no doubt for the compiler whether they overlap */
            for (int i = 0; i < LANES; i++) {
                float d = row[at + i] - log_p[j], c;
                d = d > LOW ? d : LOW;
                c = d < HIGH ? d : HIGH;
                next[i] = costs[at + i] - p[j] * (d + c * (BEND[1] - 1 + c * (BEND[2] + c * (BEND[3] + c * BEND[4]))));
            }
            memcpy(costs + at, next, sizeof next);
        }
    }
    costs[own] = steps[own] - own_gain(m, words, log_p, p, own, columns, logs);
}

PUBLIC void sib_fast_costs(int64_t m, const int32_t *words, const float *log_p, const float *p, int64_t own,
                           int64_t columns, const float *steps, const float *logs, float *costs)
{
    fast_costs(m, words, log_p, p, own, columns, steps, logs, costs);
}

/* Add it to cluster t, or with sign -1 draw it out. */
INLINE void put(int64_t m, const int32_t *words, const int64_t *weights, int64_t t, int64_t k, int64_t columns,
                int64_t *table, int64_t *size, float *logs, int64_t sign)
{
    size[t] += sign;
    for (int64_t j = 0; j < m; j++) {
        int64_t cell = table[words[j] * k + t] += sign * weights[j];
        logs[words[j] * columns + t] = log2_single((float)(cell * UNIT));
    }
}

/* ---- passes */

/* One pass of sIB: draw each document of `order` (n) out of its cluster and put it where it costs least. Of equal
costs that of its own cluster wins, then that of the lowest number. Returns how many documents moved; `grown` is by how
much n I(T;Y) grew. Labels and tables are changed in place. `gains` is room for the words of the longest document,
`steps` and `costs` are room for `columns` numbers. */
PUBLIC int64_t sib_sweep(int64_t n, const int64_t *order, const int64_t *indptr, const int32_t *all_words,
                         const int64_t *all_weights, const float *all_log_p, const float *all_p, int32_t *labels,
                         int64_t k, int64_t columns, int64_t *table, int64_t *size, float *logs, double *gains,
                         float *restrict steps, float *restrict costs, double *grown)
{
    int64_t moved = 0;
    *grown = 0;
    for (int64_t t = 0; t < columns; t++)
        steps[t] = t < k ? (float)step(size[t]) : HUGE_COST;
    for (int64_t i = 0; i < n; i++) {
        int64_t x = order[i], own = labels[x], start = indptr[x], m = indptr[x + 1] - start;
        const int32_t *words = all_words + start;
        const int64_t *weights = all_weights + start;
        if (!m)
            continue;
        steps[own] = (float)step(size[own] - 1);
        fast_costs(m, words, all_log_p + start, all_p + start, own, columns, steps, logs, costs);
        float stay = costs[own], least = HUGE_COST, doubt = 2 * (BEND_ERROR + m * WORD_ERROR);
        costs[own] = HUGE_COST;
        for (int64_t t = 0; t < columns; t++)
            least = costs[t] < least ? costs[t] : least;
        if (least <= stay + doubt) {
            float limit = (stay < least ? stay : least) + doubt;
            int64_t best = own;
            double before = exact_cost(m, words, weights, own, own, k, table, size, gains), lowest = before;
            for (int64_t t = 0; t < k; t++)
                if (costs[t] <= limit) {
                    double cost = exact_cost(m, words, weights, t, own, k, table, size, gains);
                    if (cost < lowest) {
                        best = t;
                        lowest = cost;
                    }
                }
            if (best != own) {
                put(m, words, weights, own, k, columns, table, size, logs, -1);
                put(m, words, weights, best, k, columns, table, size, logs, 1);
                labels[x] = (int32_t)best;
                moved++;
                *grown += before - lowest;
                steps[best] = (float)step(size[best]);
            }
        }
        steps[own] = (float)step(size[own]);
    }
    return moved;
}

/* n d(x,t) of each of m documents, as one more beside those in the table: `costs` (m, k), from zeros. Documents
without words keep them. `known` is room for (v, k) doubles. */
PUBLIC void sib_all_costs(int64_t m, const int64_t *indptr, const int32_t *words, const int64_t *weights, int64_t v,
                          int64_t k, const int64_t *restrict table, const int64_t *restrict size,
                          double *restrict known, double *restrict costs)
{
    for (int64_t cell = 0; cell < v * k; cell++)
        known[cell] = L(table[cell] * UNIT);
    for (int64_t x = 0; x < m; x++) {
        double *restrict row = costs + x * k;
        for (int64_t t = 0; t < k && indptr[x] < indptr[x + 1]; t++)
            row[t] = step(size[t]);
        for (int64_t j = indptr[x]; j < indptr[x + 1]; j++) {
            double p = weights[j] * UNIT, alone = L(p);
            for (int64_t t = 0; t < k; t++) {
                int64_t cell = words[j] * k + t;
                row[t] += alone + known[cell] - L(table[cell] * UNIT + p);
            }
        }
    }
}

/* ---- Hartigan's k-means. To put a point x, so far in no cluster, into cluster t of s[t] points with centre c[t] adds
s[t] / (s[t] + 1) |x - c[t]|^2 to the inertia. What its removal from its own cluster of s points takes off is
s / (s - 1) |x - c|^2 with x still in the centre, and nothing if it is alone there. */

INLINE double squared_distance(int64_t d, const double *x, const double *c)
{
    double parts[LANES] = {0}, total = 0;
    int64_t at = 0;
    for (; at + LANES <= d; at += LANES)
        for (int i = 0; i < LANES; i++)
            parts[i] += (x[at + i] - c[at + i]) * (x[at + i] - c[at + i]);
    for (; at < d; at++)
        total += (x[at] - c[at]) * (x[at] - c[at]);
    for (int i = 0; i < LANES; i++)
        total += parts[i];
    return total;
}

/* One pass: each point of `order` (n), drawn out of its cluster, goes where it adds least to the inertia. Of equal
costs the old cluster wins, then the lowest number. Returns how many moved; `fallen` is by how much the inertia fell.
Labels, centres (k, d) and sizes (k) are changed in place; the centre of a cluster left empty stays where it was. */
PUBLIC int64_t hartigan_sweep(int64_t n, const int64_t *order, int64_t d, const double *restrict points,
                              int32_t *restrict labels, int64_t k, double *restrict centers, int64_t *restrict size,
                              double *fallen)
{
    int64_t moved = 0;
    *fallen = 0;
    for (int64_t i = 0; i < n; i++) {
        const double *x = points + order[i] * d;
        int64_t own = labels[order[i]], best = own;
        if (size[own] == 1)
            continue;
        double stay = size[own] / (size[own] - 1.0) * squared_distance(d, x, centers + own * d), least = stay;
        for (int64_t t = 0; t < k; t++)
            if (t != own) {
                double cost = size[t] / (size[t] + 1.0) * squared_distance(d, x, centers + t * d);
                if (cost < least) {
                    best = t;
                    least = cost;
                }
            }
        if (best == own)
            continue;
        size[own]--;
        for (int64_t j = 0; j < d; j++)
            centers[own * d + j] += (centers[own * d + j] - x[j]) / size[own];
        size[best]++;
        for (int64_t j = 0; j < d; j++)
            centers[best * d + j] += (x[j] - centers[best * d + j]) / size[best];
        labels[order[i]] = (int32_t)best;
        moved++;
        *fallen += stay - least;
    }
    return moved;
}
