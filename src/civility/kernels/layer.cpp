// The element-wise work between the matrix products of a transformer layer, each part in one pass over memory.
//
// Numbers are stored as float or bfloat16 (T) and computed with as float. S tokens, E width of a layer, H heads of width
// D; a run is `num` texts of `length` tokens. Arrays are contiguous. What dropout keeps is a function of key, row and
// column, so a backward pass draws again what its forward pass drew. Sums over rows are per thread: (threads, ...).

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include <omp.h>

namespace {

struct Half {  // bfloat16
    uint16_t bits;
};

inline float up(float x) { return x; }
inline float up(Half x) {
    uint32_t bits = uint32_t(x.bits) << 16;
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}
inline void put(float &place, float x) { place = x; }
inline void put(Half &place, float x) {  // to the nearest, ties to even; NaN stays NaN
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    place.bits = uint16_t((bits & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : rounded);
}

// exp, to 3e-7 of its value; 0 below -87. In integers and products, which every compiler vectorises.
inline float exponential(float x) {
    const float bounded = std::min(std::max(x, -87.0f), 88.0f), k = std::floor(bounded * 1.44269504f + 0.5f);
    const float r = (bounded - k * 0.693359375f) + k * 2.12194440e-4f;
    const float p = 1 + r * (1 + r * (0.5f + r * (0.166666667f + r * (0.0416666667f + r * (8.3333333e-3f + r * 1.3888889e-3f)))));
    const int32_t bits = (int32_t(k) + 127) << 23;
    float power;
    std::memcpy(&power, &bits, 4);
    return x < -87.0f ? 0.0f : p * power;
}

inline uint32_t mixed(uint32_t x) {  // "lowbias32" of Chris Wellons' hash prospector
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ (x >> 16);
}

struct Dropout {
    uint64_t key;
    uint32_t limit;  // a draw below it drops the element: share * 2^32
    float scale;     // 1 / (1 - share)

    uint32_t of_row(int64_t row) const {
        return mixed(mixed(uint32_t(key) ^ uint32_t(row)) + uint32_t(key >> 32) + uint32_t(uint64_t(row) >> 32));
    }
    float factor(uint32_t row_key, int64_t column) const {
        return mixed(row_key + uint32_t(column) * 0x9e3779b9u) < limit ? 0.0f : scale;
    }
};

// out = LayerNorm(dropout(product + bias) + residual), also rounded to T unless out_low is null.
template <class T>
void norm_forward(const T *product, const float *bias, const float *residual, const float *gain, const float *shift,
                  float *out, T *out_low, float *normed, float *inverse, int64_t rows, int64_t width, int64_t threads,
                  float epsilon, Dropout dropout) {
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t row = 0; row < rows; ++row) {
        const int64_t start = row * width;
        const uint32_t row_key = dropout.of_row(row);
        float *z = normed + start, sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < width; ++j) {
            float x = (up(product[start + j]) + bias[j]) * dropout.factor(row_key, j) + residual[start + j];
            z[j] = x;
            sum += x;
        }
        const float mean = sum / width;
#pragma omp simd reduction(+ : squares)
        for (int64_t j = 0; j < width; ++j) squares += (z[j] - mean) * (z[j] - mean);
        const float scale = 1.0f / std::sqrt(squares / width + epsilon);
        inverse[row] = scale;
#pragma omp simd
        for (int64_t j = 0; j < width; ++j) {
            float x = (z[j] - mean) * scale;
            z[j] = x;
            x = x * gain[j] + shift[j];
            out[start + j] = x;
            if (out_low) put(out_low[start + j], x);
        }
    }
}

// The gradient is the sum of that of out and that of out_low; either may be null. sums: (threads, 3, E), of gain, shift
// and bias.
template <class T>
void norm_backward(const float *gradient, const T *gradient_low, const float *normed, const float *inverse,
                   const float *gain, float *to_residual, T *to_product, float *sums, int64_t rows, int64_t width,
                   int64_t threads, Dropout dropout) {
#pragma omp parallel num_threads(threads)
    {
        float *to_gain = sums + 3 * width * omp_get_thread_num(), *to_shift = to_gain + width, *to_bias = to_shift + width;
#pragma omp for schedule(static)
        for (int64_t row = 0; row < rows; ++row) {
            const int64_t start = row * width;
            const uint32_t row_key = dropout.of_row(row);
            const float *x = normed + start;
            float *to = to_residual + start, sum = 0, along = 0;
#pragma omp simd reduction(+ : sum, along)
            for (int64_t j = 0; j < width; ++j) {
                float g = (gradient ? gradient[start + j] : 0) + (gradient_low ? up(gradient_low[start + j]) : 0);
                to_gain[j] += g * x[j];
                to_shift[j] += g;
                g *= gain[j];
                to[j] = g;
                sum += g;
                along += g * x[j];
            }
            const float mean = sum / width, slope = along / width, scale = inverse[row];
#pragma omp simd
            for (int64_t j = 0; j < width; ++j) {
                float g = (to[j] - mean - x[j] * slope) * scale;
                to[j] = g;
                g *= dropout.factor(row_key, j);
                to_bias[j] += g;
                put(to_product[start + j], g);
            }
        }
    }
}

