//===- Intrinsics.cpp - PTX instructions as functions ap_* ----------------===//
#include "codegen/cuda/Intrinsics.h"

#include <cstdint>
#include <string>

namespace air::codegen::cuda {

std::string_view commonText() {
  return R"(typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
struct alignas(16) Word4 { u32 x, y, z, w; };
struct alignas(8) Word2 { u32 x, y; };
struct alignas(8) Float2 { float x, y; };
)";
}

namespace {

constexpr const char *kInstructions = R"(
#define AP_DEVICE static __device__ __forceinline__
#define AP_MEMBER __device__ __forceinline__
#define AP_TABLE static __device__ const
#define AP_KERNEL(name, threads, blocks) \
  extern "C" __global__ void __launch_bounds__(threads, blocks) name
extern __shared__ __align__(1024) u8 apSharedBytes[];

AP_DEVICE u8 *ap_shared() { return apSharedBytes; }
AP_DEVICE u32 ap_thread() { return threadIdx.x; }
AP_DEVICE u32 ap_block_x() { return blockIdx.x; }
AP_DEVICE u32 ap_block_y() { return blockIdx.y; }
AP_DEVICE void ap_barrier() { __syncthreads(); }
AP_DEVICE void ap_warp_barrier() { __syncwarp(); }
AP_DEVICE u32 ap_shuffle_xor(u32 value, u32 mask) {
  return __shfl_xor_sync(0xffffffff, value, mask);
}

AP_DEVICE float ap_float_of_bits(u32 bits) { return __int_as_float((int)bits); }
AP_DEVICE u32 ap_bits_of_float(float value) { return (u32)__float_as_int(value); }
AP_DEVICE float ap_fma(float a, float b, float c) { return __fmaf_rn(a, b, c); }
// A sum and a product, each rounded to double. The compiler does not contract
// these functions into a fused multiply-add.
AP_DEVICE double ap_sum(double a, double b) { return __dadd_rn(a, b); }
AP_DEVICE double ap_product(double a, double b) { return __dmul_rn(a, b); }
AP_DEVICE double ap_fma_double(double a, double b, double c) { return __fma_rn(a, b, c); }
AP_DEVICE u64 ap_bits_of_double(double value) { return (u64)__double_as_longlong(value); }
AP_DEVICE double ap_double_of_bits(u64 bits) { return __longlong_as_double((long long)bits); }
AP_DEVICE float ap_abs(float value) { return fabsf(value); }
AP_DEVICE float ap_max(float a, float b) { return fmaxf(a, b); }
AP_DEVICE float ap_sqrt(float value) { return __fsqrt_rn(value); }
AP_DEVICE float ap_exp2(float value) {
  float power;
  asm("ex2.approx.f32 %0, %1;" : "=f"(power) : "f"(value));
  return power;
}
AP_DEVICE float ap_float_of_half(u32 bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"((u16)bits));
  return value;
}
AP_DEVICE u32 ap_half_of_float(float value) {
  u16 bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}
AP_DEVICE u32 ap_permute(u32 low, u32 high, u32 selector) {
  u32 bytes;
  asm("prmt.b32 %0, %1, %2, %3;" : "=r"(bytes) : "r"(low), "r"(high), "r"(selector));
  return bytes;
}
// Returns `value`, but hides from the compiler how it was computed. The
// compiler therefore computes the value once, instead of again for each use.
AP_DEVICE u32 ap_opaque(u32 value) {
  asm("" : "+r"(value));
  return value;
}
// Returns `value`, which is a literal, in a general-purpose register. Otherwise
// the compiler would keep it in a uniform register, which all threads of a warp
// share, and copy it for each instruction that cannot read uniform registers.
// Blocks have one dimension, so threadIdx.y is 0.
AP_DEVICE u32 ap_in_register(u32 value) { return value + threadIdx.y; }

// Adds two pairs of float16.
AP_DEVICE u32 ap_add_halves(u32 a, u32 b) {
  u32 sum;
  asm("add.rn.f16x2 %0, %1, %2;" : "=r"(sum) : "r"(a), "r"(b));
  return sum;
}

// Weights are read once, so these loads do not allocate in L1.
AP_DEVICE Word4 ap_stream16(const void *p) {
  Word4 v;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(p));
  return v;
}
AP_DEVICE Word2 ap_stream8(const void *p) {
  Word2 v;
  asm volatile("ld.global.nc.L1::no_allocate.v2.u32 {%0, %1}, [%2];"
               : "=r"(v.x), "=r"(v.y) : "l"(p));
  return v;
}
AP_DEVICE u32 ap_stream4(const void *p) {
  u32 v;
  asm volatile("ld.global.nc.L1::no_allocate.u32 %0, [%1];" : "=r"(v) : "l"(p));
  return v;
}

