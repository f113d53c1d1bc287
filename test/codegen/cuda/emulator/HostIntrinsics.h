// These are the host's versions of the ap_* functions in
// codegen/cuda/Intrinsics.cpp. The emulator puts this file before the source of
// a kernel. Emulator.cpp implements the air_emu_* functions.
extern "C" {
u8 *air_emu_shared();
u32 air_emu_thread();
u32 air_emu_block_x();
u32 air_emu_block_y();
void air_emu_barrier();
void air_emu_warp_barrier();
u32 air_emu_shuffle_xor(u32 value, u32 mask);
u32 air_emu_transpose(u32 value);
float air_emu_float_of_half(u32 bits);
u32 air_emu_half_of_float(float value);
void air_emu_mma(float *d, const u32 *a, const u32 *b, bool bfloat);
void air_emu_async_copy16(void *to, const void *from);
void air_emu_async_commit();
void air_emu_async_wait(int pending);
void air_emu_transfer_init(u64 *barrier);
void air_emu_transfer(void *to, const void *from, u32 bytes, u64 *barrier);
void air_emu_transfer_wait(u64 *barrier, u32 parity);
void air_emu_wait_for_previous();
u32 air_emu_atomic_add(u32 *p, u32 value);
void air_emu_fence();
void air_emu_wgmma(float *d, u32 groups, const u32 *a, const u8 *b, u32 stride,
                   bool bfloat);
void air_emu_wgmma_end();
}

#define AP_DEVICE static inline
#define AP_MEMBER inline
#define AP_TABLE static const
#define AP_KERNEL(name, threads, blocks) extern "C" void name