// The share of a normal distribution below x, to 1.5e-7: Abramowitz & Stegun 7.1.26, with density exp(-x^2 / 2).
inline float below(float x, float density) {
    float t = 1.0f / (1.0f + 0.3275911f * 0.70710678f * std::fabs(x));
    float terms = -0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f));
    float tail = 0.5f * t * (0.254829592f + t * terms) * density;
    return x < 0 ? tail : 1.0f - tail;
}

// out = gelu(product + bias)
template <class T>
void gelu_forward(const T *product, const float *bias, T *out, int64_t rows, int64_t width, int64_t threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t row = 0; row < rows; ++row) {
        const T *in = product + row * width;
        T *to = out + row * width;
#pragma omp simd
        for (int64_t j = 0; j < width; ++j) {
            float x = up(in[j]) + bias[j];
            put(to[j], x * below(x, exponential(-0.5f * x * x)));
        }
    }
}

template <class T>
void gelu_backward(const T *product, const float *bias, const T *gradient, T *to_product, float *sums, int64_t rows,
                   int64_t width, int64_t threads) {
#pragma omp parallel num_threads(threads)
    {
        float *to_bias = sums + width * omp_get_thread_num();
#pragma omp for schedule(static)
        for (int64_t row = 0; row < rows; ++row) {
            const T *in = product + row * width, *g = gradient + row * width;
            T *to = to_product + row * width;
#pragma omp simd
            for (int64_t j = 0; j < width; ++j) {
                float x = up(in[j]) + bias[j], density = exponential(-0.5f * x * x);
                float slope = up(g[j]) * (below(x, density) + x * density * 0.39894228f);
                to_bias[j] += slope;
                put(to[j], slope);
            }
        }
    }
}

// (S, parts, H, D), plus biases unless they are null, -> (parts, runs, H, num * length, D); the first part times scale.
// runs: (num_runs, 2), first token and number of tokens.
template <class T>
void split_heads(const T *product, const float *bias, T *out, const int64_t *runs, int64_t num_runs, int64_t tokens,
                 int64_t parts, int64_t heads, int64_t width, int64_t threads, float scale) {
    const int64_t line = heads * width;
    for (int64_t run = 0; run < num_runs; ++run) {
        const int64_t start = runs[2 * run], here = runs[2 * run + 1];
#pragma omp parallel for schedule(static) num_threads(threads)
        for (int64_t token = 0; token < here; ++token)
            for (int64_t part = 0; part < parts; ++part)
                for (int64_t head = 0; head < heads; ++head) {
                    const T *in = product + ((start + token) * parts + part) * line + head * width;
                    const float *add = bias ? bias + part * line + head * width : nullptr, factor = part ? 1 : scale;
                    T *to = out + (part * tokens + start) * line + (head * here + token) * width;
#pragma omp simd
                    for (int64_t d = 0; d < width; ++d) put(to[d], (up(in[d]) + (add ? add[d] : 0)) * factor);
                }
    }
}

// The inverse, without biases. sums: (threads, parts, H, D) of out, or null.
template <class T>
void join_heads(const T *split, T *out, float *sums, const int64_t *runs, int64_t num_runs, int64_t tokens, int64_t parts,
                int64_t heads, int64_t width, int64_t threads, float scale) {
    const int64_t line = heads * width;
    for (int64_t run = 0; run < num_runs; ++run) {
        const int64_t start = runs[2 * run], here = runs[2 * run + 1];
#pragma omp parallel num_threads(threads)
        {
            float *all = sums ? sums + parts * line * omp_get_thread_num() : nullptr;
#pragma omp for schedule(static)
            for (int64_t token = 0; token < here; ++token)
                for (int64_t part = 0; part < parts; ++part)
                    for (int64_t head = 0; head < heads; ++head) {
                        const T *in = split + (part * tokens + start) * line + (head * here + token) * width;
                        T *to = out + ((start + token) * parts + part) * line + head * width;
                        float *sum = all ? all + part * line + head * width : nullptr, factor = part ? 1 : scale;
#pragma omp simd
                        for (int64_t d = 0; d < width; ++d) {
                            float x = up(in[d]) * factor;
                            if (sum) sum[d] += x;
                            put(to[d], x);
                        }
                    }
        }
    }
}