// The following two functions read data that other blocks of the same launch
// may have written.
AP_DEVICE float ap_load_coherent(const float *p) {
  float v;
  asm volatile("ld.global.cg.f32 %0, [%1];" : "=f"(v) : "l"(p) : "memory");
  return v;
}
AP_DEVICE u64 ap_load_coherent64(const u64 *p) {
  u64 v;
  asm volatile("ld.global.cg.u64 %0, [%1];" : "=l"(v) : "l"(p) : "memory");
  return v;
}
AP_DEVICE u32 ap_atomic_add(u32 *p, u32 value) { return atomicAdd(p, value); }
AP_DEVICE void ap_fence() { __threadfence(); }

// D = A * B + D with m = 16, n = 8, k = 16. Lane 4g+t holds these elements:
//   a0, a1      columns 2t and 2t+1 of A; a0 has row g, and a1 has row g+8
//   a2, a3      columns 2t+8 and 2t+9 of A; a2 has row g, and a3 has row g+8
//   b0, b1      column g of B; b0 has rows 2t and 2t+1, and b1 has rows 2t+8
//               and 2t+9
//   d[0], d[1]  columns 2t and 2t+1 of row g of D
//   d[2], d[3]  the same columns of row g+8
AP_DEVICE void ap_mma_f16(float (&d)[4], u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
#if __CUDA_ARCH__ >= 800
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, "
      "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
#else
  asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, "
      "{%4, %5}, {%6}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a0), "r"(a1), "r"(b0));
  asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, "
      "{%4, %5}, {%6}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a2), "r"(a3), "r"(b1));
#endif
}
// Transposes a matrix of 8 x 8 float16. Lane 4g+t holds columns 2t and 2t+1 of
// row g.
AP_DEVICE u32 ap_transpose(u32 value) {
  u32 result;
  asm("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(result) : "r"(value));
  return result;
}
#if __CUDA_ARCH__ >= 800
AP_DEVICE void ap_mma_bf16(float (&d)[4], u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, "
      "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

AP_DEVICE u32 ap_shared_address(const void *p) { return (u32)__cvta_generic_to_shared(p); }
AP_DEVICE void ap_async_copy16(void *to, const void *from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;"
               :: "r"(ap_shared_address(to)), "l"(from) : "memory");
}
AP_DEVICE void ap_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until all groups of copies that this thread has committed are complete,
// except for the latest `pending` ones.
template <int pending> AP_DEVICE void ap_async_wait() {
  asm volatile("cp.async.wait_group %0;" :: "n"(pending) : "memory");
}
#endif

#if __CUDA_ARCH__ >= 900
AP_DEVICE void ap_transfer_init(u64 *barrier) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;"
               :: "r"(ap_shared_address(barrier)) : "memory");
}
// Makes initialised barriers visible to the asynchronous copy engine.
AP_DEVICE void ap_transfer_publish() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
// Starts a copy and tells the barrier to expect its bytes in the current phase.
// Only one thread calls it. Addresses and size must be multiples of 16.
AP_DEVICE void ap_transfer(void *to, const void *from, u32 bytes, u64 *barrier) {
  const u32 address = ap_shared_address(barrier);
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;"
               :: "r"(address), "r"(bytes) : "memory");
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes "
               "[%0], [%1], %2, [%3];"
               :: "r"(ap_shared_address(to)), "l"(from), "r"(bytes), "r"(address)
               : "memory");
}
AP_DEVICE void ap_transfer_wait(u64 *barrier, u32 parity) {
  asm volatile("{\n"
               ".reg .pred done;\n"
               "again:\n"
               "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
               "@!done bra again;\n"
               "}" :: "r"(ap_shared_address(barrier)), "r"(parity) : "memory");
}
// Programmatic dependent launch: the first function lets the next kernel start,
// and the second waits for the previous kernel.
AP_DEVICE void ap_launch_dependents() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }
AP_DEVICE void ap_wait_for_previous() { asm volatile("griddepcontrol.wait;" ::: "memory"); }
// Makes what this thread has written to shared memory visible to wgmma.
AP_DEVICE void ap_wgmma_publish() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
#endif
)";