AP_DEVICE u8 *ap_shared() { return air_emu_shared(); }
AP_DEVICE u32 ap_thread() { return air_emu_thread(); }
AP_DEVICE u32 ap_block_x() { return air_emu_block_x(); }
AP_DEVICE u32 ap_block_y() { return air_emu_block_y(); }
AP_DEVICE void ap_barrier() { air_emu_barrier(); }
AP_DEVICE void ap_warp_barrier() { air_emu_warp_barrier(); }
AP_DEVICE u32 ap_shuffle_xor(u32 value, u32 mask) {
  return air_emu_shuffle_xor(value, mask);
}
AP_DEVICE float ap_float_of_bits(u32 bits) {
  return __builtin_bit_cast(float, bits);
}
AP_DEVICE u32 ap_bits_of_float(float value) {
  return __builtin_bit_cast(u32, value);
}
AP_DEVICE float ap_fma(float a, float b, float c) {
  return __builtin_fmaf(a, b, c);
}
AP_DEVICE double ap_sum(double a, double b) { return a + b; }
AP_DEVICE double ap_product(double a, double b) { return a * b; }
AP_DEVICE double ap_fma_double(double a, double b, double c) {
  return __builtin_fma(a, b, c);
}
AP_DEVICE u64 ap_bits_of_double(double value) {
  return __builtin_bit_cast(u64, value);
}
AP_DEVICE double ap_double_of_bits(u64 bits) {
  return __builtin_bit_cast(double, bits);
}
AP_DEVICE float ap_abs(float value) { return __builtin_fabsf(value); }
AP_DEVICE float ap_max(float a, float b) { return __builtin_fmaxf(a, b); }
AP_DEVICE float ap_sqrt(float value) { return __builtin_sqrtf(value); }
AP_DEVICE float ap_exp2(float value) { return __builtin_exp2f(value); }
AP_DEVICE u32 ap_transpose(u32 value) { return air_emu_transpose(value); }
AP_DEVICE float ap_float_of_half(u32 bits) {
  return air_emu_float_of_half(bits & 0xffff);
}
AP_DEVICE u32 ap_half_of_float(float value) {
  return air_emu_half_of_float(value);
}
AP_DEVICE u32 ap_permute(u32 low, u32 high, u32 selector) {
  const u64 bytes = (u64)high << 32 | low;
  u32 result = 0;
  for (u32 i = 0; i < 4; ++i) {
    const u32 which = selector >> 4 * i & 15;
    u32 byte = (u32)(bytes >> 8 * (which & 7)) & 255;
    if (which & 8) { // replicate the sign bit of the byte
      byte = byte & 128 ? 255 : 0;
    }
    result |= byte << 8 * i;
  }
  return result;
}
AP_DEVICE u32 ap_opaque(u32 value) { return value; }
AP_DEVICE u32 ap_in_register(u32 value) { return value; }
AP_DEVICE u32 ap_add_halves(u32 a, u32 b) {
  const float low = ap_float_of_half(a) + ap_float_of_half(b);
  const float high = ap_float_of_half(a >> 16) + ap_float_of_half(b >> 16);
  return ap_half_of_float(low) | ap_half_of_float(high) << 16;
}
AP_DEVICE Word4 ap_stream16(const void *p) { return *(const Word4 *)p; }
AP_DEVICE Word2 ap_stream8(const void *p) { return *(const Word2 *)p; }
AP_DEVICE u32 ap_stream4(const void *p) { return *(const u32 *)p; }
AP_DEVICE float ap_load_coherent(const float *p) { return *p; }
AP_DEVICE u32 ap_atomic_add(u32 *p, u32 value) {
  return air_emu_atomic_add(p, value);
}
AP_DEVICE u64 ap_load_coherent64(const u64 *p) { return *p; }
AP_DEVICE void ap_fence() { air_emu_fence(); }
AP_DEVICE void ap_mma_f16(float (&d)[4], u32 a0, u32 a1, u32 a2, u32 a3, u32 b0,
                          u32 b1) {
  const u32 a[4] = {a0, a1, a2, a3};
  const u32 b[2] = {b0, b1};
  air_emu_mma(d, a, b, false);
}
AP_DEVICE void ap_mma_bf16(float (&d)[4], u32 a0, u32 a1, u32 a2, u32 a3,
                           u32 b0, u32 b1) {
  const u32 a[4] = {a0, a1, a2, a3};
  const u32 b[2] = {b0, b1};
  air_emu_mma(d, a, b, true);
}
AP_DEVICE void ap_async_copy16(void *to, const void *from) {
  air_emu_async_copy16(to, from);
}
AP_DEVICE void ap_async_commit() { air_emu_async_commit(); }
template <int pending> AP_DEVICE void ap_async_wait() {
  air_emu_async_wait(pending);
}
AP_DEVICE void ap_transfer_init(u64 *barrier) {
  air_emu_transfer_init(barrier);
}
AP_DEVICE void ap_transfer_publish() {}
AP_DEVICE void ap_transfer(void *to, const void *from, u32 bytes,
                           u64 *barrier) {
  air_emu_transfer(to, from, bytes, barrier);
}
AP_DEVICE void ap_transfer_wait(u64 *barrier, u32 parity) {
  air_emu_transfer_wait(barrier, parity);
}
AP_DEVICE void ap_wgmma_publish() {}
template <u32 groups, u32 count>
AP_DEVICE void ap_wgmma_begin(float (&)[groups][4], u32 (&)[count]) {}
template <u32 groups>
AP_DEVICE void ap_wgmma_f16(float (&d)[groups][4], u32 a0, u32 a1, u32 a2,
                            u32 a3, const u8 *b, u32 stride) {
  const u32 a[4] = {a0, a1, a2, a3};
  air_emu_wgmma(&d[0][0], groups, a, b, stride, false);
}
template <u32 groups>
AP_DEVICE void ap_wgmma_bf16(float (&d)[groups][4], u32 a0, u32 a1, u32 a2,
                             u32 a3, const u8 *b, u32 stride) {
  const u32 a[4] = {a0, a1, a2, a3};
  air_emu_wgmma(&d[0][0], groups, a, b, stride, true);
}
template <u32 groups> AP_DEVICE void ap_wgmma_end(float (&)[groups][4]) {
  air_emu_wgmma_end();
}
AP_DEVICE void ap_launch_dependents() {}
AP_DEVICE void ap_wait_for_previous() { air_emu_wait_for_previous(); }