// scores: (rows, length), `length` rows a matrix. by_query: (rows, 2 length - 1) by j - i, and by_key, times scale, the
// same by key and i - j; or null. used = dropout(probabilities).
template <class T>
void softmax_forward(const T *scores, const T *by_query, const T *by_key, T *probabilities, T *used, int64_t rows,
                     int64_t length, int64_t first_row, int64_t threads, float key_scale, Dropout dropout) {
    const int64_t distances = 2 * length - 1;
#pragma omp parallel num_threads(threads)
    {
        std::vector<float> buffer(length);
        float *line = buffer.data();
#pragma omp for schedule(static)
        for (int64_t row = 0; row < rows; ++row) {
            const int64_t i = row % length;
            const T *in = scores + row * length;
            T *to = probabilities + row * length, *kept = used + row * length;
#pragma omp simd
            for (int64_t j = 0; j < length; ++j) line[j] = up(in[j]);
            if (by_query) {
                const T *near = by_query + row * distances + length - 1 - i;
#pragma omp simd
                for (int64_t j = 0; j < length; ++j) line[j] += up(near[j]);
            }
            if (by_key) {
                const T *far = by_key + (row - i) * distances + i + length - 1;
                for (int64_t j = 0; j < length; ++j) line[j] += up(far[j * (distances - 1)]) * key_scale;
            }
            float highest = -3e38f, sum = 0;
#pragma omp simd reduction(max : highest)
            for (int64_t j = 0; j < length; ++j) highest = std::max(highest, line[j]);
#pragma omp simd reduction(+ : sum)
            for (int64_t j = 0; j < length; ++j) {
                line[j] = exponential(line[j] - highest);
                sum += line[j];
            }
            const float share = 1.0f / sum;
            const uint32_t row_key = dropout.of_row(first_row + row);
#pragma omp simd
            for (int64_t j = 0; j < length; ++j) {
                float p = line[j] * share;
                put(to[j], p);
                put(kept[j], p * dropout.factor(row_key, j));
            }
        }
    }
}

// Draws `used` again, and gives the gradient of the scores, and by distance, with zeros at distances that do not occur.
template <class T>
void softmax_backward(const T *probabilities, const T *to_used, T *used, T *to_scores, T *to_by_query, T *to_by_key,
                      int64_t rows, int64_t length, int64_t first_row, int64_t threads, float key_scale,
                      Dropout dropout) {
    const int64_t distances = 2 * length - 1;
#pragma omp parallel num_threads(threads)
    {
        std::vector<float> buffer(length);
        float *line = buffer.data();
#pragma omp for schedule(static)
        for (int64_t row = 0; row < rows; ++row) {
            const int64_t i = row % length;
            const T *p = probabilities + row * length, *g = to_used + row * length;
            T *kept = used + row * length, *to = to_scores + row * length;
            const uint32_t row_key = dropout.of_row(first_row + row);
            float sum = 0;
#pragma omp simd reduction(+ : sum)
            for (int64_t j = 0; j < length; ++j) {
                float factor = dropout.factor(row_key, j), x = up(p[j]);
                line[j] = up(g[j]) * factor;
                put(kept[j], x * factor);
                sum += line[j] * x;
            }
#pragma omp simd
            for (int64_t j = 0; j < length; ++j) put(to[j], up(p[j]) * (line[j] - sum));
            if (to_by_query) {
                T *near = to_by_query + row * distances;
                std::memset((void *)near, 0, sizeof(T) * distances);
                std::memcpy((void *)(near + length - 1 - i), to, sizeof(T) * length);
            }
        }
        if (to_by_key) {
#pragma omp for schedule(static)
            for (int64_t row = 0; row < rows; ++row) {  // key j of a matrix: a column of its scores
                const int64_t j = row % length;
                T *far = to_by_key + row * distances;
                const T *column = to_scores + (row - j) * length + j;
                std::memset((void *)far, 0, sizeof(T) * distances);
                for (int64_t i = 0; i < length; ++i) put(far[i - j + length - 1], up(column[i * length]) * key_scale);
            }
        }
    }
}

}  // namespace

// What is called from Python: each kernel for float and for bfloat16.
extern "C" void *kernel(int64_t number, int64_t is_half) {
#define BOTH(name) {reinterpret_cast<void *>(name<float>), reinterpret_cast<void *>(name<Half>)}
    static void *const all[][2] = {BOTH(norm_forward),    BOTH(norm_backward), BOTH(gelu_forward),
                                   BOTH(gelu_backward),   BOTH(split_heads),   BOTH(join_heads),
                                   BOTH(softmax_forward), BOTH(softmax_backward)};
    return all[number][is_half];
}