constexpr const char *kWgmma = R"(
template <u32 count> AP_DEVICE void ap_wgmma_begin(float (&d)[@groups@][4], u32 (&a)[count]) {
#pragma unroll
  for (u32 i = 0; i < count; ++i) {
    asm volatile("" : "+r"(a[i]));
  }
  asm volatile("wgmma.fence.sync.aligned;" : @d@ :: "memory");
}
AP_DEVICE void ap_wgmma_f16(float (&d)[@groups@][4], u32 a0, u32 a1, u32 a2, u32 a3, const u8 *b,
                            u32 stride) {
  asm volatile("wgmma.mma_async.sync.aligned.m64n@columns@k16.f32.f16.f16 "
               "{@registers@}, 1, 1, 1, 0;"
               : @d@ : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "l"(ap_wgmma_descriptor(b, stride)));
}
AP_DEVICE void ap_wgmma_bf16(float (&d)[@groups@][4], u32 a0, u32 a1, u32 a2, u32 a3, const u8 *b,
                             u32 stride) {
  asm volatile("wgmma.mma_async.sync.aligned.m64n@columns@k16.f32.bf16.bf16 "
               "{@registers@}, 1, 1, 1, 0;"
               : @d@ : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "l"(ap_wgmma_descriptor(b, stride)));
}
AP_DEVICE void ap_wgmma_end(float (&d)[@groups@][4]) {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
  asm volatile("wgmma.wait_group.sync.aligned 0;" : @d@ :: "memory");
}
)";

/// Returns the functions ap_wgmma_* for accumulators of groups * 8 columns.
std::string wgmmaText(uint32_t groups) {
  const auto operand = [&](uint32_t i) { return "%" + std::to_string(i); };
  std::string outputs;
  std::string registers;
  const uint32_t count = 4 * groups;
  for (uint32_t i = 0; i < count; ++i) {
    outputs += (i == 0 ? "" : ", ") + std::string("\"+f\"(d[") +
               std::to_string(i / 4) + "][" + std::to_string(i % 4) + "])";
    registers += (i == 0 ? "" : ", ") + operand(i);
  }
  registers += "}, {" + operand(count) + ", " + operand(count + 1) + ", " +
               operand(count + 2) + ", " + operand(count + 3) + "}, " +
               operand(count + 4);
  std::string text = kWgmma;
  const auto replace = [&](std::string_view name, const std::string &value) {
    for (size_t at = text.find(name); at != std::string::npos;
         at = text.find(name)) {
      text.replace(at, name.size(), value);
    }
  };
  replace("{@registers@}", "{" + registers);
  replace("@groups@", std::to_string(groups));
  replace("@columns@", std::to_string(8 * groups));
  replace("@d@", outputs);
  return text;
}

/// With wgmma, a warpgroup of four warps adds A * B to an accumulator with m =
/// 64, n = 8 * groups and k = 16. Warp w has rows 16w to 16w+15 of A and of the
/// accumulator d. d[j] holds columns 8j to 8j+7, distributed over the lanes as
/// in ap_mma_f16. B is in shared memory without a swizzle, as core matrices of
/// 8 columns by 8 k, which have 16 bytes for each column. The two core matrices
/// of the same 8 columns are adjacent, and those of the next 8 columns begin
/// `stride` bytes later (PTX ISA, "Matrix Descriptor Format"). ap_wgmma_begin
/// must come after all writes to d and to `a`, which holds the operands A of
/// all multiplications up to ap_wgmma_end. Between ap_wgmma_begin and
/// ap_wgmma_end, only the functions that multiply may use d.
std::string wgmmaTexts() {
  std::string text = R"(
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
AP_DEVICE u64 ap_wgmma_descriptor(const u8 *b, u32 stride) {
  return (ap_shared_address(b) >> 4 & 0x3fff) | (u64)(128 >> 4) << 16 | (u64)(stride >> 4) << 32;
}
)";
  for (const uint32_t groups : {1U, 2U, 4U, 8U, 16U}) {
    text += wgmmaText(groups);
  }
  return text + "#endif\n";
}

} // namespace

std::string_view deviceIntrinsicsText() {
  static const std::string text = kInstructions + wgmmaTexts();
  return text;
}

} // namespace air::codegen::cuda
